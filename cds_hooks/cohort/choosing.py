"""Which lines leave the scan, line by line in Python: the same choice as scanning.py makes in SQL.

For engines other than DuckDB; a test holds the two together on every odd line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cds_hooks.cohort.scanning import (
    BY_CODE,
    CODINGS,
    KEPT_WHOLE,
    LONGEST_LINE,
    NO_JSON,
    NO_PATIENT,
    NO_TYPE,
    NOT_UTF8,
    READ,
    TOO_LONG,
    drug_names,
    known_codes,
)
from cds_hooks.files import unpacked
from fhir_mappers.codes import Terminology


@dataclass(frozen=True, slots=True)
class Judged:
    """One line: kept (`raw`), not needed (`unread`: system, code, display), bad (`reason`), or none of these."""

    kind: str = ""
    patient: str = ""
    id: str = ""
    raw: str | None = None
    unread: tuple[Any, Any, Any] | None = None
    reason: str | None = None
    medication: str = ""


def lines_of(file: str, content: bytes) -> Iterator[tuple[str, int, bytes]]:
    """The lines of a file, with its name and their numbers from 1; empty ones are left out. Raises OSError for damage."""
    body = unpacked(content, file)
    for number, line in enumerate(body.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if line.strip(b" \t\r"):
            yield file, number, line


class Chooser:
    """Judges lines by a terminology."""

    def __init__(self, codes: Terminology) -> None:
        self._known = known_codes(codes)
        self._names = re.compile(drug_names(codes), re.IGNORECASE)

    def judge(self, line: bytes) -> Judged:
        """Whether a line is kept, and for whom."""
        if len(line) > LONGEST_LINE:
            return Judged(reason=TOO_LONG)
        try:
            text = line.decode("utf-8").removesuffix("\r")
        except UnicodeDecodeError:
            return Judged(reason=NOT_UTF8)
        try:
            body = json.loads(text)
        except (ValueError, RecursionError):
            return Judged(reason=NO_JSON)
        if not isinstance(body, dict):
            return Judged(reason=NO_JSON)
        kind, identity = body.get("resourceType"), _text(body.get("id"))
        if kind is None:
            return Judged(id=identity, reason=NO_TYPE)
        medication = _at(body, "medicationReference", "reference")
        if kind == "Medication":
            return Judged(kind, identity, identity, raw=text)
        if kind not in READ:
            return Judged(str(kind), id=identity)
        patient = identity if kind == "Patient" else _patient(_at(body, "subject", "reference") or _at(body, "patient", "reference"))
        if not patient:
            return Judged(kind, id=identity, reason=NO_PATIENT)
        if self._needed(kind, body, text, medication):
            return Judged(kind, patient, identity, raw=text, medication="" if medication.startswith("#") else _last(medication))
        return Judged(kind, patient, identity, unread=_unread(body))

    def _needed(self, kind: str, body: dict[str, Any], text: str, medication: str) -> bool:
        if kind in KEPT_WHOLE:
            return True
        concepts = [body.get("code")] + ([] if kind in BY_CODE else [body.get("medicationCodeableConcept")])
        for concept in concepts:
            codings = concept.get("coding") if isinstance(concept, dict) else None
            if isinstance(codings, dict) and codings.get("code") is not None:
                return True
            if isinstance(codings, list) and self._means(codings):
                return True
        if kind in BY_CODE:
            return kind == "Observation" and bool(body.get("component"))
        return bool(medication) or self._names.search(text) is not None

    def _means(self, codings: list[Any]) -> bool:
        found = [coding.get("code") if isinstance(coding, dict) else None for coding in codings]
        return any(code in self._known for code in found[:CODINGS] if isinstance(code, str)) or (
            len(found) > CODINGS and found[CODINGS] is not None
        )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _at(body: dict[str, Any], name: str, inner: str) -> str:
    held = body.get(name)
    return _text(held.get(inner)) if isinstance(held, dict) else ""


def _last(reference: str) -> str:
    return re.split(r"[/:]", reference)[-1]


def _patient(reference: str) -> str:
    return "" if reference.startswith("#") else _last(re.sub(r"/_history/.*$", "", reference))


def _unread(body: dict[str, Any]) -> tuple[Any, Any, Any]:
    shown: list[tuple[Any, Any, Any, Any]] = []
    for name in ("code", "medicationCodeableConcept"):
        held = body.get(name)
        concept: dict[str, Any] = held if isinstance(held, dict) else {}
        codings = concept.get("coding")
        first = codings[0] if isinstance(codings, list) and codings and isinstance(codings[0], dict) else {}
        shown.append((first.get("system"), first.get("code"), first.get("display"), concept.get("text")))
    (system, code, display, text), (drug_system, drug, drug_display, drug_text) = shown
    words = next((w for w in (display, text, drug_display, drug_text) if w is not None), None)
    return (system if system is not None else drug_system, code if code is not None else drug, words)
