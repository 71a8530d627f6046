"""What leaves the scan of an export: the lines that grading could need, each with its patient; the rest is counted.

A line is kept by its resource type and by whether any of its codes means anything to the terminology, with
the site's maps. A drug without a code that we know is kept when its text names one that we know, as that
asks a person; every patient, form and undecided shape is kept.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from fhir_mappers.codes import Terminology

KEPT_WHOLE = ("Patient", "QuestionnaireResponse")
BY_CODE = ("Observation", "Condition", "Procedure")
DRUGS = ("MedicationAdministration", "MedicationRequest", "AllergyIntolerance")
READ = (*KEPT_WHOLE, *BY_CODE, *DRUGS)
CODINGS = 4
"""Codings looked at in the scan; a record with more is kept."""
NO_JSON, NO_TYPE, NO_PATIENT = "not a JSON object", "has no resourceType", "names no patient by a literal reference"
NOT_UTF8, TOO_LONG = "is not UTF-8", "is longer than 16 MB"
LONGEST_LINE = 16_000_000
SUFFIXES = (".ndjson", ".ndjson.gz", ".jsonl", ".jsonl.gz")
BUNDLES = (".json", ".json.gz")

_ELEMENTS = ("code", "medicationCodeableConcept")
FIRST = (
    "/resourceType", "/id", "/subject/reference", "/patient/reference", "/medicationReference/reference",
    *(f"/{element}/coding/0/code" for element in _ELEMENTS),
)  # fmt: skip
"""What is taken out of every line: it tells whose the line is, and of most lines that it is kept."""
REST = (
    *(f"/{element}/coding/{number}/code" for element in _ELEMENTS for number in range(1, CODINGS + 1)),
    *(f"/{element}/{shown}" for element in _ELEMENTS for shown in ("coding/0/system", "coding/0/display", "text", "coding/code")),
    "/component/0",
)
"""What is taken only out of lines that their first code does not keep."""


class NoExport(Exception):  # noqa: N818 - says what the user gave
    """A path that holds nothing to read; the message names it and says what was expected."""


class DamagedExport(Exception):  # noqa: N818 - says what the user gave
    """Files that cannot be read to their end, a line each. Without them charts would be short and nothing would say so."""


def files_of(export: Path, own: Collection[Path] = ()) -> tuple[list[Path], list[Path]]:
    """The NDJSON files of a folder, else its bundles; both sorted. `own` are files and folders of the run itself.

    Links to folders are not followed. Raises NoExport; OSError for a folder that may not be read: its files would
    be missing without a word.
    """
    if export.is_file():
        found = [export]
    elif export.is_dir():
        found = sorted(_below(export, own))
    else:
        raise NoExport(f"{export}: no such folder; a folder of NDJSON or of bundles was expected")
    lines = [path for path in found if path.name.endswith(SUFFIXES)]
    bundles = [] if lines else [path for path in found if path.name.endswith(BUNDLES)]
    if not lines and not bundles:
        raise NoExport(f"{export}: holds no *.ndjson or *.json (or either with .gz); an export was expected")
    return lines, bundles


def _below(export: Path, own: Collection[Path]) -> Iterator[Path]:
    for name, folders, files in os.walk(export, onerror=_refuse):
        folders[:] = [one for one in folders if Path(name, one) not in own]
        yield from (path for one in files if (path := Path(name, one)) not in own and path.is_file())


def _refuse(problem: OSError) -> NoReturn:
    raise problem


def known_codes(codes: Terminology) -> frozenset[str]:
    """Every code that means something here, of whatever system: what is not among them is never read."""
    listed = {code for _, _, _, code in codes.concepts} | {code for _, code in codes.substances}
    return frozenset(listed | {code for _, code in codes.prompts} | {code for _, code in codes.measured if code})


def drug_names(codes: Terminology) -> str:
    """A pattern for every name of a drug; it may find too much, never too little."""
    names = sorted({name.split()[0] for name in codes.names if name.split()}, key=len, reverse=True)
    return "|".join(re.escape(name) for name in names)


def quoted(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def path_sql(path: Path, pattern: str = "") -> str:
    """A path as an SQL literal that means just this path: DuckDB takes *, ? and [ in it for a pattern.

    `pattern` is meant as one, and stands below the path.
    """
    literal = re.sub(r"([*?[])", r"[\1]", str(path))
    return quoted(f"{literal}/{pattern}" if pattern else literal)


def lines_sql(files: Sequence[Path]) -> str:
    """The lines of files as they stand, with their file; a line that is no UTF-8 goes to the rejected ones.

    The compression is said: DuckDB guesses it by the name, and what stands behind a ? is no part of it for it.
    """
    kinds = {"none": [f for f in files if f.suffix != ".gz"], "gzip": [f for f in files if f.suffix == ".gz"]}
    reads = [_read_lines(found, compression) for compression, found in kinds.items() if found]
    return reads[0] if len(reads) == 1 else f"(SELECT * FROM {reads[0]} UNION ALL SELECT * FROM {reads[1]})"


def _read_lines(files: Sequence[Path], compression: str) -> str:
    names = ", ".join(path_sql(path) for path in files)
    return (
        f"read_csv([{names}], delim='\\x01', quote='', escape='', header=false, columns={{'line': 'VARCHAR'}}, compression='{compression}', "
        f"auto_detect=false, strict_mode=false, max_line_size={LONGEST_LINE}, buffer_size={2 * LONGEST_LINE}, filename=true, ignore_errors=true, "
        "store_rejects=true, rejects_limit=0)"
    )


def kept_sql(source: str, codes: Terminology, buckets: int) -> str:
    """One row a line: `bucket`, `patient`, `raw`, and the id of the `medication` that it refers to.

    `bucket` is from 0 on when the line is kept, else it says why not: -1 its code is not needed, -2 it is bad,
    -3 it is a Medication, -4 its type is not read. `raw` is the line; of -1 and -2 what there is to tell, as JSON.
    No filter stands on top of this: DuckDB would push it down and take the JSON of every line apart again.
    """
    known = _listed(sorted(known_codes(codes)))
    kind, identity, subject, patient, medication, code, drug = (f"x[{number}]" for number in range(1, len(FIRST) + 1))
    where = {path: f"rest[{number}]" for number, path in enumerate(REST, 1)}
    shown = {
        "system": ("/code/coding/0/system", "/medicationCodeableConcept/coding/0/system"),
        "display": ("/code/coding/0/display", "/code/text", "/medicationCodeableConcept/coding/0/display", "/medicationCodeableConcept/text"),
    }
    system, display = (f"coalesce({', '.join(where[path] for path in paths)})" for paths in shown.values())
    broken = (
        f"CASE WHEN {kind} IS NOT NULL THEN NULL WHEN x IS NULL OR NOT starts_with(ltrim(line, E' \\t\\uFEFF'), '{{') THEN {quoted(NO_JSON)} "
        f"ELSE {quoted(NO_TYPE)} END"
    )
    return f"""
    WITH parsed AS (
      SELECT line, filename, try(json_extract_string(line, [{_listed(FIRST)}])) AS x FROM {source}
      WHERE CASE WHEN strlen(line) > 9 THEN true ELSE trim(line, E' \\t\\r') <> '' END
    ), named AS (
      SELECT line, filename, {kind} AS kind, {identity} AS id, {medication} AS medication, {code} AS code, {drug} AS drug,
        kind IN ({_listed(READ)}) AS is_read, {broken} AS broken,
        CASE WHEN is_read THEN {_patient(kind, identity, f"coalesce({subject}, {patient})")} END AS patient
      FROM parsed
    ), coded AS (
      SELECT *, kind IN ({_listed(KEPT_WHOLE)}) OR code IN ({known}) OR (kind IN ({_listed(DRUGS)}) AND drug IN ({known})) AS at_once
      FROM named
    ), looked_at AS (
      SELECT *, CASE WHEN is_read AND at_once IS NOT TRUE THEN json_extract_string(line, [{_listed(REST)}]) END AS rest FROM coded
    ), chosen AS (
      SELECT *, CASE WHEN broken IS NOT NULL OR (is_read AND patient IS NULL) THEN -2 WHEN kind = 'Medication' THEN -3 WHEN NOT is_read THEN -4
        WHEN at_once OR {_needed(known, where, codes)} THEN (hash(patient) % {buckets})::INTEGER ELSE -1 END AS bucket
      FROM looked_at
    )
    SELECT bucket, CASE WHEN bucket = -3 THEN id ELSE patient END AS patient,
      CASE WHEN bucket >= 0 OR bucket = -3 THEN line
        WHEN bucket = -1 THEN json_object('kind', kind, 'system', {system}, 'code', coalesce(code, drug), 'display', {display})::VARCHAR
        WHEN bucket = -2 THEN json_object('file', filename, 'md5', md5(trim(line, E' \\t\\r')), 'id', id,
          'reason', coalesce(broken, {quoted(NO_PATIENT)}))::VARCHAR END AS raw,
      CASE WHEN bucket >= 0 AND medication NOT LIKE '#%' THEN regexp_extract(medication, '([^/:]+)$', 1) END AS medication
    FROM chosen"""


def _listed(texts: Sequence[str]) -> str:
    return ", ".join(map(quoted, texts))


def _patient(kind: str, identity: str, reference: str) -> str:
    """The id of the patient whom a line names; the most usual form of a reference is looked at without a pattern."""
    return (
        f"CASE WHEN {kind} = 'Patient' THEN nullif({identity}, '') "
        f"WHEN starts_with({reference}, '#') THEN NULL "
        f"WHEN starts_with({reference}, 'Patient/') AND position('/' IN {reference}[9:]) = 0 AND position(':' IN {reference}) = 0 "
        f"THEN nullif({reference}[9:], '') "
        rf"ELSE nullif(regexp_extract(regexp_replace({reference}, '/_history/.*$', ''), '([^/:]+)$', 1), '') END"
    )


def _needed(known: str, where: Mapping[str, str], codes: Terminology) -> str:
    """Whether a line that its first code does not keep is needed: by another coding, its shape, or the name of a drug."""
    by_code, by_drug = (_any_of(element, where, known) for element in _ELEMENTS)
    named = f"medication IS NOT NULL OR regexp_matches(line, {quoted('(?i)' + drug_names(codes))})"
    return (
        f"({by_code} OR CASE WHEN kind IN ({_listed(BY_CODE)}) THEN kind = 'Observation' AND {where['/component/0']} IS NOT NULL "
        f"ELSE {by_drug} OR {named} END)"
    )


def _any_of(element: str, where: Mapping[str, str], known: str) -> str:
    """Whether another coding is known, or the codings cannot all be looked at."""
    others = [where[f"/{element}/coding/{number}/code"] for number in range(1, CODINGS)]
    odd = f"{where[f'/{element}/coding/code']} IS NOT NULL OR {where[f'/{element}/coding/{CODINGS}/code']} IS NOT NULL"
    return f"({odd} OR {' OR '.join(f'coalesce({other} IN ({known}), false)' for other in others)})"


def bad_lines(content: Iterator[bytes], wanted: frozenset[str]) -> Iterator[tuple[int, str]]:
    """The numbers (from 1) of the lines with one of these MD5 sums."""
    for number, line in enumerate(content, 1):
        found = hashlib.md5(line.strip(b" \t\r\n"), usedforsecurity=False).hexdigest()
        if found in wanted:
            yield number, found
