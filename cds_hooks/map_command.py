"""`icans-cds map check`: every code of some bundles, how often, and whether anything here reads it."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from cds_hooks.files import content_of
from fhir_mappers.chart import codings
from fhir_mappers.codes import Terminology, load_terminology
from fhir_mappers.concept_maps import CONCEPTS, meanings
from fhir_mappers.drug import NON_SYSTEMIC_FORMS
from fhir_mappers.reading import Given, Record, read, unwrap
from fhir_mappers.views import (
    AllergyIntolerance,
    CodeableConcept,
    Condition,
    Medication,
    MedicationAdministration,
    MedicationRequest,
    Observation,
    Procedure,
)

LISTED, WRONG_USAGE = 0, 2
MAPPED, PLAUSIBLE, PROMPT, IRRELEVANT = "mapped", "unmapped, plausible by its text", "mapped, not equivalent: refused", "irrelevant"
_HINTS = (
    ("ice-score", r"\bICE\b(?!.*\b(chemo|therap|pack|ifosfamide)).*\b(score|total)?|immune effector cell.*encephalopathy"),
    ("capd-score", r"\bCAPD\b|cornell assessment"),
    ("consciousness", r"level of consciousness|\bLOC\b|depressed consciousness"),
    ("level-of-arousal", r"\barousal|awaken"),
    ("rass", r"\bRASS\b|richmond"),
    ("gcs-total", r"\bGCS\b|glasgow"),
    ("avpu", r"\bA?C?VPU\b"),
    ("seizure", r"seizure|convuls"),
    ("motor", r"focal weakness|hemipar|parapar|motor (finding|weakness)"),
    ("raised-icp", r"intracranial pressure|\bICP\b|papill?o?edema|cerebral o?edema"),
    ("icans-grade", r"\bICANS\b"),
    ("crs-grade", r"\bCRS\b|cytokine release"),
    ("tremor", r"tremor"),
    ("intubation", r"intubat|endotracheal"),
    ("hemodialysis", r"dialysis"),
    ("car-t-infusion", r"\bCAR.?T\b|chimeric antigen"),
)


@dataclass(frozen=True, slots=True)
class Met:
    """One code as it was met: where, what it says, and what it means here, or might."""

    place: str
    system: str
    code: str
    text: str
    status: str
    concept: str
    question: str = ""


def run(files: Sequence[str], skeleton: bool, as_json: bool, codes: Terminology) -> int:
    """Prints every code met, or a ConceptMap to fill in. Exit code: 0, or 2 when a file could not be opened."""
    counted: Counter[Met] = Counter()
    for name in files:
        try:
            content = content_of(name)
        except OSError as problem:
            print(f"icans-cds map check: {name}: {problem.strerror}; a readable file was expected", file=sys.stderr)
            return WRONG_USAGE
        records = _records(content, name)
        counted.update(met for record in records for met in _codes(record, codes))
    rows = sorted(counted.items(), key=lambda row: (_ORDER.index(row[0].status), -row[1], row[0].place, row[0].code))
    if skeleton:
        json.dump(_skeleton([met for met, _ in rows if met.status == PLAUSIBLE]), sys.stdout, indent=1, ensure_ascii=False)
        sys.stdout.write("\n")
    elif as_json:
        for met, count in rows:
            sys.stdout.write(json.dumps({**_plain(met), "count": count}, ensure_ascii=False) + "\n")
    else:
        _show(rows)
    return LISTED


_ORDER = (PLAUSIBLE, PROMPT, MAPPED, IRRELEVANT)


def _records(content: bytes, name: str) -> list[Record]:
    """The records of a Bundle, a list, one resource, NDJSON, or the prefetch of a hook request."""
    name = name.removesuffix(".gz")
    content = content.removeprefix(b"\xef\xbb\xbf").strip()
    if name.endswith(".ndjson"):
        given = [Given(line) for line in content.splitlines() if line.strip()]
    else:
        try:
            asked = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
        except msgspec.DecodeError:
            asked = {}
        request = msgspec.json.decode(asked["request"], type=dict[str, msgspec.Raw]) if "request" in asked else asked
        if "prefetch" in request:
            prefetch = msgspec.json.decode(request["prefetch"], type=dict[str, msgspec.Raw])
            context = msgspec.json.decode(request.get("context", b"{}"), type=dict[str, msgspec.Raw])
            parts = [*prefetch.items(), *((k, v) for k, v in context.items() if k == "draftOrders")]
            given = [one for key, raw in parts if bytes(raw) != b"null" for one in unwrap(bytes(raw), key).given]
        else:
            found = unwrap(content, name)
            for issue in found.issues:
                print(f"icans-cds map check: {issue.evidence}: {issue.problem}", file=sys.stderr)
            given = found.given
    records, issues = read(given)
    for issue in issues:
        print(f"icans-cds map check: {issue.evidence}: {issue.problem}", file=sys.stderr)
    return records


def _codes(record: Record, codes: Terminology) -> Iterator[Met]:
    match record.view:
        case Observation() as view:
            yield from _question(view.code, view.valueCodeableConcept, codes)
            for component in view.component or ():
                yield from _question(component.code, component.valueCodeableConcept, codes)
        case Condition() as view:
            yield from _each("Condition", view.code, codes, codes.condition)
        case Procedure() as view:
            yield from _each("Procedure", view.code, codes, codes.procedure)
        case MedicationAdministration() | MedicationRequest() as view:
            yield from _each("drug", view.medicationCodeableConcept, codes, _drug(codes))
        case Medication() as view:
            yield from _each("drug", view.code, codes, _drug(codes))
        case AllergyIntolerance() as view:
            yield from _each("allergy", view.code, codes, _drug(codes))


def _question(code: CodeableConcept | None, answer: CodeableConcept | None, codes: Terminology) -> Iterator[Met]:
    asked = [codes.observation(c.system, c.code) for c in codings(code)]
    yield from _each("Observation", code, codes, codes.observation)
    known = next((question for question in asked if question is not None), None)
    if answer is not None and known is not None:
        for met in _each("answer", answer, codes, lambda s, c: codes.answer(known, s, c)):
            status = PLAUSIBLE if met.status == IRRELEVANT else met.status
            yield Met(met.place, met.system, met.code, met.text, status, met.concept, known)


def _drug(codes: Terminology) -> Any:
    def name(system: str | None, code: str | None) -> str | None:
        found = codes.substance(system, code)
        if found is None:
            return None
        return f"{found.name} (not systemic)" if found.form in NON_SYSTEMIC_FORMS else found.name

    return name


def _each(place: str, concept: CodeableConcept | None, codes: Terminology, meaning: Any) -> Iterator[Met]:
    """Every coding of a concept; a concept by text alone counts too."""
    if concept is None:
        return
    found = [(c.system or "", c.code or "", c.display or concept.text or "") for c in concept.codings()]
    known = next((m for system, code, _ in found if (m := meaning(system, code)) is not None), None)
    for system, code, text in found or [("", "", concept.text or "")]:
        own = meaning(system, code)
        prompt = codes.prompts.get((codes.canonical(system), code))
        if own is not None:
            yield Met(place, system, code, text, MAPPED, own)
        elif prompt is not None:
            yield Met(place, system, code, text, PROMPT, prompt[0])
        else:
            hint = "" if known is not None else _hint(place, " ".join(filter(None, (text, concept.text))), codes)
            yield Met(place, system, code, text, PLAUSIBLE if hint else IRRELEVANT, hint)


def _hint(place: str, text: str, codes: Terminology) -> str:
    """The concept that a text makes plausible, for a person to decide; "" when it hints at nothing."""
    if place in ("drug", "allergy"):
        return codes.substance_named_in(text) or ""
    return next((concept for concept, pattern in _HINTS if re.search(pattern, text, re.IGNORECASE)), "")


def hint(kind: str, text: str) -> str:
    """What the text of a code of a resource type makes plausible, by the terminology as it ships; "" if nothing."""
    place = "drug" if kind.startswith("Medication") else "allergy" if kind.startswith("Allergy") else kind
    return _hint(place, text, load_terminology())


def _plain(met: Met) -> dict[str, str]:
    return {
        "place": met.place, "system": met.system, "code": met.code, "text": met.text,
        "status": met.status, "concept": met.concept,
    }


def _show(rows: Sequence[tuple[Met, int]]) -> None:
    table = Table("count", "where", "code", "text", "status", "concept", show_lines=False)
    for met, count in rows:
        table.add_row(str(count), met.place, f"{met.system}|{met.code}", met.text[:60], met.status, met.concept)
    Console(width=None if sys.stdout.isatty() else 200).print(table)
    print("A hint by text is for a person to decide; it is never used. --skeleton prints a ConceptMap to fill in.")


def _skeleton(unmapped: Sequence[Met]) -> dict[str, Any]:
    """A ConceptMap with each unmapped code; a relation is left to the person who signs it ("unmatched" until then)."""
    by_name = {m.concept: m for m in meanings() if not m.question}
    groups: dict[str, list[dict[str, Any]]] = {}
    for met in unmapped:
        if not met.system or not met.code:
            continue
        if met.place == "answer":
            options = [m.code for m in meanings() if m.question == met.question]
            hint = f"one of: {', '.join(options)}"
        else:
            hint = by_name[met.concept].code if met.concept in by_name else met.concept
        element = {"code": met.code, "target": [{"equivalence": "unmatched", "comment": f"hint by text: {hint}"[:500]}]}
        if met.text:
            element["display"] = met.text
        groups.setdefault(met.system, []).append(element)
    body: dict[str, Any] = {
        "resourceType": "ConceptMap",
        "id": "site-codes",
        "version": "0.1.0",
        "status": "draft",
        "description": "Fill in target.code and equivalence (equal or equivalent feed a grade). Name who approves it in publisher.",
        "publisher": "NAME OF THE CLINICIAN WHO APPROVES",
    }
    if groups:
        body["group"] = [{"source": s, "target": CONCEPTS, "element": elements} for s, elements in groups.items()]
    return body
