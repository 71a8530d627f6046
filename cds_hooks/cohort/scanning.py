"""What leaves the scan of an export: the lines that grading could need, each with its patient; the rest is counted.

A line is kept by its resource type and by whether any of its codes means anything to the terminology, with
the site's maps. A drug without a code that we know is kept when its text names one that we know, as that
asks a person; every patient, form and undecided shape is kept.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

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

_HEADS = ("/resourceType", "/id", "/subject/reference", "/patient/reference", "/medicationReference/reference")
_CONCEPTS = tuple(
    f"/{element}/coding/{number}/code" for element in ("code", "medicationCodeableConcept") for number in range(CODINGS + 1)
)
_SHOWN = ("/code/coding/0/system", "/code/coding/0/display", "/code/text", "/code/coding/code", "/component/0")
_DRUG_SHOWN = tuple(path.replace("/code/", "/medicationCodeableConcept/", 1) for path in _SHOWN[:4])
PATHS = (*_HEADS, *_CONCEPTS, *_SHOWN, *_DRUG_SHOWN)


class NoExport(Exception):  # noqa: N818 - says what the user gave
    """A path that holds nothing to read; the message names it and says what was expected."""


def files_of(export: Path) -> tuple[list[Path], list[Path]]:
    """The NDJSON files of a folder, else its bundles; both sorted. Raises NoExport."""
    if export.is_file():
        found = [export]
    elif export.is_dir():
        found = sorted(path for path in export.rglob("*") if path.is_file())
    else:
        raise NoExport(f"{export}: no such folder; a folder of NDJSON or of bundles was expected")
    lines = [path for path in found if path.name.endswith(SUFFIXES)]
    bundles = [] if lines else [path for path in found if path.name.endswith(BUNDLES)]
    if not lines and not bundles:
        raise NoExport(f"{export}: holds no *.ndjson or *.json (or either with .gz); an export was expected")
    return lines, bundles


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


def lines_sql(files: Sequence[Path]) -> str:
    """The lines of files as they stand, with their file; a line that is no UTF-8 goes to the rejected ones."""
    names = ", ".join(quoted(str(path)) for path in files)
    return (
        f"read_csv([{names}], delim='\\x01', quote='', escape='', header=false, columns={{'line': 'VARCHAR'}}, "
        f"auto_detect=false, strict_mode=false, max_line_size={LONGEST_LINE}, buffer_size={2 * LONGEST_LINE}, filename=true, ignore_errors=true, "
        "store_rejects=true, rejects_limit=0)"
    )


def kept_sql(source: str, codes: Terminology, buckets: int) -> str:
    """One row a line: `bucket` from 0 on when it is kept, else why not (-1 not needed, -2 bad, -3 a Medication)."""
    where = {path: f"x[{number}]" for number, path in enumerate(PATHS, 1)}
    known = ", ".join(quoted(code) for code in sorted(known_codes(codes)))
    concept = {e: [where[f"/{e}/coding/{n}/code"] for n in range(CODINGS + 1)] for e in ("code", "medicationCodeableConcept")}
    by_code, by_drug = (_any_of(concept[name][:CODINGS], known) for name in ("code", "medicationCodeableConcept"))
    odd = f"{where['/code/coding/code']} IS NOT NULL OR {concept['code'][CODINGS]} IS NOT NULL"
    odd_drug = f"{where['/medicationCodeableConcept/coding/code']} IS NOT NULL OR {concept['medicationCodeableConcept'][CODINGS]} IS NOT NULL"
    kind = where["/resourceType"]
    reference = f"coalesce({where['/subject/reference']}, {where['/patient/reference']})"
    patient = (
        f"CASE WHEN {kind} = 'Patient' THEN nullif({where['/id']}, '') "
        f"WHEN starts_with({reference}, '#') THEN NULL "
        f"WHEN starts_with({reference}, 'Patient/') AND position('/' IN {reference}[9:]) = 0 AND position(':' IN {reference}) = 0 "
        f"THEN nullif({reference}[9:], '') "
        rf"ELSE nullif(regexp_extract(regexp_replace({reference}, '/_history/.*$', ''), '([^/:]+)$', 1), '') END"
    )
    needed = (
        f"CASE WHEN {kind} IN ({', '.join(map(quoted, KEPT_WHOLE))}) THEN true "
        f"WHEN {kind} IN ({', '.join(map(quoted, BY_CODE))}) THEN "
        f"coalesce({by_code}, false) OR {odd} OR ({kind} = 'Observation' AND {where['/component/0']} IS NOT NULL) "
        f"ELSE coalesce({by_code}, false) OR coalesce({by_drug}, false) OR {odd} OR {odd_drug} "
        f"OR {where['/medicationReference/reference']} IS NOT NULL "
        f"OR regexp_matches(line, {quoted('(?i)' + drug_names(codes))}) END"
    )
    shown = {
        "system": ("/code/coding/0/system", "/medicationCodeableConcept/coding/0/system"),
        "code": ("/code/coding/0/code", "/medicationCodeableConcept/coding/0/code"),
        "display": ("/code/coding/0/display", "/code/text", "/medicationCodeableConcept/coding/0/display", "/medicationCodeableConcept/text"),
    }
    columns = ", ".join(f"{name} := coalesce({', '.join(where[p] for p in paths)})" for name, paths in shown.items())
    listed = ", ".join(map(quoted, READ))
    paths = ", ".join(map(quoted, PATHS))
    return f"""
    WITH parsed AS (
      SELECT line, filename, try(json_extract_string(line, [{paths}])) AS x FROM {source}
      WHERE CASE WHEN strlen(line) > 9 THEN true ELSE trim(line, E' \\t\\r') <> '' END
    ), judged AS (
      SELECT *, {kind} AS kind, CASE WHEN {kind} IN ({listed}) THEN {patient} END AS patient,
        CASE WHEN {kind} IS NOT NULL THEN NULL WHEN x IS NULL OR NOT starts_with(ltrim(line, E' \\t\\uFEFF'), '{{') THEN {quoted(NO_JSON)}
          ELSE {quoted(NO_TYPE)} END AS broken
      FROM parsed
    ), chosen AS (
      SELECT *, CASE WHEN broken IS NOT NULL OR (kind IN ({listed}) AND patient IS NULL) THEN -2
        WHEN kind = 'Medication' THEN -3 WHEN kind NOT IN ({listed}) THEN -4
        WHEN {needed} THEN (hash(patient) % {buckets})::INTEGER ELSE -1 END AS bucket
      FROM judged
    )
    SELECT bucket, kind, CASE WHEN bucket = -3 THEN {where['/id']} ELSE patient END AS patient,
      CASE WHEN bucket >= 0 OR bucket = -3 THEN line END AS raw, NULL::VARCHAR AS url,
      CASE WHEN bucket >= 0 AND {where['/medicationReference/reference']} NOT LIKE '#%' THEN
        regexp_extract({where['/medicationReference/reference']}, '([^/:]+)$', 1) END AS medication,
      CASE WHEN bucket = -1 THEN struct_pack({columns}) END AS unread,
      CASE WHEN bucket = -2 THEN struct_pack(file := filename, md5 := md5(trim(line, E' \\t\\r')), id := {where['/id']},
        reason := coalesce(broken, {quoted(NO_PATIENT)})) END AS bad
    FROM chosen WHERE bucket > -4"""


def _any_of(found: Sequence[str], known: str) -> str:
    """Whether one of the codes is known; most records have one coding, so that the others are seldom looked at."""
    first, *others = found
    rest = " OR ".join(f"coalesce({one} IN ({known}), false)" for one in others)
    return f"CASE WHEN {first} IN ({known}) THEN true WHEN coalesce({', '.join(others)}) IS NULL THEN false ELSE {rest} END"


def bad_lines(content: Iterator[bytes], wanted: frozenset[str]) -> Iterator[tuple[int, str]]:
    """The numbers (from 1) of the lines with one of these MD5 sums."""
    for number, line in enumerate(content, 1):
        found = hashlib.md5(line.strip(b" \t\r\n"), usedforsecurity=False).hexdigest()
        if found in wanted:
            yield number, found
