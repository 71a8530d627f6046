"""A site's own codes, by FHIR R4 ConceptMaps: flowsheet rows, answers, drugs and procedures (terminology rules 1 to 6).

Exact source system and code lead to one concept of ours. Only `equal` and `equivalent` are used; a wider,
narrower or inexact target asks a person. A map with a slip is refused as a whole, with the place and the reason.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from fhir_mappers.codes import VALUE_SETS, Substance, Terminology, load_terminology
from fhir_mappers.value_sets import LOINC, SNOMED_CT, loinc_check_digit_ok, verhoeff_ok
from rules.documents import DocumentRef

CONCEPTS = "http://fhir.org/guides/icans-cds/CodeSystem/icans-concept"
"""Names of our concepts, for a site map's targets that no code system has a verified code for."""
USED = frozenset({"equal", "equivalent"})
ASKED = frozenset({"relatedto", "wider", "subsumes", "narrower", "specializes", "inexact"})
IGNORED = frozenset({"unmatched", "disjoint"})
_SCORES = frozenset({"ice-score", "capd-score"})
_OTHER_SCALES = re.compile(r"\b(gcs|glasgow|mmse|mini.mental|moca|bims|nihss|rass|richmond)\b", re.IGNORECASE)


class ConceptMapError(Exception):
    """A map that cannot be used: the message names the file, the place, and what was expected."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """One concept of ours: its value set, the question of an answer ("" otherwise), its name, a drug's class."""

    value_set: str
    question: str
    concept: str
    drug_class: str = ""

    @property
    def code(self) -> str:
        """Its code in the CodeSystem of our concepts."""
        return "-".join(part for part in (self.value_set, self.question, self.concept) if part)


@dataclass(frozen=True, slots=True)
class Row:
    """One mapped source code. `relation` is the equivalence; `meaning` None when nothing matches."""

    system: str
    code: str
    display: str
    relation: str
    meaning: Meaning | None
    place: str


@dataclass(frozen=True, slots=True)
class _Index:
    by_name: Mapping[str, Meaning]
    active: Mapping[tuple[str, str], tuple[Meaning, ...]]
    listed: Mapping[tuple[str, str], tuple[Meaning, ...]]


@lru_cache(maxsize=1)
def meanings() -> tuple[Meaning, ...]:
    """Every concept that the mappers know."""
    return tuple(_index().by_name.values())


@lru_cache(maxsize=1)
def _index() -> _Index:
    folder = files("fhir_mappers") / "terminology"
    by_name: dict[str, Meaning] = {}
    active: dict[tuple[str, str], tuple[Meaning, ...]] = {}
    listed: dict[tuple[str, str], tuple[Meaning, ...]] = {}
    for value_set in VALUE_SETS:
        for concept in json.loads((folder / f"{value_set}.json").read_bytes())["concepts"]:
            meaning = Meaning(value_set, concept.get("question", ""), concept["concept"], concept.get("class", ""))
            by_name[meaning.code] = meaning
            for code in concept["codes"]:
                key = code["system"], code["code"]
                listed[key] = (*listed.get(key, ()), meaning)
                if code["active"]:
                    active[key] = (*active.get(key, ()), meaning)
    return _Index(by_name, active, listed)


def with_site_maps(base: Terminology, paths: Sequence[Path]) -> Terminology:
    """The terminology with a site's maps laid over it. Raises ConceptMapError; OSError for a file not to be read."""
    rows: list[Row] = []
    documents: list[DocumentRef] = []
    for path in paths:
        content = path.read_bytes()
        body = _body(content, path.name)
        rows += rows_of(body, path.name, base)
        version = str(body.get("version", "none"))
        documents.append(DocumentRef(str(body.get("id") or path.stem), version, hashlib.sha256(content).hexdigest()))
    _refuse_doubles(rows)
    concepts, substances, prompts = dict(base.concepts), dict(base.substances), dict(base.prompts)
    for row in rows:
        if row.meaning is None:
            continue
        if row.relation in ASKED:
            prompts[row.system, row.code] = (row.meaning.concept, row.relation)
        elif row.meaning.value_set == "substances":
            substances[row.system, row.code] = Substance(row.meaning.concept, row.meaning.drug_class, "ingredient")
        else:
            concepts[row.meaning.value_set, row.meaning.question, row.system, row.code] = row.meaning.concept
    return replace(base, concepts=concepts, substances=substances, prompts=prompts, site_maps=tuple(documents))


SiteCodings = Mapping[tuple[str, str, str], Mapping[str, str]]
"""A site's own coding by value set, question ("" for an observation) and concept of ours: the maps read backwards."""


def site_codings(codes: Terminology | None) -> SiteCodings:
    """What a site calls our questions and answers, for what is written. The code mapped first, where several are."""
    if codes is None:
        return {}
    shipped = load_terminology().concepts
    found: dict[tuple[str, str, str], Mapping[str, str]] = {}
    for (value_set, question, system, code), concept in codes.concepts.items():
        if value_set in ("observations", "answers") and (value_set, question, system, code) not in shipped:
            found.setdefault((value_set, question, concept), {"system": system, "code": code})
    return found


def _body(content: bytes, name: str) -> dict[str, Any]:
    try:
        body = json.loads(content.removeprefix(b"\xef\xbb\xbf"))
    except (ValueError, RecursionError) as problem:
        raise ConceptMapError(f"{name}: not JSON ({str(problem)[:80]}); a FHIR R4 ConceptMap was expected") from None
    if not isinstance(body, dict) or body.get("resourceType") != "ConceptMap":
        raise ConceptMapError(f"{name}: $.resourceType: a FHIR R4 ConceptMap was expected")
    if body.get("status") == "retired":
        raise ConceptMapError(f"{name}: $.status: retired; an active map was expected")
    return body


def rows_of(body: Mapping[str, Any], name: str, base: Terminology) -> Iterator[Row]:
    """Every row of a ConceptMap, each checked. Raises ConceptMapError at the first slip."""
    groups = body.get("group")
    if not isinstance(groups, list) or not groups:
        raise ConceptMapError(f"{name}: $.group: at least one group was expected")
    for g, group in enumerate(groups):
        at = f"{name}: $.group[{g}]"
        source, target = (_text(group, key, at) for key in ("source", "target"))
        if group.get("unmapped") is not None:
            raise ConceptMapError(f"{at}.unmapped: not supported; each source code has to be listed")
        elements = group.get("element")
        if not isinstance(elements, list) or not elements:
            raise ConceptMapError(f"{at}.element: at least one element was expected")
        for e, element in enumerate(elements):
            yield from _rows_of_element(element, base.canonical(source), base.canonical(target), f"{at}.element[{e}]")


def _rows_of_element(element: Any, source: str, target_system: str, at: str) -> Iterator[Row]:
    code = _text(element, "code", at)
    display = str(element.get("display") or "")
    _check_digit(source, code, f"{at}.code")
    targets = element.get("target") or []
    if not isinstance(targets, list):
        raise ConceptMapError(f"{at}.target: a list was expected")
    used = 0
    for t, target in enumerate(targets):
        where = f"{at}.target[{t}]"
        if isinstance(target, dict) and "relationship" in target:
            raise ConceptMapError(f"{where}.relationship: this is R5; R4's equivalence was expected")
        relation = _text(target, "equivalence", where)
        if relation not in USED | ASKED | IGNORED:
            raise ConceptMapError(f"{where}.equivalence: {relation!r}; one of {', '.join(sorted(USED | ASKED | IGNORED))} was expected")
        if target.get("dependsOn") or target.get("product"):
            raise ConceptMapError(f"{where}: dependsOn and product are not supported; an unconditional target was expected")
        if relation in IGNORED:
            yield Row(source, code, display, relation, None, where)
            continue
        meaning = _target(target_system, _text(target, "code", where), f"{where}.code")
        _refuse_wrong_use(source, code, display, meaning, at)
        used += relation in USED
        if used > 1:
            raise ConceptMapError(f"{at}: {source}|{code} has two targets; exactly one equal or equivalent was expected")
        yield Row(source, code, display, relation, meaning, where)


def _text(holder: Any, key: str, at: str) -> str:
    value = holder.get(key) if isinstance(holder, dict) else None
    if not isinstance(value, str) or not value.strip():
        raise ConceptMapError(f"{at}.{key}: a text was expected")
    return value


def _check_digit(system: str, code: str, at: str) -> None:
    check = {LOINC: loinc_check_digit_ok, SNOMED_CT: verhoeff_ok}.get(system)
    if check is not None and not check(code):
        raise ConceptMapError(f"{at}: {system}|{code} fails its check digit")


def _target(system: str, code: str, at: str) -> Meaning:
    """The one concept a target names. Raises ConceptMapError when it names none, or two."""
    index = _index()
    if system == CONCEPTS:
        if code not in index.by_name:
            close = get_close_matches(code, index.by_name, 1)
            raise ConceptMapError(f"{at}: {code!r} is no concept of ours{f'; {close[0]} was meant?' if close else ''}")
        return index.by_name[code]
    found = index.active.get((system, code), ())
    if len(found) > 1:
        names = ", ".join(f"{CONCEPTS}|{m.code}" for m in found)
        raise ConceptMapError(f"{at}: {system}|{code} means different things; one of {names} was expected")
    if not found:
        raise ConceptMapError(f"{at}: {system}|{code} is not a code we read; a verified code or one of {CONCEPTS} was expected")
    return found[0]


def _refuse_wrong_use(system: str, code: str, display: str, meaning: Meaning, at: str) -> None:
    """The negative list: answers as questions, a code that already means something else, other scales as scores."""
    source = f"{system}|{code}"
    if meaning.value_set != "answers" and system == LOINC and code.startswith(("LA", "LL")):
        raise ConceptMapError(f"{at}.code: {source} is an answer or an answer list; a question's code was expected")
    for known in _index().listed.get((system, code), ()):
        if known.value_set == meaning.value_set and known.question == meaning.question and known.concept != meaning.concept:
            raise ConceptMapError(f"{at}: {source} is {known.concept}; it cannot be mapped to {meaning.concept}")
    if meaning.value_set == "observations" and meaning.concept in _SCORES and _OTHER_SCALES.search(display):
        raise ConceptMapError(f"{at}: {display!r} is another scale; it cannot be mapped to {meaning.concept}")


def _refuse_doubles(rows: Sequence[Row]) -> None:
    """Each source code once in what it is used for, over all files: a question, a drug, or an answer under one question."""
    seen: dict[tuple[str, str, str, str], str] = {}
    for row in rows:
        if row.meaning is None or row.relation not in USED:
            continue
        kind = row.meaning.value_set
        key = (row.system, row.code, kind, row.meaning.question)
        if key in seen:
            raise ConceptMapError(
                f"{row.place}: {row.system}|{row.code} is mapped twice, to {seen[key]} "
                f"and to {row.meaning.concept}; each source code once was expected"
            )
        seen[key] = row.meaning.concept
