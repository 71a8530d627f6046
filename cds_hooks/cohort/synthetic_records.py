"""A synthetic course as FHIR R4 resources, the way an EHR would export them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Any

from cds_hooks.cohort.synthetic_course import DOMAINS, Course, Seen, Ward

ITEM = "http://fhir.org/guides/icans-cds/CodeSystem/icans-assessment"
ANSWER = "http://fhir.org/guides/icans-cds/CodeSystem/icans-answer"
SITE = "urn:oid:1.2.840.114350.1.13.0.1.7.2.707679"
SITE_ICE = "4711"
LOINC, RXNORM = "http://loinc.org", "http://www.nlm.nih.gov/research/umls/rxnorm"
UCUM = "http://unitsofmeasure.org"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
META = {
    "security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST", "display": "test health data"}],
    "tag": [{"system": "http://fhir.org/guides/icans-cds/CodeSystem/data-origin", "code": "synthetic", "display": "synthetic data, no patient"}],
}
KINDS = ("Patient", "Encounter", "Observation", "MedicationAdministration", "MedicationRequest", "Condition")
PRODUCTS = {
    "blinatumomab": ("1597258", "blinatumomab"),
    "car-t": ("1987398", "axicabtagene ciloleucel"),
    "teclistamab": ("2619438", "teclistamab"),
}
DEXAMETHASONE, LEVETIRACETAM, ACETAMINOPHEN = ("3264", "dexamethasone"), ("114477", "levetiracetam"), ("161", "acetaminophen")
LABS: tuple[tuple[str, str, float, float, str], ...] = (
    ("2951-2", "Sodium", 138, 3, "mmol/L"), ("2160-0", "Creatinine", 0.9, 0.2, "mg/dL"),
    ("2345-7", "Glucose", 105, 15, "mg/dL"), ("1988-5", "C reactive protein", 20, 15, "mg/L"),
    ("2276-4", "Ferritin", 700, 300, "ng/mL"), ("777-3", "Platelets", 90, 40, "10*3/uL"),
    ("8310-5", "Body temperature", 37.2, 0.5, "Cel"), ("8480-6", "Systolic blood pressure", 122, 10, "mm[Hg]"),
    ("59408-5", "Oxygen saturation", 97, 1, "%"), ("718-7", "Hemoglobin", 9.5, 1, "g/dL"),
    ("4544-3", "Hematocrit", 29, 3, "%"), ("786-4", "MCHC", 33, 1, "g/dL"), ("1751-7", "Albumin", 3.5, 0.4, "g/dL"),
)  # fmt: skip
"""LOINC code, name, mean, spread and UCUM unit; the last four mean nothing to the mappers, as most of a chart."""
_WORDS = {"ice": "ICE total", "consciousness": "Level of consciousness", "seizure": "Seizure", "motor": "Motor findings", "raised-icp": "Raised ICP"}


def site_map() -> dict[str, Any]:
    """The ConceptMap that leads the flowsheet code of this ward to the ICE score."""
    target = [{"code": "ice-score", "equivalence": "equivalent"}]
    element = [{"code": SITE_ICE, "display": "ICE total", "target": target}]
    about = {"id": "synthetic-site-codes", "version": "1", "status": "active", "publisher": "nobody: synthetic ward"}
    return {"resourceType": "ConceptMap", **about, "meta": META, "group": [{"source": SITE, "target": ITEM, "element": element}]}


class Chart:
    """Writes the records of one patient; ids count up within the patient."""

    def __init__(self, patient: str, random: Random, ward: Ward) -> None:
        self.patient = patient
        self._random = random
        self._ward = ward
        self._count = 0
        self._local = random.random() < ward.site_codes
        self._subject = {"reference": f"Patient/{patient}"}

    def resources(self, found: Course) -> Iterator[dict[str, Any]]:
        """Every resource of the course, then laboratory values and vital signs up to the number asked for."""
        born = found.started.year - found.age
        yield {"resourceType": "Patient", "id": self.patient, "meta": META, "gender": found.sex, "birthDate": f"{born}-01-01"}
        stay = {"start": found.started.isoformat(), "end": (found.started + timedelta(days=self._ward.days)).isoformat()}
        inpatient = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"}
        yield self._made("Encounter", status="finished", **{"class": inpatient}, period=stay)
        yield from self._therapy(found)
        for seen in found.seen:
            yield from self._assessment(seen)
        end = found.started + timedelta(days=self._ward.days)
        while self._count < self._ward.resources - 1:
            yield self._lab(self._count, found.started, end)

    def _made(self, kind: str, **elements: Any) -> dict[str, Any]:
        self._count += 1
        return {"resourceType": kind, "id": f"{self.patient}-{self._count}", "meta": META, "subject": self._subject, **elements}

    def _odd(self) -> bool:
        return self._random.random() < self._ward.quirks

    def _therapy(self, found: Course) -> Iterator[dict[str, Any]]:
        yield self._order(ACETAMINOPHEN, found.started, 650, 6)
        if found.exposure is None:
            return
        product = PRODUCTS[found.exposure]
        yield self._order(product, found.started - timedelta(hours=2))
        if found.exposure == "blinatumomab":
            period = {"start": found.started.isoformat(), "end": (found.started + timedelta(days=self._ward.days)).isoformat()}
            yield self._given(product, effectivePeriod=period)
        else:
            days = (0, 3, 6) if found.exposure == "teclistamab" else (0,)
            for day in days:
                yield self._given(product, effectiveDateTime=(found.started + timedelta(days=day)).isoformat())
        worst = next((seen for seen in found.seen if seen.grade >= 2), None)
        if worst is not None:
            later = worst.at + timedelta(hours=1)
            yield self._order(DEXAMETHASONE, later, 10, 6)
            yield self._given(DEXAMETHASONE, effectiveDateTime=(later + timedelta(minutes=20)).isoformat())
            yield self._order(LEVETIRACETAM, later, 1000, 12)

    def _order(self, drug: tuple[str, str], at: datetime, mg: float | None = None, hours: int = 24) -> dict[str, Any]:
        dosage: dict[str, Any] = {"text": "as ordered", "timing": {"repeat": {"frequency": 1, "period": hours, "periodUnit": "h"}}}
        if mg is not None:
            dosage["doseAndRate"] = [{"doseQuantity": {"value": mg, "unit": "mg", "system": UCUM, "code": "mg"}}]
        return self._made(
            "MedicationRequest", status="active", intent="order", medicationCodeableConcept=_concept(RXNORM, *drug),
            authoredOn=at.isoformat(), dosageInstruction=[dosage],
        )  # fmt: skip

    def _given(self, drug: tuple[str, str], **when: Any) -> dict[str, Any]:
        return self._made("MedicationAdministration", status="completed", medicationCodeableConcept=_concept(RXNORM, *drug), **when)

    def _assessment(self, seen: Seen) -> Iterator[dict[str, Any]]:
        at = seen.at.isoformat()
        values = {
            "consciousness": seen.state.consciousness, "seizure": seen.state.seizure,
            "motor": seen.state.motor, "raised-icp": seen.state.raised_icp,
        }  # fmt: skip
        for domain in DOMAINS:
            if domain not in seen.charted:
                continue
            if domain == "ice":
                yield self._score(seen, at)
            else:
                code = _concept(ITEM, domain, _WORDS[domain])
                yield self._made("Observation", status="final", code=code, effectiveDateTime=at, valueCodeableConcept=_concept(ANSWER, values[domain]))
        if seen.charted_grade is not None:
            code = _concept(ITEM, "icans-grade", "ICANS grade")
            yield self._made("Observation", status="final", code=code, effectiveDateTime=at, valueInteger=seen.charted_grade)

    def _score(self, seen: Seen, at: str) -> dict[str, Any]:
        code = _concept(SITE, SITE_ICE, "ICE total") if self._local else _concept(ITEM, "ice-score", _WORDS["ice"])
        value: dict[str, Any]
        if seen.state.ice is None:
            value = {"valueCodeableConcept": _concept(ANSWER, "ice-unable-unarousable")}
        elif self._odd():
            value = {"valueQuantity": {"value": seen.state.ice, "unit": "{score}", "system": UCUM, "code": "{score}"}}
        else:
            value = {"valueInteger": seen.state.ice}
        made = self._made("Observation", status="amended" if self._odd() else "final", code=code, effectiveDateTime=at, **value)
        if self._odd():
            made["code"]["coding"].append({"system": "urn:oid:1.2.3.4.5", "code": "flowsheet-row", "display": "Row of the site"})
        if self._odd():
            made["note"] = [{"text": "patient says 10/10; ICE 3 yesterday"}]
        return made

    def _lab(self, number: int, start: datetime, end: datetime) -> dict[str, Any]:
        code, name, mean, spread, unit = LABS[number % len(LABS)]
        share = self._random.random()
        at = start + timedelta(seconds=int((end - start).total_seconds() * share))
        value = round(mean + spread * (2 * self._random.random() - 1), 2)
        return self._made(
            "Observation", status="final", category=[_concept(CATEGORY, "laboratory")], code=_concept(LOINC, code, name),
            effectiveDateTime=at.isoformat(), issued=at.isoformat(),
            valueQuantity={"value": value, "unit": unit, "system": UCUM, "code": unit},
        )  # fmt: skip


def _concept(system: str, code: str, text: str | None = None) -> dict[str, Any]:
    coding = {"system": system, "code": code}
    return {"coding": [coding | ({"display": text} if text else {})], **({"text": text} if text else {})}
