"""A folder of bundles as records by patient: one file one patient or many, a bad file counted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from cds_hooks.cohort.scanning import READ
from cds_hooks.cohort.work_folder import Failure, put
from cds_hooks.files import content_of
from fhir_mappers.reading import Given, unwrap

_SPACES = bytes.maketrans(b"\n\r\t", b"   ")
KEPT = frozenset((*READ, "Medication"))


class _Reference(msgspec.Struct, gc=False):
    reference: str | None = None


class _Head(msgspec.Struct, gc=False):
    resourceType: str | None = None  # noqa: N815 - FHIR's own element name
    id: str | None = None
    subject: _Reference | None = None
    patient: _Reference | None = None


class _Record(msgspec.Struct, gc=False):
    patient: str
    raw: str
    url: str | None
    kind: str


_head = msgspec.json.Decoder(_Head)


def unbundle(path: Path, to: Path) -> list[Failure]:
    """Writes the records of one file, one a line, each with its patient. Returns what could not be used."""
    try:
        content = content_of(str(path))
    except OSError as problem:
        return [Failure(str(path), 0, "", f"could not be read: {problem.strerror}")]
    found = unwrap(content.removeprefix(b"\xef\xbb\xbf").strip(), path.name)
    failures = [Failure(str(path), 0, issue.evidence, issue.problem) for issue in found.issues]
    records = list(_records(found.given, path, failures))
    put(to, (msgspec.json.encode(record) for record in records))
    return failures


def _records(given: list[Given], path: Path, failures: list[Failure]) -> Iterator[_Record]:
    heads: list[tuple[Given, _Head]] = []
    for one in given:
        try:
            heads.append((one, _head.decode(one.raw)))
        except (msgspec.DecodeError, RecursionError) as problem:
            failures.append(Failure(str(path), 0, one.full_url or "", f"could not be read: {str(problem)[:160]}"))
    people = {_last(one.full_url): head.id for one, head in heads if head.resourceType == "Patient" and head.id and one.full_url}
    ids = {head.id for _, head in heads if head.resourceType == "Patient" and head.id}
    medications = [(one, head) for one, head in heads if head.resourceType == "Medication"]
    for one, head in heads:
        if head.resourceType is None:
            failures.append(Failure(str(path), 0, head.id or "", "has no resourceType; a FHIR resource was expected"))
            continue
        if head.resourceType not in KEPT or head.resourceType == "Medication":
            continue
        patient = head.id if head.resourceType == "Patient" else _patient(head, people)
        if not patient:
            failures.append(Failure(str(path), 0, f"{head.resourceType}/{head.id}", "names no patient by a literal reference"))
            continue
        ids.add(patient)
        yield _record(one, head, patient)
    for patient in sorted(ids):
        yield from (_record(one, head, patient) for one, head in medications)


def _patient(head: _Head, people: dict[str, str]) -> str | None:
    reference = (head.subject or head.patient or _Reference()).reference
    if not reference or reference.startswith("#"):
        return None
    return people.get(_last(reference), _last(reference))


def _last(reference: str | None) -> str:
    return (reference or "").split("/_history/")[0].replace(":", "/").rsplit("/", 1)[-1]


def _record(one: Given, head: _Head, patient: str) -> _Record:
    raw = one.raw.translate(_SPACES).decode("utf-8", "replace")
    return _Record(patient, raw, one.full_url, head.resourceType or "")
