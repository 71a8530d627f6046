"""Invariants of the clinical resources that this product reads, and of their neighbours (FHIR R4 4.0.1)."""

from __future__ import annotations

from fhir_mappers.validation.rule_book import Json, codes, has, has_choice, invariant, number, sub, subs
from fhir_mappers.validation.times import surely_after

_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
_CONDITION_STATUS = f"{_TERMINOLOGY}condition-clinical"
_CONDITION_VERIFICATION = f"{_TERMINOLOGY}condition-ver-status"
_ALLERGY_VERIFICATION = f"{_TERMINOLOGY}allergyintolerance-verification"


def _entered_in_error(resource: Json, system: str) -> bool:
    return "entered-in-error" in codes(sub(resource, "verificationStatus"), system)


@invariant("Observation.referenceRange", "obs-3", "must have at least a low, a high or a text")
def obs_3(r: Json) -> bool:
    return has(r, "low", "high", "text")


@invariant("Observation", "obs-6", "dataAbsentReason must not be there when value[x] is")
def obs_6(o: Json) -> bool:
    return not (has(o, "dataAbsentReason") and has_choice(o, "value"))


@invariant(
    "Observation", "obs-7", "a component with the code of the observation excludes the observation's value"
)
def obs_7(o: Json) -> bool:
    if not has_choice(o, "value"):
        return True
    own = subs(sub(o, "code"), "coding")
    return not any(c in own for part in subs(o, "component") for c in subs(sub(part, "code"), "coding"))


@invariant("MedicationAdministration.dosage", "mad-1", "must have a dose or a rate[x]")
def mad_1(d: Json) -> bool:
    return has(d, "dose") or has_choice(d, "rate")


@invariant("MedicationDispense", "mdd-1", "whenHandedOver must not be before whenPrepared")
def mdd_1(m: Json) -> bool:
    return not surely_after(m.get("whenPrepared"), m.get("whenHandedOver"))


@invariant("Condition.stage", "con-1", "must have a summary or an assessment")
def con_1(s: Json) -> bool:
    return has(s, "summary", "assessment")


@invariant("Condition.evidence", "con-2", "must have a code or a detail")
def con_2(e: Json) -> bool:
    return has(e, "code", "detail")


@invariant("Condition", "con-3", "a problem list item needs a clinicalStatus", "warning")
def con_3(c: Json) -> bool:
    listed = any("problem-list-item" in codes(category) for category in subs(c, "category"))
    return not listed or has(c, "clinicalStatus") or _entered_in_error(c, _CONDITION_VERIFICATION)


@invariant("Condition", "con-4", "an abated condition is inactive, resolved or in remission")
def con_4(c: Json) -> bool:
    ended = {"resolved", "remission", "inactive"} & codes(sub(c, "clinicalStatus"), _CONDITION_STATUS)
    return not has_choice(c, "abatement") or bool(ended)


@invariant("Condition", "con-5", "no clinicalStatus when verificationStatus is entered-in-error")
def con_5(c: Json) -> bool:
    return not (_entered_in_error(c, _CONDITION_VERIFICATION) and has(c, "clinicalStatus"))


@invariant(
    "AllergyIntolerance", "ait-1", "clinicalStatus is needed unless verificationStatus is entered-in-error"
)
def ait_1(a: Json) -> bool:
    return _entered_in_error(a, _ALLERGY_VERIFICATION) or has(a, "clinicalStatus")


@invariant("AllergyIntolerance", "ait-2", "no clinicalStatus when verificationStatus is entered-in-error")
def ait_2(a: Json) -> bool:
    return not (_entered_in_error(a, _ALLERGY_VERIFICATION) and has(a, "clinicalStatus"))


@invariant("Patient.contact", "pat-1", "must have a name, telecom, address or organization")
def pat_1(c: Json) -> bool:
    return has(c, "name", "telecom", "address", "organization")


@invariant("Organization", "org-1", "must have a name or an identifier")
def org_1(o: Json) -> bool:
    return has(o, "name", "identifier")


@invariant("Organization", "org-2 / org-3", "address and telecom of an organization are never of use home")
def org_2(o: Json) -> bool:
    return not any(part.get("use") == "home" for part in (*subs(o, "address"), *subs(o, "telecom")))


@invariant("Immunization.education", "imm-1", "must have a documentType or a reference")
def imm_1(e: Json) -> bool:
    return has(e, "documentType", "reference")


@invariant("ImmunizationRecommendation.recommendation", "imr-1", "must have a vaccineCode or a targetDisease")
def imr_1(r: Json) -> bool:
    return has(r, "vaccineCode", "targetDisease")


@invariant("FamilyMemberHistory", "fhs-1", "age[x] and born[x] exclude each other")
def fhs_1(f: Json) -> bool:
    return not (has_choice(f, "age") and has_choice(f, "born"))


@invariant("FamilyMemberHistory", "fhs-2", "estimatedAge needs age[x]")
def fhs_2(f: Json) -> bool:
    return not has(f, "estimatedAge") or has_choice(f, "age")


@invariant("Goal.target", "gol-1", "detail[x] needs a measure")
def gol_1(t: Json) -> bool:
    return not has_choice(t, "detail") or has(t, "measure")


@invariant("RiskAssessment.prediction", "ras-2", "a probability as decimal is at most 100")
def ras_2(p: Json) -> bool:
    value = number(p, "probabilityDecimal")
    return value is None or value <= 100


@invariant("CarePlan.activity", "cpl-3", "a detail or a reference, not both")
def cpl_3(a: Json) -> bool:
    return not (has(a, "detail") and has(a, "reference"))


@invariant("ServiceRequest", "prr-1", "orderDetail needs a code")
def prr_1(s: Json) -> bool:
    return not has(s, "orderDetail") or has(s, "code")


@invariant("Task", "inv-1", "lastModified must not be before authoredOn")
def task_inv_1(t: Json) -> bool:
    return not surely_after(t.get("authoredOn"), t.get("lastModified"))
