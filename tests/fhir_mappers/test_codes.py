"""The value sets: every code checked, near misses refused, only active codes answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from hashlib import sha256
from importlib.resources import files
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from fhir_mappers.codes import (
    LOINC,
    SNOMED_CT,
    VALUE_SETS,
    Substance,
    TerminologyError,
    load_terminology,
    loinc_check_digit_ok,
    terminology_from,
    verhoeff_ok,
)

FOLDER = files("fhir_mappers") / "terminology"
CONTENTS = {name: (FOLDER / f"{name}.json").read_bytes() for name in ("systems", *VALUE_SETS)}
BODIES: dict[str, Any] = {name: json.loads(content) for name, content in CONTENTS.items()}
CODESYSTEMS: list[dict[str, Any]] = json.loads((FOLDER / "codesystems.json").read_bytes())
ASSESSMENT, ANSWER = (system["url"] for system in CODESYSTEMS)

ICD_10_CM = "http://hl7.org/fhir/sid/icd-10-cm"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC = "http://www.whocc.no/atc"
HCPCS = "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
OID = "urn:oid:2.16.840.1.113883.6."

CODES = [
    (name, concept, code)
    for name in VALUE_SETS
    for concept in BODIES[name]["concepts"]
    for code in concept["codes"]
]
TERMS = load_terminology()


def concept_of(name: str, concept: dict[str, Any], system: str, code: str) -> str | None:
    """What a coding means in one value set, through the public lookups."""
    if name == "answers":
        return TERMS.answer(concept["question"], system, code)
    if name == "substances":
        found = TERMS.substance(system, code)
        return found.name if found else None
    lookups = {
        "observations": TERMS.observation,
        "conditions": TERMS.condition,
        "procedures": TERMS.procedure,
    }
    return lookups[name](system, code)


# The documents


@pytest.mark.parametrize("name", ["systems", *VALUE_SETS])
def test_a_document_keeps_its_schema(name: str) -> None:
    kind = "systems" if name == "systems" else "value-set"
    schema = json.loads((FOLDER / "schemas" / f"{kind}.schema.json").read_bytes())
    Draft202012Validator.check_schema(schema)
    assert [error.message for error in Draft202012Validator(schema).iter_errors(BODIES[name])] == []
    assert BODIES[name]["id"] == name


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [
        ("conditions", ("active",), False),
        ("conditions", ("reason",), "an active code has none"),
        ("conditions", ("form",), "oral"),
        ("conditions", ("property",), "mass"),
        ("substances", ("form",), "otic"),
        ("observations", ("system",), "LOINC"),
        ("observations", ("code",), "9269-2 "),
    ],
)
def test_the_schema_refuses(name: str, place: tuple[str], value: object) -> None:
    body = json.loads(CONTENTS[name])
    body["concepts"][0]["codes"][0][place[0]] = value
    schema = json.loads((FOLDER / "schemas" / "value-set.schema.json").read_bytes())
    assert not Draft202012Validator(schema).is_valid(body)


@pytest.mark.parametrize(
    ("name", "concepts", "active", "inactive"),
    [
        ("observations", 74, 106, 9),
        ("answers", 73, 43, 22),
        ("conditions", 81, 163, 9),
        ("substances", 54, 149, 7),
        ("procedures", 4, 0, 0),
    ],
)
def test_nobody_switches_a_code_by_accident(name: str, concepts: int, active: int, inactive: int) -> None:
    codes = [code["active"] for kind, _, code in CODES if kind == name]
    assert (len(BODIES[name]["concepts"]), codes.count(True), codes.count(False)) == (
        concepts,
        active,
        inactive,
    )


@pytest.mark.parametrize("name", VALUE_SETS)
def test_every_evidence_is_a_named_source_and_every_source_is_used(name: str) -> None:
    evidence = {source for kind, _, code in CODES if kind == name for source in code["evidence"].split("; ")}
    assert evidence == set(BODIES[name]["sources"])


def test_the_documents_are_named_with_version_and_hash() -> None:
    assert [(ref.id, ref.version, ref.sha256) for ref in TERMS.documents] == [
        (name, BODIES[name]["version"], sha256(content).hexdigest()) for name, content in CONTENTS.items()
    ]


# Every code shipped


@pytest.mark.parametrize(("name", "concept", "code"), CODES, ids=lambda item: str(item)[:40])
def test_an_active_code_answers_and_an_inactive_one_does_not(
    name: str, concept: dict[str, Any], code: dict[str, Any]
) -> None:
    meaning = concept_of(name, concept, code["system"], code["code"])
    assert meaning == (concept["concept"] if code["active"] else None)
    known = TERMS.known_codings(name)
    if code["active"]:
        assert (code["system"], code["code"]) in known


@pytest.mark.parametrize("coding", sorted({(c["system"], c["code"]) for _, _, c in CODES}), ids="|".join)
def test_the_check_digit_holds(coding: tuple[str, str]) -> None:
    system, code = coding
    if system == LOINC:
        assert loinc_check_digit_ok(code)
    if system == SNOMED_CT:
        assert verhoeff_ok(code)


@pytest.mark.parametrize(
    "code", [code for _, _, code in CODES if code["system"] == LOINC], ids=lambda c: c["code"]
)
def test_a_wrong_loinc_check_digit_is_seen(code: dict[str, Any]) -> None:
    stem, digit = code["code"].split("-")
    assert [d for d in "0123456789" if loinc_check_digit_ok(f"{stem}-{d}")] == [digit]


@pytest.mark.parametrize(
    "code", [code for _, _, code in CODES if code["system"] == SNOMED_CT], ids=lambda c: c["code"]
)
def test_a_wrong_digit_or_a_swap_in_a_snomed_id_is_seen(code: dict[str, Any]) -> None:
    sctid: str = code["code"]
    for place in range(1, len(sctid)):
        for digit in set("0123456789") - {sctid[place]}:
            assert not verhoeff_ok(sctid[:place] + digit + sctid[place + 1 :])
        swapped = sctid[: place - 1] + sctid[place] + sctid[place - 1] + sctid[place + 1 :]
        assert swapped == sctid or not verhoeff_ok(swapped)


@pytest.mark.parametrize(
    "code", ["", "9269", "9269-", "-2", "9269-22", "LX9347-1", " 9269-2", "9269-2\n", "٩269-2"]
)
def test_not_a_loinc_code(code: str) -> None:
    assert not loinc_check_digit_ok(code)


@pytest.mark.parametrize("code", ["", "0", "00000", "²²²²²²", "91175000 ", "91175000\n", "9117500x"])
def test_not_a_snomed_id(code: str) -> None:
    assert not verhoeff_ok(code)


# The near-miss register: codes published with a wrong meaning


@pytest.mark.parametrize(
    ("meaning", "expected"),
    [
        pytest.param(TERMS.observation(LOINC, "99844-5"), None, id="99844-5 as CAM-ICU: check digit"),
        pytest.param(TERMS.observation(LOINC, "99844-3"), None, id="99844-3, its neighbor: a speech measure"),
        pytest.param(TERMS.observation(SNOMED_CT, "450740000"), None, id="450740000 as CAM-ICU: Verhoeff"),
        pytest.param(TERMS.observation(LOINC, "90557-9"), None, id="90557-9 as NEWS2: check digit"),
        pytest.param(TERMS.observation(LOINC, "LL6536-8"), None, id="LL6536-8 as RASS: an answer list"),
        pytest.param(TERMS.observation(LOINC, "LL3830-8"), None, id="LL3830-8 as arousal: an answer list"),
        pytest.param(TERMS.answer("avpu", LOINC, "LA9347-1"), None, id="80288-4 takes no arousal answer"),
        pytest.param(
            TERMS.answer("avpu", SNOMED_CT, "450847001"), "avpu-pain", id="450847001 as voice: it is pain"
        ),
        pytest.param(TERMS.answer("avpu", SNOMED_CT, "300202002"), "avpu-voice", id="300202002 is voice"),
        pytest.param(
            TERMS.answer("avpu", SNOMED_CT, "1104441000000107"), None, id="the ACVPU scale as an answer"
        ),
        pytest.param(
            TERMS.answer("avpu", SNOMED_CT, "130987000"), "avpu-confusion", id="130987000 is confusion"
        ),
        pytest.param(
            TERMS.observation(LOINC, "33820-2"), None, id="33820-2 as interferon gamma: it is alpha"
        ),
        pytest.param(TERMS.observation(LOINC, "3074-2"), None, id="3074-2 as fibrinogen: TNF-alpha"),
        pytest.param(TERMS.observation(LOINC, "3255-7"), "fibrinogen", id="3255-7 is fibrinogen"),
        pytest.param(
            TERMS.substance(RXNORM, "6960"),
            Substance("midazolam", "benzodiazepine", "ingredient"),
            id="6960 as melatonin: midazolam",
        ),
        pytest.param(TERMS.substance(RXNORM, "OMOP4822345"), None, id="an OMOP id is no RxCUI"),
        pytest.param(TERMS.condition(ICD_10_CM, "G41.0"), None, id="G41.0 is not in ICD-10-CM"),
        pytest.param(TERMS.condition(ICD_10_CM, "G41.9"), None, id="G41.9 is not in ICD-10-CM"),
        pytest.param(TERMS.condition(ICD_10_CM, "G40.901"), "status-epilepticus", id="G40.901 instead"),
        pytest.param(TERMS.condition(ICD_10_CM, "T80.89XA"), "infusion-complication", id="T80.89 is not IEC"),
        pytest.param(TERMS.condition(ICD_10_CM, "T80.82XA"), "iec-complication", id="T80.82 is IEC"),
    ],
)
def test_near_misses(meaning: object, expected: object) -> None:
    assert meaning == expected


def test_no_rxnorm_extension_id_is_shipped() -> None:
    assert all(code["code"].isdigit() for _, _, code in CODES if code["system"] == RXNORM)


@pytest.mark.parametrize(
    "coding", ["9269-2", "72106-8", "72172-0", "70184-7", "93414-1", "105043-4", "67775-7", "80288-4"]
)
def test_no_other_score_is_the_ice_score(coding: str) -> None:
    assert TERMS.observation(LOINC, coding) not in {"ice-score", "capd-score", "consciousness"}


def test_the_ice_and_capd_scores_have_only_the_projects_own_code() -> None:
    own = {"ice-score", "capd-score", "consciousness", "seizure", "motor", "raised-icp", "icans-grade"}
    assert {code["system"] for name, c, code in CODES if name == "observations" and c["concept"] in own} == {
        ASSESSMENT
    }


# Meaning under a question


def test_the_same_answer_code_means_different_things_under_two_questions() -> None:
    assert TERMS.answer("gcs-verbal", LOINC, "LA6560-2") == "gcs-verbal-4"
    assert TERMS.answer("avpu", LOINC, "LA6560-2") == "avpu-confusion"
    assert TERMS.answer("gcs-eye", LOINC, "LA6560-2") is None
    assert TERMS.answer("", LOINC, "LA6560-2") is None


def test_the_gcs_total_has_no_answers() -> None:
    assert all(row["question"] != "gcs-total" for row in BODIES["answers"]["concepts"])


def test_every_assessment_item_is_an_observation() -> None:
    for item in CODESYSTEMS[0]["concept"]:
        assert TERMS.observation(ASSESSMENT, item["code"]) == item["code"]


def test_every_own_answer_stands_under_exactly_one_question() -> None:
    questions = {row["question"] for row in BODIES["answers"]["concepts"]}
    for item in CODESYSTEMS[1]["concept"]:
        answered = [q for q in questions if TERMS.answer(q, ANSWER, item["code"]) == item["code"]]
        assert len(answered) == 1, item["code"]
    for prefix, question in {
        "loc": "consciousness",
        "seizure": "seizure",
        "motor": "motor",
        "icp": "raised-icp",
        "ice": "ice-score",
        "capd": "capd-score",
    }.items():
        for item in CODESYSTEMS[1]["concept"]:
            if item["code"].startswith(f"{prefix}-"):
                assert TERMS.answer(question, ANSWER, item["code"]) == item["code"]


# Systems


@pytest.mark.parametrize(
    ("alias", "code", "lookup", "expected"),
    [
        (OID + "1", "80294-2", TERMS.observation, "level-of-arousal"),
        (OID + "96", "230456007", TERMS.condition, "status-epilepticus"),
        (OID + "90", "G92.03", TERMS.condition, "icans-grade-3"),
        (OID + "88", "1597258", TERMS.substance, Substance("blinatumomab", "t-cell-engager", "ingredient")),
        (OID + "3", "G92.03", TERMS.condition, None),  # ICD-10 of WHO: G92.0 is not ICANS there
    ],
)
def test_aliases(alias: str, code: str, lookup: Callable[[str, str], object], expected: object) -> None:
    assert lookup(alias, code) == expected


def test_an_alias_reaches_answers_and_properties_too() -> None:
    assert TERMS.answer("level-of-arousal", OID + "1", "LA25177-9") == "arousal-voice"
    assert TERMS.measured_property(OID + "1", "2601-3") == "moles"


@pytest.mark.parametrize(
    "system",
    [
        None,
        "",
        "LOINC",
        "loinc.org",
        "https://loinc.org",
        "http://loinc.org/",
        "HTTP://LOINC.ORG",
        " http://loinc.org",
        "2.16.840.1.113883.6.1",
        "http://hl7.org/fhir/sid/icd-10",
        SNOMED_CT,
    ],
)
def test_a_bare_or_other_system_means_nothing(system: str | None) -> None:
    assert TERMS.observation(system, "9269-2") is None
    assert TERMS.condition(system, "G92.03") is None
    assert TERMS.substance(system, "3264") is None
    assert TERMS.measured_property(system, "2601-3") is None


@pytest.mark.parametrize("code", [None, "", "g92.03", "G92.03 ", "G9203", "G92"])
def test_a_code_is_matched_exactly(code: str | None) -> None:
    assert TERMS.condition(ICD_10_CM, code) is None


# Conditions that must not be confused


@pytest.mark.parametrize(
    ("system", "code", "expected"),
    [
        (ICD_10_CM, "R56.9", "seizure"),
        (ICD_10_CM, "R56.00", "febrile-convulsions"),
        (ICD_10_CM, "R56.1", "post-traumatic-seizures"),
        (ICD_10_CM, "G40.909", "epilepsy"),
        (SNOMED_CT, "128613002", "epilepsy"),
        (SNOMED_CT, "274521009", "eeg-abnormal"),
        (SNOMED_CT, "2032001", "cerebral-edema"),
        (SNOMED_CT, "248487006", "optic-disc-swelling"),
        (SNOMED_CT, "398925009", "sixth-nerve-disorder"),
        (SNOMED_CT, "1386000", "intracranial-hemorrhage"),
        (ICD_10_CM, "G92.8", "toxic-encephalopathy"),
        (ICD_10_CM, "D89.839", "crs"),
        (ICD_10_CM, "Z85.6", "history-of-leukemia"),
        (ICD_10_CM, "C91.01", "all-in-remission"),
    ],
)
def test_conditions(system: str, code: str, expected: str) -> None:
    assert TERMS.condition(system, code) == expected


def test_every_grade_of_icans_and_crs_is_read() -> None:
    for grade in range(1, 6):
        assert TERMS.condition(ICD_10_CM, f"G92.0{grade}") == f"icans-grade-{grade}"
        assert TERMS.condition(ICD_10_CM, f"D89.83{grade}") == f"crs-grade-{grade}"


# Laboratory properties


@pytest.mark.parametrize(
    ("code", "concept", "measured"),
    [
        ("17861-6", "calcium", "mass"),
        ("2000-8", "calcium", "moles"),
        ("1994-3", "ionized-calcium", "moles"),
        ("19123-9", "magnesium", "mass"),
        ("2345-7", "glucose", "mass"),
        ("14749-6", "glucose", "moles"),
        ("22763-7", "ammonia", "mass"),
        ("16362-6", "ammonia", "moles"),
        ("2160-0", "creatinine", "mass"),
        ("14682-9", "creatinine", "moles"),
        ("26881-3", "il-6", "mass"),
        ("49919-4", "il-6-csf", "mass"),
        ("12729-0", "interferon-gamma", "arbitrary"),
        ("27415-9", "interferon-gamma", "mass"),
        ("8867-4", "heart-rate", None),
    ],
)
def test_a_laboratory_code_says_its_property(code: str, concept: str, measured: str | None) -> None:
    assert (TERMS.observation(LOINC, code), TERMS.measured_property(LOINC, code)) == (concept, measured)


def test_the_property_agrees_with_the_loinc_name() -> None:
    named = {
        "[Mass/volume]": "mass",
        "[Moles/volume]": "moles",
        "[Units/volume]": "arbitrary",
        "[#/volume]": "number",
    }
    for _, _, code in CODES:
        for part, measured in named.items():
            if code["system"] == LOINC and part in code["display"]:
                assert code["property"] == measured, code["code"]


# Substances


@pytest.mark.parametrize(
    ("system", "code", "expected"),
    [
        (RXNORM, "3264", Substance("dexamethasone", "corticosteroid", "ingredient")),
        (RXNORM, "197582", Substance("dexamethasone", "corticosteroid", "oral")),
        (RXNORM, "309684", Substance("dexamethasone", "corticosteroid", "oral")),
        (RXNORM, "343033", Substance("dexamethasone", "corticosteroid", "oral")),
        (ATC, "H02AB02", Substance("dexamethasone", "corticosteroid", "ingredient")),
        (ATC, "S01BA01", None),  # dexamethasone eye drops
        (RXNORM, "854181", None),  # dexamethasone intravitreal implant
        (RXNORM, "155323", None),  # methylprednisolone acetate depot
        (RXNORM, "1743726", Substance("methylprednisolone", "corticosteroid", "injection")),
        (RXNORM, "199967", Substance("prednisolone", "corticosteroid", "oral")),
        (RXNORM, "1597262", Substance("blinatumomab", "t-cell-engager", "injection")),
        (RXNORM, "2644888", Substance("elranatamab", "t-cell-engager", "ingredient")),
        (RXNORM, "727711", Substance("anakinra", "anti-il-1", "injection")),
        (RXNORM, "11118", Substance("valproate", "antiseizure", "ingredient")),
        (RXNORM, "1670194", Substance("fosphenytoin", "antiseizure", "injection")),
        (RXNORM, "1808216", Substance("propofol", "sedative", "injection")),
        (RXNORM, "2700173", Substance("obecabtagene-autoleucel", "car-t", "injection")),
        (RXNORM, "1812194", None),  # plausible only
        (HCPCS, "J9039", None),  # plausible only, and a billing unit
    ],
)
def test_substances(system: str, code: str, expected: Substance | None) -> None:
    assert TERMS.substance(system, code) == expected


def test_every_product_display_names_its_ingredient() -> None:
    for name, concept, code in CODES:
        if name == "substances" and code["system"] in {RXNORM, ATC}:
            said = code["display"].lower().replace("-", " ")
            assert any(spelled.lower() in said for spelled in concept["names"]), code


def test_the_form_agrees_with_the_display() -> None:
    for name, _, code in CODES:
        if name == "substances":
            assert (code["form"] == "oral") == (" Oral " in code["display"]), code


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dexamethasone 10 mg IV", "dexamethasone"),
        ("DEXAMETHASONE", "dexamethasone"),
        ("methylprednisolone sod succ 1,000 mg", "methylprednisolone"),
        ("prednisolone/prednisone", "prednisolone"),
        ("fosphenytoin load", "fosphenytoin"),
        ("fos-phenytoin", None),
        ("teclistamab-cqyv 10 mg/mL", "teclistamab"),
        ("axicabtagene  ciloleucel", "axicabtagene-ciloleucel"),
        ("axicabtagene-ciloleucel", "axicabtagene-ciloleucel"),
        ("Keppra 500 mg", "levetiracetam"),
        ("valproic acid", "valproate"),
        ("levetiracetam then lorazepam", "levetiracetam"),
        ("dexamethasones", None),
        ("betamethasone", None),
        ("ſiltuximab", None),
        ("", None),
    ],
)
def test_a_substance_named_in_a_text(text: str, expected: str | None) -> None:
    assert TERMS.substance_named_in(text) == expected


# A value set that cannot be used


def _first_code(bodies: dict[str, Any], name: str, index: int = 0) -> dict[str, Any]:
    row: dict[str, Any] = bodies[name]["concepts"][index]["codes"][0]
    return row


def _twice_in_one_concept(bodies: dict[str, Any]) -> None:
    codes = bodies["conditions"]["concepts"][0]["codes"]
    codes.append(codes[0])


def _one_code_two_meanings(bodies: dict[str, Any]) -> None:
    bodies["conditions"]["concepts"][1]["codes"].append(_first_code(bodies, "conditions"))


def _also_when_inactive(bodies: dict[str, Any]) -> None:
    stray = {**_first_code(bodies, "conditions"), "active": False, "reason": "unsure"}
    bodies["conditions"]["concepts"][1]["codes"].append(stray)


def _wrong_loinc_digit(bodies: dict[str, Any]) -> None:
    _first_code(bodies, "observations").update(system=LOINC, code="99844-5")


def _wrong_snomed_digit(bodies: dict[str, Any]) -> None:
    _first_code(bodies, "conditions").update(system=SNOMED_CT, code="450740000")


def _answer_list_as_question(bodies: dict[str, Any]) -> None:
    _first_code(bodies, "observations").update(system=LOINC, code="LL6536-8")


def _answer_as_question(bodies: dict[str, Any]) -> None:
    _first_code(bodies, "observations").update(system=LOINC, code="LA9347-1")


def _concept_twice(bodies: dict[str, Any]) -> None:
    bodies["substances"]["concepts"][1]["concept"] = bodies["substances"]["concepts"][0]["concept"]


def _unlisted_system(bodies: dict[str, Any]) -> None:
    _first_code(bodies, "conditions")["system"] = "http://hl7.org/fhir/sid/icd-10"


def _alias_as_system(bodies: dict[str, Any]) -> None:
    _first_code(bodies, "conditions")["system"] = OID + "90"


def _answer_without_question(bodies: dict[str, Any]) -> None:
    bodies["answers"]["concepts"][0]["question"] = "arousal"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            _twice_in_one_concept,
            r"conditions: icans: .*G92\.00: expected each code once, found also under icans",
        ),
        (_one_code_two_meanings, r"conditions: icans-grade-1: .*G92\.00: .*found also under icans"),
        (_also_when_inactive, r"found also under icans"),
        (_wrong_loinc_digit, r"observations: ice-score: http://loinc\.org\|99844-5: .*check digit"),
        (_wrong_snomed_digit, r"conditions: icans: .*450740000: .*check digit"),
        (_answer_list_as_question, r"LL6536-8: expected a question"),
        (_answer_as_question, r"LA9347-1: expected a question"),
        (_concept_twice, r"substances: blinatumomab: expected each concept once"),
        (_unlisted_system, r"expected a system listed"),
        (_alias_as_system, r"expected a system listed"),
        (_answer_without_question, r"answers: loc-alert: no observation 'arousal'"),
    ],
    ids=lambda item: getattr(item, "__name__", None),
)
def test_a_spoiled_value_set_is_refused(spoil: Callable[[dict[str, Any]], None], message: str) -> None:
    bodies = {name: json.loads(content) for name, content in CONTENTS.items()}
    spoil(bodies)
    with pytest.raises(TerminologyError, match=message):
        terminology_from({name: json.dumps(body).encode() for name, body in bodies.items()})


def test_a_wrong_display_does_not_matter() -> None:
    bodies = {name: json.loads(content) for name, content in CONTENTS.items()}
    for name in VALUE_SETS:
        for concept in bodies[name]["concepts"]:
            for code in concept["codes"]:
                code["display"] = "ICE score"
    relabeled = terminology_from({name: json.dumps(body).encode() for name, body in bodies.items()})
    assert (relabeled.concepts, relabeled.substances) == (TERMS.concepts, TERMS.substances)


def test_the_terminology_is_loaded_once_and_frozen() -> None:
    assert load_terminology() is TERMS
    with pytest.raises(FrozenInstanceError):
        TERMS.aliases = {}  # type: ignore[misc]
