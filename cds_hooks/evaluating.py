"""`icans-cds evaluate`: the same decision on a file: a Bundle of any type, or a CDS Hooks request."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec
from rich.console import Console

from cds_hooks import hook_request, replaying, strict_json
from cds_hooks.decide import Decision, decide
from cds_hooks.evaluate_text import show
from cds_hooks.files import content_of
from cds_hooks.hook_request import HookRequest
from cds_hooks.prefetch import OPTIONAL, Records, bounded, gather
from cds_hooks.refusal import Refusal
from fhir_mappers.codes import load_terminology
from fhir_mappers.elements import Unreadable, evaluation_time
from fhir_mappers.reading import Given, read, unwrap
from fhir_mappers.site import ANYWHERE, Site
from fhir_mappers.views import MedicationRequest, Patient
from rules import Knowledge

EVALUATED, SOME_UNUSABLE, WRONG_USAGE = 0, 1, 2


def run(
    files: Sequence[str],
    as_of: datetime | None,
    as_json: bool,
    knowledge: Knowledge,
    site: Site = ANYWHERE,
    walk: bool = False,
) -> int:
    """Evaluates each file in order and prints it. Exit code: 0 all, 1 some could not be used, 2 not opened."""
    exit_code = EVALUATED
    console = Console()
    for name in files:
        try:
            content = content_of(name)
        except OSError as problem:
            print(f"icans-cds evaluate: {name}: {problem.strerror}; a readable file was expected", file=sys.stderr)
            exit_code = WRONG_USAGE
            continue
        try:
            result = evaluated(content, name, as_of, knowledge, site, walk)
        except Refusal as refusal:
            result = {"file": name, "outcome": refusal.outcome()}
            exit_code = max(exit_code, SOME_UNUSABLE)
        if as_json:
            sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")
        else:
            show(result, console)
    return exit_code


def evaluated(
    content: bytes, name: str, as_of: datetime | None, knowledge: Knowledge, site: Site = ANYWHERE, walk: bool = False
) -> dict[str, Any]:
    """One file as the JSON of the contract; `walk` adds the grade at each assessment. Raises Refusal when it cannot be used."""
    case = case_of(content, as_of, site)
    decision = decide(case.request, case.records, knowledge, as_of=case.as_of, decision_id=case.id, site=site)
    found = {"file": name, **decision.record, "cards": decision.cards}
    if walk:
        found["curve"] = [_point(one) for one in curve(case, knowledge, site)]
    return found


def _point(decision: Decision) -> dict[str, Any]:
    grading = decision.record["grading"]
    kept = {name: grading[name] for name in ("at_least", "at_most", "status", "determining", "unassessed")}
    cards = [{"summary": card["summary"], "indicator": card["indicator"]} for card in decision.cards]
    return {"as_of": decision.record["as_of"], **kept, "cards": cards}


@dataclass(frozen=True, slots=True)
class Case:
    """What a file asks: the request, the records that came with it, the instant, and an id by its content."""

    request: HookRequest
    records: Records
    as_of: datetime
    id: UUID


def decided(content: bytes, as_of: datetime | None, knowledge: Knowledge, site: Site = ANYWHERE) -> Decision:
    """The decision on one file: a hook request, a Bundle, or an example. Raises Refusal."""
    case = case_of(content, as_of, site)
    return decide(case.request, case.records, knowledge, as_of=case.as_of, decision_id=case.id, site=site)


def case_of(content: bytes, as_of: datetime | None, site: Site = ANYWHERE) -> Case:
    """What a file asks: a hook request, a Bundle, or an example. Raises Refusal."""
    body = strict_json.checked(content)
    kind = _kind(body)
    if kind == "example":
        members = strict_json.members(body, "The file")
        as_of = as_of or moment(strict_json.value(members["as_of"], str, "as_of", "a time"), site.zone)
        body = members["request"]
        kind = "request"
    if kind == "request":
        request = hook_request.parse(body, msgspec.json.decode(body, type=_Shape).hook or "")
        return Case(request, gather(request), as_of or datetime.now(UTC), _id(body))
    return _case_of_bundle(body, as_of, site)


def curve(case: Case, knowledge: Knowledge, site: Site = ANYWHERE) -> list[Decision]:
    """The decision at each assessment of the chart up to its instant, oldest first, on the chart as it stood then."""
    timed = replaying.timed(case.records.given, site.codes or load_terminology(), site.zone)
    found = []
    for asked in replaying.every_assessment(timed):
        if asked.trigger != "assessment" or asked.at > case.as_of:
            continue
        records = replace(case.records, given=tuple(replaying.as_of(timed, asked.at)), drafts=())
        found.append(decide(case.request, records, knowledge, as_of=asked.at, decision_id=case.id, site=site))
    return found


class _Shape(msgspec.Struct):
    resourceType: str | None = None  # noqa: N815 - FHIR's own element name
    hook: str | None = None
    request: msgspec.Raw = msgspec.Raw()
    as_of: msgspec.Raw = msgspec.Raw()


def _kind(body: bytes) -> str:
    if body.lstrip()[:1] == b"[":
        return "resources"
    try:
        shape = msgspec.json.decode(body, type=_Shape)
    except msgspec.DecodeError as problem:
        raise Refusal(400, "structure", f"The file is not a FHIR Bundle or a CDS Hooks request: {problem}") from None
    if shape.resourceType is not None:
        return "resources"
    if shape.hook is not None:
        return "request"
    if bytes(shape.request) and bytes(shape.as_of):
        return "example"
    expected = "resourceType (a FHIR Bundle) or hook (a CDS Hooks request) was expected"
    raise Refusal(400, "structure", f"The file is neither: {expected}.")


def of_bundle(
    body: bytes, as_of: datetime | None, knowledge: Knowledge, site: Site, limited: bool = False
) -> Decision:
    """The decision on a Bundle, a list or a single resource: its one patient, its drafts as the order signed.

    The time is `as_of`, else Bundle.timestamp, else now. Raises Refusal when it cannot be used, or, `limited`, when
    it holds more records than one request may.
    """
    case = _case_of_bundle(body, as_of, site, limited)
    return decide(case.request, case.records, knowledge, as_of=case.as_of, decision_id=case.id, site=site)


def _case_of_bundle(body: bytes, as_of: datetime | None, site: Site, limited: bool = False) -> Case:
    found = unwrap(body.strip(), "Bundle")
    if found.incomplete and not found.given:
        raise Refusal(400, "structure", found.issues[0].problem)
    if as_of is None:
        as_of = moment(found.timestamp, site.zone) if found.timestamp else datetime.now(UTC)
    drafts: list[Given] = []
    charted: list[Given] = []
    for one in found.given:
        (drafts if _is_draft(one) else charted).append(one)
    records = Records(tuple(charted), tuple(drafts), tuple(found.issues), frozenset())
    if limited:
        bounded(records)
    request = HookRequest(
        hook="order-sign",
        hook_instance="evaluate",
        user_id="",
        patient_id=_patient(found.given),
        encounter_id=None,
        draft_orders=None,
        selections=(),
        prefetch=dict.fromkeys(OPTIONAL),
        fhir_server=None,
    )
    return Case(request, records, as_of, _id(body))


def _is_draft(given: Given) -> bool:
    views = [record.view for record in read([given])[0]]
    return any(isinstance(view, MedicationRequest) and view.status == "draft" for view in views)


def _patient(given: Sequence[Given]) -> str:
    """The one patient of a bundle: its Patient, else the one subject of all. Raises Refusal."""
    records, _ = read(given)
    people = {r.view.id or r.full_url or "" for r in records if isinstance(r.view, Patient)}
    if not people:
        subjects = [getattr(r.view, "subject", None) or getattr(r.view, "patient", None) for r in records]
        people = {s.reference.split("/")[-1] for s in subjects if s is not None and s.reference}
    if len(people) != 1 or "" in people:
        found = f"{len(people)} patients" if people else "no patient"
        raise Refusal(422, "multiple-matches" if people else "not-found", f"The Bundle holds {found}; one was expected.")
    return people.pop()


def moment(text: str, zone: tzinfo | None) -> datetime:
    """An instant to evaluate at, as a user or a Bundle gives it. Raises Refusal."""
    try:
        return evaluation_time(text, zone)
    except Unreadable:
        text = "The time of the evaluation is not an exact time with its offset from 1900 to 2199, such as 2026-11-22T08:00:00Z."
        raise Refusal(400, "value", text) from None


def _id(body: bytes) -> UUID:
    """A decision id that depends on the content alone: the same file gives the same cards."""
    return uuid5(NAMESPACE_URL, f"http://fhir.org/guides/icans-cds/evaluate/{hashlib.sha256(body).hexdigest()}")
