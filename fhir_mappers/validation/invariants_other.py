"""Invariants of documents, lists, questionnaires, schedules and value sets (FHIR R4 4.0.1)."""

from __future__ import annotations

from fhir_mappers.validation.rule_book import Json, has, has_choice, invariant, subs


@invariant("Composition.section", "cmp-1", "a section must have a text, entries or sections")
def cmp_1(s: Json) -> bool:
    return has(s, "text", "entry", "section")


@invariant("Composition.section", "cmp-2", "emptyReason is for a section without entries")
def cmp_2(s: Json) -> bool:
    return not (has(s, "emptyReason") and has(s, "entry"))


@invariant("List", "lst-1", "emptyReason is for a list without entries")
def lst_1(v: Json) -> bool:
    return not (has(v, "emptyReason") and has(v, "entry"))


@invariant("List", "lst-2", "entry.deleted is for a list of mode changes")
def lst_2(v: Json) -> bool:
    return v.get("mode") == "changes" or not any(has(entry, "deleted") for entry in subs(v, "entry"))


@invariant("List", "lst-3", "entry.date is for a list of mode working")
def lst_3(v: Json) -> bool:
    return v.get("mode") == "working" or not any(has(entry, "date") for entry in subs(v, "entry"))


@invariant(
    "QuestionnaireResponse.item", "qrs-1", "items stand beneath the item or beneath its answer, not both"
)
def qrs_1(i: Json) -> bool:
    return not (has(i, "answer") and has(i, "item"))


@invariant("Parameters.parameter", "inv-1", "a parameter has one of value[x], resource and part")
def parameter_inv_1(p: Json) -> bool:
    return [has_choice(p, "value"), has(p, "resource"), has(p, "part")].count(True) == 1


@invariant("Appointment", "app-2", "start and end are both there or both absent")
def app_2(a: Json) -> bool:
    return has(a, "start") == has(a, "end")


@invariant(
    "Appointment", "app-3", "only a proposed, cancelled or wait-listed appointment may lack start and end"
)
def app_3(a: Json) -> bool:
    return (has(a, "start") and has(a, "end")) or a.get("status") in ("proposed", "cancelled", "waitlist")


@invariant("Appointment", "app-4", "cancelationReason is for a cancelled appointment or a no-show")
def app_4(a: Json) -> bool:
    return not has(a, "cancelationReason") or a.get("status") in ("cancelled", "noshow", "no-show")


@invariant("Appointment.participant", "app-1", "must have a type or an actor")
def app_1(p: Json) -> bool:
    return has(p, "type", "actor")


@invariant("AppointmentResponse", "apr-1", "must have a participantType or an actor")
def apr_1(a: Json) -> bool:
    return has(a, "participantType", "actor")


@invariant("AuditEvent.entity", "sev-1", "a name or a query, not both")
def sev_1(e: Json) -> bool:
    return not (has(e, "name") and has(e, "query"))


@invariant("Linkage", "lnk-1", "must have more than one item")
def lnk_1(v: Json) -> bool:
    return len(subs(v, "item")) > 1


@invariant("ValueSet.compose.include", "vsd-1", "must have a value set or a system")
def vsd_1(i: Json) -> bool:
    return has(i, "valueSet", "system")


@invariant("ValueSet.compose.include", "vsd-2", "concepts and filters need a system")
def vsd_2(i: Json) -> bool:
    return not has(i, "concept", "filter") or has(i, "system")


@invariant("ValueSet.compose.include", "vsd-3", "concepts and filters exclude each other")
def vsd_3(i: Json) -> bool:
    return not (has(i, "concept") and has(i, "filter"))
