"""Invariants of the data types (datatypes.html, extensibility.html, metadatatypes.html of FHIR R4 4.0.1)."""

from __future__ import annotations

from fhir_mappers.validation.rule_book import UCUM, Json, has, has_choice, invariant, number, sub, texts
from fhir_mappers.validation.times import surely_after

_SIMPLE = {  # elements of type SimpleQuantity (datatypes.html#SimpleQuantity, sqty-1)
    "Range": ("low", "high"),
    "SampledData": ("origin",),
    "Dosage": ("maxDosePerAdministration", "maxDosePerLifetime"),
    "Dosage.doseAndRate": ("doseQuantity", "rateQuantity"),
    "Observation.referenceRange": ("low", "high"),
    "MedicationAdministration.dosage": ("dose", "rateQuantity"),
    "MedicationRequest.dispenseRequest": ("quantity",),
    "MedicationRequest.dispenseRequest.initialFill": ("quantity",),
    "MedicationDispense": ("quantity", "daysSupply"),
}


@invariant("Extension", "ext-1", "must have either extensions or value[x], not both")
def ext_1(e: Json) -> bool:
    return has(e, "extension") != has_choice(e, "value")


@invariant("Period", "per-1", "if present, start must not be later than end")
def per_1(p: Json) -> bool:
    return not surely_after(p.get("start"), p.get("end"))


@invariant("Quantity Age Count Distance Duration", "qty-3", "a coded unit needs the system of the code")
def qty_3(q: Json) -> bool:
    return not has(q, "code") or has(q, "system")


@invariant(" ".join(_SIMPLE), "sqty-1", "the comparator is not used on a SimpleQuantity")
def sqty_1(e: Json) -> bool:
    names = {name for row in _SIMPLE.values() for name in row}
    return not any("comparator" in sub(e, name) for name in names)


@invariant("Range", "rng-2", "if present, low must not be higher than high")
def rng_2(r: Json) -> bool:
    low, high = sub(r, "low"), sub(r, "high")
    units = [(q.get("system"), q.get("code"), None if "code" in q else q.get("unit")) for q in (low, high)]
    first, last = number(low, "value"), number(high, "value")
    return first is None or last is None or units[0] != units[1] or first <= last


@invariant(
    "Ratio", "rat-1", "numerator and denominator are both there or both absent (then an extension says why)"
)
def rat_1(r: Json) -> bool:
    both = (has(r, "numerator"), has(r, "denominator"))
    return all(both) or (not any(both) and has(r, "extension"))


@invariant("Attachment", "att-1", "data needs a contentType")
def att_1(a: Json) -> bool:
    return not has(a, "data") or has(a, "contentType")


@invariant("ContactPoint", "cpt-2", "a value needs a system")
def cpt_2(c: Json) -> bool:
    return not has(c, "value") or has(c, "system")


@invariant("Age Distance", "age-1 / dis-1", "a value needs a code, of UCUM")
def ucum_only(q: Json) -> bool:
    return (has(q, "code") or not has(q, "value")) and q.get("system", UCUM) == UCUM


@invariant("Age", "age-1", "an age is positive")
def age_positive(q: Json) -> bool:
    value = number(q, "value")
    return value is None or value > 0


@invariant("Duration", "drt-1", "a coded duration is in UCUM and has a value")
def drt_1(q: Json) -> bool:
    return not has(q, "code") or (q.get("system") == UCUM and has(q, "value"))


@invariant("Count", "cnt-3", "a count is a whole number in the UCUM unit 1")
def cnt_3(q: Json) -> bool:
    value = number(q, "value")
    whole = value is None or value == value.to_integral_value()
    coded = has(q, "code") or not has(q, "value")
    return whole and coded and q.get("system", UCUM) == UCUM and q.get("code", "1") == "1"


@invariant("Expression", "exp-1", "an expression or a reference must be there")
def exp_1(e: Json) -> bool:
    return has(e, "expression", "reference")


@invariant("Timing.repeat", "tim-1", "a duration needs durationUnit")
def tim_1(r: Json) -> bool:
    return not has(r, "duration") or has(r, "durationUnit")


@invariant("Timing.repeat", "tim-2", "a period needs periodUnit")
def tim_2(r: Json) -> bool:
    return not has(r, "period") or has(r, "periodUnit")


@invariant("Timing.repeat", "tim-4 / tim-5", "duration and period are not negative")
def tim_4(r: Json) -> bool:
    return all(value is None or value >= 0 for value in (number(r, "duration"), number(r, "period")))


@invariant("Timing.repeat", "tim-6", "periodMax needs period")
def tim_6(r: Json) -> bool:
    return not has(r, "periodMax") or has(r, "period")


@invariant("Timing.repeat", "tim-7", "durationMax needs duration")
def tim_7(r: Json) -> bool:
    return not has(r, "durationMax") or has(r, "duration")


@invariant("Timing.repeat", "tim-8", "countMax needs count")
def tim_8(r: Json) -> bool:
    return not has(r, "countMax") or has(r, "count")


@invariant("Timing.repeat", "tim-9", "offset needs when, and not a meal itself (C, CM, CD, CV)")
def tim_9(r: Json) -> bool:
    return not has(r, "offset") or (has(r, "when") and not {"C", "CM", "CD", "CV"} & set(texts(r, "when")))


@invariant("Timing.repeat", "tim-10", "timeOfDay and when exclude each other")
def tim_10(r: Json) -> bool:
    return not (has(r, "timeOfDay") and has(r, "when"))
