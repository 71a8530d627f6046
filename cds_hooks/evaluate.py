"""`icans-cds evaluate`: the same decision on a file: a Bundle of any type, or a CDS Hooks request."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec
from rich.console import Console, Group
from rich.markdown import Markdown
from rich.panel import Panel
from rich.text import Text

from cds_hooks import hook_request, strict_json
from cds_hooks.decide import Decision, decide
from cds_hooks.hook_request import HookRequest
from cds_hooks.prefetch import OPTIONAL, Records, bounded, gather
from cds_hooks.refusal import Refusal
from fhir_mappers.elements import Unreadable, exact_time
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
) -> int:
    """Evaluates each file in order and prints it. Exit code: 0 all, 1 some could not be used, 2 not opened."""
    exit_code = EVALUATED
    console = Console()
    for name in files:
        try:
            content = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        except OSError as problem:
            print(f"icans-cds evaluate: {name}: {problem.strerror}; a readable file was expected", file=sys.stderr)
            exit_code = WRONG_USAGE
            continue
        try:
            result = evaluated(content, name, as_of, knowledge, site)
        except Refusal as refusal:
            result = {"file": name, "outcome": refusal.outcome()}
            exit_code = max(exit_code, SOME_UNUSABLE)
        if as_json:
            sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")
        else:
            _show(result, console)
    return exit_code


def evaluated(
    content: bytes, name: str, as_of: datetime | None, knowledge: Knowledge, site: Site = ANYWHERE
) -> dict[str, Any]:
    """One file as the JSON of the contract. Raises Refusal when it cannot be used."""
    decision = decided(content, as_of, knowledge, site)
    return {"file": name, **decision.record, "cards": decision.cards}


def decided(content: bytes, as_of: datetime | None, knowledge: Knowledge, site: Site = ANYWHERE) -> Decision:
    """The decision on one file: a hook request, a Bundle, or an example. Raises Refusal."""
    body = strict_json.checked(content)
    kind = _kind(body)
    if kind == "example":
        members = strict_json.members(body, "The file")
        as_of = as_of or moment(strict_json.value(members["as_of"], str, "as_of", "a time"), site.zone)
        body = members["request"]
        kind = "request"
    if kind == "request":
        return _of_request(body, as_of or datetime.now(UTC), knowledge, site)
    return of_bundle(body, as_of, knowledge, site)


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


def _of_request(body: bytes, as_of: datetime, knowledge: Knowledge, site: Site) -> Decision:
    hook = msgspec.json.decode(body, type=_Shape).hook or ""
    request = hook_request.parse(body, hook)
    return decide(request, gather(request), knowledge, as_of=as_of, decision_id=_id(body), site=site)


def of_bundle(
    body: bytes, as_of: datetime | None, knowledge: Knowledge, site: Site, limited: bool = False
) -> Decision:
    """The decision on a Bundle, a list or a single resource: its one patient, its drafts as the order signed.

    The time is `as_of`, else Bundle.timestamp, else now. Raises Refusal when it cannot be used, or, `limited`, when
    it holds more records than one request may.
    """
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
    return decide(request, records, knowledge, as_of=as_of, decision_id=_id(body), site=site)


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
    """An exact time as given by a user or a Bundle. Raises Refusal."""
    try:
        return exact_time(text, zone)
    except Unreadable:
        text = "The time of the evaluation is not an exact time with its offset, such as 2026-11-22T08:00:00Z."
        raise Refusal(400, "value", text) from None


def _id(body: bytes) -> UUID:
    """A decision id that depends on the content alone: the same file gives the same cards."""
    return uuid5(NAMESPACE_URL, f"http://fhir.org/guides/icans-cds/evaluate/{hashlib.sha256(body).hexdigest()}")


def _show(result: dict[str, Any], console: Console) -> None:
    if "outcome" in result:
        said = "; ".join(issue.get("diagnostics", issue["code"]) for issue in result["outcome"]["issue"])
        console.print(f"[bold]{result['file']}[/bold]: could not be used: {said}", highlight=False)
        return
    grading = result["grading"]
    least = "not gradable" if grading["at_least"] is None else f"at least grade {grading['at_least']}"
    grade = f"grade {grading['at_least']}" if grading["status"] == "final" else f"{least}, at most {grading['at_most']}"
    console.print(f"[bold]{result['file']}[/bold]: patient {result['patient']}, as of {result['as_of']}", highlight=False)
    exposure = result["exposure"]
    console.print(
        f"  ICANS: {grade} ({grading['status']}); exposure: {exposure['substance'] if exposure else 'none'}",
        highlight=False,
    )
    for domain, graded in grading["by_domain"].items():
        mark = " overdue" if graded["overdue"] else ""
        console.print(f"  {domain}: {graded['value']} at {graded['at']} ({graded['evidence']}){mark}", highlight=False)
    if grading["unassessed"]:
        console.print(f"  not assessed: {', '.join(grading['unassessed'])}", highlight=False)
    for issue in result["issues"]:
        console.print(f"  could not be used: {issue['evidence']}: {issue['problem']}", highlight=False, markup=False)
    for card in result["cards"]:
        panel = Group(Text(card["summary"], style="bold"), Markdown(card["detail"]))
        console.print(Panel(panel, title=card["indicator"], subtitle=Text(card["source"]["label"])))
