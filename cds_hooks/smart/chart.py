"""The chart of a visit: read with its token from its server alone, graded as a hook call would be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import uuid4

import msgspec
from starlette.concurrency import run_in_threadpool

from cds_hooks.decide import Decision, decide
from cds_hooks.fhir_client import FhirClient
from cds_hooks.hook_request import HookRequest
from cds_hooks.prefetch import Records, gather
from cds_hooks.refusal import Refusal
from cds_hooks.smart.sessions import Visit
from fhir_mappers.elements import Unreadable, exact_time
from fhir_mappers.questionnaire_response import CAPD_FORM, ICE_FORM, answers_of
from fhir_mappers.reading import unwrap
from fhir_mappers.site import Site
from fhir_mappers.views import Answer, QuestionnaireResponse
from rules import Knowledge

FORMS = "QuestionnaireResponse?patient={patient}&_sort=-authored&_count=20"


@dataclass(frozen=True, slots=True)
class Before:
    """The form saved last: when, and its answers by linkId as the new form's options name them."""

    at: datetime | None = None
    answers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Chart:
    """What was read: a decision, or `why_not`. `before` are the forms' last answers by linkId."""

    decision: Decision | None
    why_not: str | None
    before: Before
    name: str
    call: HookRequest
    records: Records | None = None

    def as_of(self, instant: datetime, knowledge: Knowledge, site: Site) -> Decision:
        """The decision as it would have been at an earlier instant."""
        assert self.records is not None
        return decide(self.call, self.records, knowledge, as_of=instant, decision_id=uuid4(), site=site)


async def read(client: FhirClient, visit: Visit, knowledge: Knowledge, site: Site, as_of: datetime) -> Chart:
    """One visit's chart now. What the server did not give is said, never taken for none."""
    call = HookRequest(
        hook="order-sign",
        hook_instance=visit.id,
        user_id="",
        patient_id=visit.patient_id,
        encounter_id=visit.encounter_id,
        draft_orders=None,
        selections=(),
        prefetch={},
        fhir_server=visit.server.iss,
        access_token=visit.tokens.access,
    )
    filled = await client.fill(call)
    responses = await client.also(call, FORMS.replace("{patient}", visit.patient_id))
    name = _name(filled.prefetch.get("patient"), visit.patient_id)
    before = _before(responses, site) if isinstance(responses, bytes) else Before()
    try:
        records = gather(filled)
    except Refusal as problem:
        return Chart(None, str(problem.text), before, name, filled)
    if isinstance(responses, bytes):
        found = unwrap(responses, "forms")
        records = Records(
            (*records.given, *found.given), records.drafts, (*records.issues, *found.issues), records.unread, records.failed
        )
    decision = await run_in_threadpool(
        decide, filled, records, knowledge, as_of=as_of, decision_id=uuid4(), site=site
    )
    return Chart(decision, None, before, name, filled, records)


class _Named(msgspec.Struct):
    text: str | None = None
    family: str | None = None
    given: list[str] | None = None


class _Person(msgspec.Struct):
    name: list[_Named] | None = None
    birthDate: str | None = None  # noqa: N815 - FHIR's own element name


def _name(raw: bytes | None, patient_id: str) -> str:
    """Name and birth date for the head of the page, where the server gave them; else the id (H20)."""
    try:
        person = msgspec.json.decode(raw or b"{}", type=_Person)
    except msgspec.DecodeError:
        person = _Person()
    one = (person.name or [_Named()])[0]
    said = one.text or " ".join([*(one.given or ()), *([one.family] if one.family else ())])
    return ", ".join([said or f"Patient {patient_id}", *([f"born {person.birthDate}"] if person.birthDate else [])])


class _Entry(msgspec.Struct):
    resource: msgspec.Raw = msgspec.Raw()


class _Bundle(msgspec.Struct):
    entry: list[_Entry] | None = None


def _before(raw: bytes, site: Site) -> Before:
    """The newest completed response to one of our forms."""
    newest = Before()
    for entry in msgspec.json.decode(raw, type=_Bundle).entry or ():
        try:
            response = msgspec.json.decode(entry.resource, type=QuestionnaireResponse)
            at = exact_time(response.authored or "", site.zone)
            form = (response.questionnaire or "").split("|")[0]
            if form not in (ICE_FORM, CAPD_FORM) or response.status not in ("completed", "amended"):
                continue
            answers = {link: said for link, one in answers_of(response.item or ()) if (said := _said(one)) is not None}
        except (msgspec.DecodeError, Unreadable):
            continue
        if newest.at is None or at > newest.at:
            newest = Before(at, answers)
    return newest


def _said(answer: Answer) -> str | None:
    if answer.valueBoolean is not None:
        return "yes" if answer.valueBoolean else "no"
    if answer.valueInteger is not None:
        return str(answer.valueInteger)
    return answer.valueCoding.code if answer.valueCoding is not None else None
