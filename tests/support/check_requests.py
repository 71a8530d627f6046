"""One request for each check of a drafted order (B1 to AL1): a chart that makes that check fire."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from charts import (
    ICD10,
    LOINC,
    NOW,
    RXNORM,
    SNOMED,
    UCUM,
    ago,
    concept,
    diagnosis,
    domain,
    dose,
    hook,
    infusion,
    observation,
    order,
    patient,
    score,
)

from fhir_mappers.codes import load_terminology
from fhir_mappers.concept_maps import with_site_maps
from fhir_mappers.site import Site

Record = dict[str, Any]
FOLDER = Path(__file__).parents[2] / "examples" / "checks"
SITE = Site(None, with_site_maps(load_terminology(), [FOLDER / "site-codes.json"]))
"""A site that codes a haemodialysis session on its own."""
ATC = "http://www.whocc.no/atc"
BLINATUMOMAB, DEXAMETHASONE, LEVETIRACETAM, TOCILIZUMAB = "1597258", "3264", "114477", "612865"


def measured(identity: str, code: str, value: float, unit: str, at: str | None = None) -> Record:
    return observation(identity, concept(LOINC, code), {"valueQuantity": {"value": value, "unit": unit, "system": UCUM, "code": unit}}, at)


def creatinine(value: float, at: str | None = None) -> Record:
    return measured("creatinine", "2160-0", value, "mg/dL", at)


WEIGHT = measured("weight", "29463-7", 70, "kg")
HEIGHT = measured("height", "8302-2", 175, "cm")
ADULT = [patient(50, gender="male"), WEIGHT, HEIGHT, creatinine(0.9)]
RUNNING = infusion(ago(days=3))
OTHERS = [domain("seizure", "seizure-none"), domain("motor", "motor-none"), domain("raised-icp", "icp-none")]
ALERT = domain("consciousness", "loc-alert")
CLEAR = [score("ice-score", 10), ALERT, *OTHERS]
GRADE_1 = [score("ice-score", 8), ALERT, *OTHERS]
GRADE_2 = [score("ice-score", 5), ALERT, *OTHERS]
GRADE_3 = [score("ice-score", 1), ALERT, *OTHERS]


def seizure(hours: float, identity: str = "fit") -> Record:
    found = domain("seizure", "seizure-resolved-rapidly", ago(hours=hours))
    return {**found, "id": identity}


AFTER_SEIZURE = [score("ice-score", 8), ALERT, seizure(6), domain("motor", "motor-none"), domain("raised-icp", "icp-none")]


def engager(rate: float | None = 28, identity: str = "draft") -> Record:
    drafted = order(BLINATUMOMAB, "draft", identity)
    if rate is not None:
        quantity = {"value": rate, "unit": "ug/d", "system": UCUM, "code": "ug/d"}
        drafted["dosageInstruction"] = [{"text": "continuous infusion", "doseAndRate": [{"rateQuantity": quantity}]}]
    return drafted


def drug(code: str, mg: float | None = None, every: float | None = None, identity: str = "draft", **more: Any) -> Record:
    return {**order(code, "draft", identity, mg, every), **more}


def by_atc(code: str, status: str = "active", identity: str = "other", mg: float | None = None, every: float | None = None) -> Record:
    return {**order("x", status, identity, mg, every), "medicationCodeableConcept": concept(ATC, code)}


def intrathecal(identity: str = "intrathecal") -> Record:
    found = by_atc("L01BA01", "draft", identity, 12)
    found["dosageInstruction"][0]["route"] = concept(SNOMED, "72607000")
    return found


def allergic(code: str, identity: str = "allergy") -> Record:
    return {
        "resourceType": "AllergyIntolerance",
        "id": identity,
        "clinicalStatus": concept("http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "active"),
        "verificationStatus": concept("http://terminology.hl7.org/CodeSystem/allergyintolerance-verification", "confirmed"),
        "code": concept(RXNORM, code),
        "patient": {"reference": "Patient/p"},
    }


def premedication(hours: float = 1) -> Record:
    return dose(DEXAMETHASONE, ago(hours=hours), "premedication", 16)


def ended(days: float, length: float = 10, rate: float | None = None) -> Record:
    """A blinatumomab infusion that ended some days ago."""
    found = infusion(ago(days=days + length), ago(days=days))
    if rate is not None:
        found["dosage"] = {"rateQuantity": {"value": rate, "unit": "ug/d", "system": UCUM, "code": "ug/d"}}
    return found


def charted(question: str, value: int, hours: float, identity: str) -> Record:
    return {**score(question, value, ago(hours=hours)), "id": identity}


def low_days(days: int = 3) -> list[Record]:
    """A usable score of 10 on each of the last days."""
    return [charted("ice-score", 10, 1 + 24 * day, f"ice-{day}") for day in range(days)]


def after_grade_3(grade_3_hours: float, *more: Record, rate: float = 28, days_off: float = 4) -> list[Record]:
    """Blinatumomab stopped after a grade 3, all domains clear now."""
    return [
        *ADULT,
        ended(days_off, rate=rate),
        charted("ice-score", 1, grade_3_hours, "worst"),
        *more,
        ALERT,
        *OTHERS,
        premedication(),
    ]


def vitals(temperature: float = 37.2, systolic: float = 118, saturation: float = 97) -> list[Record]:
    return [
        measured("temperature", "8310-5", temperature, "Cel"),
        measured("systolic", "8480-6", systolic, "mm[Hg]"),
        measured("saturation", "59408-5", saturation, "%"),
    ]


def given(code: str, *hours: float, mg: float = 560) -> list[Record]:
    return [dose(code, ago(hours=h), f"given-{n}", mg) for n, h in enumerate(hours)]


def request(*resources: Record, drafts: list[Record]) -> Record:
    return hook(*resources, drafts=drafts)


START = [*ADULT, premedication()]
CASES: dict[str, tuple[str, Callable[[], Record]]] = {
    "al1-allergy": ("Dexamethasone drafted, allergy to it on record", lambda: request(*ADULT, RUNNING, *GRADE_2, allergic(DEXAMETHASONE), drafts=[drug(DEXAMETHASONE, 10, 12)])),
    "al1-related": ("Brivaracetam drafted, allergy to levetiracetam on record", lambda: request(*ADULT, RUNNING, *GRADE_2, allergic(LEVETIRACETAM), drafts=[by_atc("N03AX23", "draft", "draft", 50, 12)])),
    "l6-allergy": ("Levetiracetam drafted, reaction to it on record", lambda: request(*ADULT, RUNNING, *GRADE_3, allergic(LEVETIRACETAM), drafts=[drug(LEVETIRACETAM, 500, 12)])),
    "b1-grade-3-4": ("The next bag at grade 3", lambda: request(*ADULT, RUNNING, *GRADE_3, drafts=[engager()])),
    "b1-proxy": ("The next bag, RASS-like scale suggests grade 3", lambda: request(*ADULT, RUNNING, observation("avpu", concept(LOINC, "80288-4"), {"valueCodeableConcept": concept(SNOMED, "450847001")}), drafts=[engager()])),
    "b2-seizures": ("Two seizures since the first dose", lambda: request(*ADULT, RUNNING, score("ice-score", 10), ALERT, seizure(30, "first"), seizure(60, "second"), drafts=[engager()])),
    "b2-grade-4": ("Grade 4 in the course before", lambda: request(*START, ended(9), {**domain("consciousness", "loc-unarousable", ago(days=12)), "id": "worst"}, *CLEAR, drafts=[engager(9)])),
    "b3-days": ("Restart 4 days after grade 3, one day without a score", lambda: request(*after_grade_3(100, *low_days(2)), drafts=[engager(9)])),
    "b3-lasted": ("Grade 3 that took 9 days", lambda: request(*after_grade_3(14 * 24, charted("ice-score", 1, 9 * 24, "still"), *low_days(4), days_off=6), drafts=[engager(9)])),
    "b3-low-dose": ("Grade 3 began at 9 micrograms a day", lambda: request(*after_grade_3(120, *low_days(4), rate=9), drafts=[engager(9)])),
    "b3-dose": ("Restart at 28 after grade 3", lambda: request(*after_grade_3(120, *low_days(4)), drafts=[engager(28)])),
    "b4-grade": ("A restart at grade 1", lambda: request(*START, ended(1), *GRADE_1, drafts=[engager()])),
    "b4-score": ("A first dose without a baseline score", lambda: request(*START, ALERT, *OTHERS, drafts=[engager(9)])),
    "b5-premedication": ("A first dose, no premedication", lambda: request(*ADULT, *CLEAR, drafts=[engager(9)])),
    "b6-dose": ("18 micrograms a day at 70 kg", lambda: request(*START, *CLEAR, drafts=[engager(18)])),
    "b6-weight": ("No weight of the last 7 days", lambda: request(patient(50, gender="male"), premedication(), *CLEAR, drafts=[engager(9)])),
    "b6-step": ("Relapsed disease, day 1 at 28", lambda: request(*START, *CLEAR, diagnosis(ICD10, "C91.02"), drafts=[engager(28)])),
    "b7-event": ("Tremor in the course before", lambda: request(*START, ended(40), *CLEAR, observation("tremor", concept("http://fhir.org/guides/icans-cds/CodeSystem/icans-assessment", "tremor"), {"valueCodeableConcept": concept("http://fhir.org/guides/icans-cds/CodeSystem/icans-answer", "present")}, ago(days=42)), drafts=[engager()])),
    "b7-cns": ("A first dose with epilepsy on record", lambda: request(*START, *CLEAR, diagnosis(SNOMED, "84757009"), drafts=[engager(9)])),
    "b7-intrathecal": ("A first dose and intrathecal methotrexate in one order", lambda: request(*START, *CLEAR, drafts=[engager(9), intrathecal()])),
    "b7-burden": ("80 % blasts, day 1 at 28", lambda: request(*START, *CLEAR, measured("blasts", "11150-0", 80, "%"), drafts=[engager(28)])),
    "b8-cyp": ("Warfarin is running at the first dose", lambda: request(*START, *CLEAR, by_atc("B01AA03"), drafts=[engager(9)])),
    "x1-replacement": ("Hydrocortisone replacement is running", lambda: request(*ADULT, RUNNING, *GRADE_2, order("5492", "active", "replacement", 10, 12), drafts=[drug(DEXAMETHASONE, 10, 12)])),
    "x1-other": ("Prednisone is running", lambda: request(*ADULT, RUNNING, *GRADE_2, order("8640", "active", "prednisone", 50, 24), drafts=[drug(DEXAMETHASONE, 10, 12)])),
    "x2-duplicate-active": ("Dexamethasone is running and drafted again", lambda: request(*ADULT, RUNNING, *GRADE_3, order(DEXAMETHASONE, "active", "running", 10, 6), drafts=[drug(DEXAMETHASONE, 10, 6)])),
    "x2-duplicate-drafted": ("Dexamethasone twice in one order", lambda: request(*ADULT, RUNNING, *GRADE_3, drafts=[drug(DEXAMETHASONE, 10, 12), drug(DEXAMETHASONE, 10, 12, "second")])),
    "x2-single-3-4": ("24 mg a dose at grade 3", lambda: request(*ADULT, RUNNING, *GRADE_3, drafts=[drug(DEXAMETHASONE, 24, 24)])),
    "x2-single-2": ("30 mg a dose at grade 2", lambda: request(*ADULT, RUNNING, *GRADE_2, drafts=[drug(DEXAMETHASONE, 30, 24)])),
    "x2-single-low": ("30 mg a dose at grade 0", lambda: request(*ADULT, RUNNING, *CLEAR, drafts=[drug(DEXAMETHASONE, 30, 24)])),
    "x2-single-premedication": ("30 mg as premedication", lambda: request(*ADULT, *CLEAR, drafts=[engager(9), drug(DEXAMETHASONE, 30, identity="premedication")])),
    "x2-daily-3-4": ("15 mg every 6 h at grade 3", lambda: request(*ADULT, RUNNING, *GRADE_3, drafts=[drug(DEXAMETHASONE, 15, 6)])),
    "x2-daily-2": ("20 mg every 8 h at grade 2", lambda: request(*ADULT, RUNNING, *GRADE_2, drafts=[drug(DEXAMETHASONE, 20, 8)])),
    "x2-daily-low": ("20 mg every 8 h at grade 0", lambda: request(*ADULT, RUNNING, *CLEAR, drafts=[drug(DEXAMETHASONE, 20, 8)])),
    "x2-daily-80-3-4": ("24 mg every 6 h at grade 3", lambda: request(*ADULT, RUNNING, *GRADE_3, drafts=[drug(DEXAMETHASONE, 24, 6)])),
    "x2-daily-80-2": ("24 mg every 6 h at grade 2", lambda: request(*ADULT, RUNNING, *GRADE_2, drafts=[drug(DEXAMETHASONE, 24, 6)])),
    "x2-daily-80-low": ("24 mg every 6 h at grade 0", lambda: request(*ADULT, RUNNING, *CLEAR, drafts=[drug(DEXAMETHASONE, 24, 6)])),
    "x2-methylprednisolone": ("Methylprednisolone 2,000 mg", lambda: request(*ADULT, RUNNING, *GRADE_3, drafts=[drug("6902", 2000, 24)])),
    "x3-glucose": ("Glucose 14 mmol/L", lambda: request(*ADULT, RUNNING, *GRADE_2, measured("glucose", "2345-7", 252, "mg/dL"), drafts=[drug(DEXAMETHASONE, 10, 12)])),
    "x4-infection": ("Neutrophils 0.2", lambda: request(*ADULT, RUNNING, *GRADE_3, measured("neutrophils", "751-8", 0.2, "10*9/L"), drafts=[drug(DEXAMETHASONE, 10, 6)])),
    "x5-lowers": ("Phenytoin is running", lambda: request(*ADULT, RUNNING, *GRADE_2, order("8183", "active", "phenytoin", 100, 8), drafts=[drug(DEXAMETHASONE, 10, 12)])),
    "x5-raises": ("Voriconazole is running", lambda: request(*ADULT, RUNNING, *GRADE_2, by_atc("J02AC03"), drafts=[drug(DEXAMETHASONE, 10, 12)])),
    "x5-both": ("Voriconazole and carbamazepine are running", lambda: request(*ADULT, RUNNING, *GRADE_2, by_atc("J02AC03"), by_atc("N03AF01", identity="inducer"), drafts=[drug(DEXAMETHASONE, 10, 12)])),
    "x6-dose-3-4": ("4 mg every 6 h at grade 3", lambda: request(*ADULT, RUNNING, *GRADE_3, drafts=[drug(DEXAMETHASONE, 4, 6)])),
    "x6-dose-2": ("8 mg every 12 h at grade 2", lambda: request(*ADULT, RUNNING, *GRADE_2, drafts=[drug(DEXAMETHASONE, 8, 12)])),
    "x6-interval-3-4": ("10 mg a day at grade 3", lambda: request(*ADULT, RUNNING, *GRADE_3, drafts=[drug(DEXAMETHASONE, 10, 24)])),
    "x6-interval-2": ("10 mg a day at grade 2", lambda: request(*ADULT, RUNNING, *GRADE_2, drafts=[drug(DEXAMETHASONE, 10, 24)])),
    "x-oral": ("Dexamethasone tablets, wakes to voice", lambda: request(*ADULT, RUNNING, score("ice-score", 8), domain("consciousness", "loc-awakens-to-voice"), *OTHERS, drafts=[drug("197582", 10, 12)])),
    "ch1-corticosteroid": ("A child, dexamethasone drafted", lambda: request(patient(8, gender="male"), RUNNING, score("capd-score", 12), ALERT, *OTHERS, drafts=[drug(DEXAMETHASONE, 10, 6)])),
    "l1-ceiling": ("1,500 mg every 12 h, clearance 52", lambda: request(*ADULT[:-1], creatinine(1.6), RUNNING, *GRADE_2, drafts=[drug(LEVETIRACETAM, 1500, 12)])),
    "l1-ceiling-low": ("1,000 mg every 12 h, clearance 21", lambda: request(*ADULT[:-1], creatinine(4), RUNNING, *GRADE_2, drafts=[drug(LEVETIRACETAM, 1000, 12)])),
    "l1-dialysis": ("500 mg every 12 h on dialysis", lambda: request(*dialysed(), RUNNING, *GRADE_2, drafts=[drug(LEVETIRACETAM, 500, 12)])),
    "l1-dialysis-seizure": ("500 mg every 12 h on dialysis, after a seizure", lambda: request(*dialysed(), RUNNING, *AFTER_SEIZURE, drafts=[drug(LEVETIRACETAM, 500, 12)])),
    "l1-unknown": ("No creatinine of the last 48 h", lambda: request(*ADULT[:-1], creatinine(0.9, ago(hours=60)), RUNNING, *GRADE_2, drafts=[drug(LEVETIRACETAM, 500, 12)])),
    "l2-duplicate-active": ("Levetiracetam is running and drafted again", lambda: request(*ADULT, RUNNING, *GRADE_2, order(LEVETIRACETAM, "active", "running", 500, 12), drafts=[drug(LEVETIRACETAM, 500, 12)])),
    "l2-duplicate-drafted": ("Levetiracetam twice in one order", lambda: request(*ADULT, RUNNING, *GRADE_2, drafts=[drug(LEVETIRACETAM, 500, 12), drug(LEVETIRACETAM, 500, 12, "second")])),
    "l3-daily": ("2,000 mg every 12 h", lambda: request(*ADULT, RUNNING, *AFTER_SEIZURE, drafts=[drug(LEVETIRACETAM, 2000, 12)])),
    "l3-load": ("A load of 6,000 mg", lambda: request(*ADULT, RUNNING, *AFTER_SEIZURE, drafts=[drug(LEVETIRACETAM, 6000)])),
    "l4-agitation": ("Delirium on the problem list", lambda: request(*ADULT, RUNNING, *GRADE_2, diagnosis(SNOMED, "2776000"), drafts=[drug(LEVETIRACETAM, 500, 12)])),
    "l5-methotrexate": ("Methotrexate is ordered", lambda: request(*ADULT, RUNNING, *GRADE_2, by_atc("L01BA01"), drafts=[drug(LEVETIRACETAM, 500, 12)])),
    "l7-after-seizure": ("500 mg every 12 h after a seizure", lambda: request(*ADULT, RUNNING, *AFTER_SEIZURE, drafts=[drug(LEVETIRACETAM, 500, 12)])),
    "l8-stop": ("Levetiracetam is being stopped", lambda: request(*ADULT, RUNNING, *CLEAR, drafts=[drug(LEVETIRACETAM, 500, 12, status="stopped")])),
    "l-oral": ("Levetiracetam tablets, ICE 5", lambda: request(*ADULT, RUNNING, *GRADE_2, drafts=[drug("311289", 500, 12)])),
    "ch1-levetiracetam": ("A child, levetiracetam drafted", lambda: request(patient(8, gender="male"), RUNNING, score("capd-score", 12), ALERT, *OTHERS, drafts=[drug(LEVETIRACETAM, 250, 12)])),
    "tc1-no-crs": ("Tocilizumab in isolated ICANS", lambda: request(*ADULT, RUNNING, *GRADE_3, *vitals(), drafts=[drug(TOCILIZUMAB, 560)])),
    "tc1-masked": ("Tocilizumab in isolated ICANS, dexamethasone 2 h ago", lambda: request(*ADULT, RUNNING, *GRADE_3, *vitals(), dose(DEXAMETHASONE, ago(hours=2), "steroid", 10), drafts=[drug(TOCILIZUMAB, 560)])),
    "tc1-unknown": ("Tocilizumab without vital signs", lambda: request(*ADULT, RUNNING, *GRADE_3, drafts=[drug(TOCILIZUMAB, 560)])),
    "tc2-over-800": ("Tocilizumab 960 mg", lambda: request(*ADULT, RUNNING, *GRADE_1, *vitals(39), drafts=[drug(TOCILIZUMAB, 960)])),
    "tc2-small": ("Tocilizumab 160 mg at 20 kg", lambda: request(patient(8, gender="male"), measured("weight", "29463-7", 20, "kg"), RUNNING, score("capd-score", 0), ALERT, *OTHERS, *vitals(39), drafts=[drug(TOCILIZUMAB, 160)])),
    "tc2-interval": ("The last dose 5 h ago", lambda: request(*ADULT, RUNNING, *GRADE_1, *vitals(39), *given(TOCILIZUMAB, 5), drafts=[drug(TOCILIZUMAB, 560)])),
    "tc2-fourth": ("The fourth dose in 24 h", lambda: request(*ADULT, RUNNING, *GRADE_1, *vitals(39), *given(TOCILIZUMAB, 23, 16, 8), drafts=[drug(TOCILIZUMAB, 560)])),
    "tc2-fifth": ("The fifth dose", lambda: request(*ADULT, RUNNING, *GRADE_1, *vitals(39), *given(TOCILIZUMAB, 70, 50, 40, 30), drafts=[drug(TOCILIZUMAB, 560)])),
    "tc3-caution": ("Platelets 20", lambda: request(*ADULT, RUNNING, *GRADE_1, *vitals(39), measured("platelets", "777-3", 20, "10*9/L"), drafts=[drug(TOCILIZUMAB, 560)])),
    "sd1-grade-first": ("Lorazepam for sleep", lambda: request(*ADULT, RUNNING, *CLEAR, drafts=[drug("6470", 1)])),
    "sd1-seizure": ("Lorazepam, a seizure 20 min ago", lambda: request(*ADULT, RUNNING, seizure(1 / 3), drafts=[drug("6470", 4)])),
    "it1-day-1": ("Intrathecal methotrexate on day 1", lambda: request(*ADULT, infusion(ago(hours=5)), *CLEAR, drafts=[intrathecal()])),
}
"""Row of the protocol to a title and its request; b7-down has no verified code to be charted with."""


def dialysed() -> list[Record]:
    """An adult on haemodialysis: two sessions in the last days."""
    session = {
        "resourceType": "Procedure",
        "status": "completed",
        "code": concept("http://example.org/fhir/CodeSystem/procedures", "HD"),
        "subject": {"reference": "Patient/p"},
    }
    days = ((1, "session-1"), (3, "session-2"))
    return [*ADULT[:-1], *({**session, "id": name, "performedDateTime": (NOW - timedelta(days=d)).isoformat()} for d, name in days)]
