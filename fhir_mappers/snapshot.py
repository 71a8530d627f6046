"""Many FHIR records become one clinical snapshot, and the issues of those that could not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo

from fhir_mappers import allergy_intolerance as allergies
from fhir_mappers import condition as conditions
from fhir_mappers import observation as observations
from fhir_mappers import procedure as procedures
from fhir_mappers import questionnaire_response as forms
from fhir_mappers.belonging import is_of_patient, names_of, of_another, refused
from fhir_mappers.chart import Chart
from fhir_mappers.codes import Terminology, load_terminology
from fhir_mappers.elements import (
    load_units,
    reference_key,
)
from fhir_mappers.issues import MappingIssue
from fhir_mappers.measurement import irrelevant, plain
from fhir_mappers.medication_administration import administration
from fhir_mappers.medication_request import order
from fhir_mappers.patient import Person, person
from fhir_mappers.quirks import DoubledKey, noted, parsed
from fhir_mappers.reading import Given, Record, read
from fhir_mappers.reconciling import ice_from_items, of_one_instant
from fhir_mappers.views import (
    ELEMENTS,
    AllergyIntolerance,
    Condition,
    Encounter,
    Medication,
    MedicationAdministration,
    MedicationRequest,
    Observation,
    Patient,
    Procedure,
    QuestionnaireResponse,
    Resource,
)
from rules.facts import EFFECTOR_CLASSES
from rules.proxies import Proxies
from rules.snapshot import (
    Administration,
    ChartedGrade,
    ClinicalSnapshot,
    Diagnosis,
    Finding,
    Measurement,
    Note,
    Order,
)

_BARE_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Reading:
    """The snapshot, what could not be used, and the raw bytes of each medication order by its evidence.

    An id that stands for two contents names neither: no action may point to it.
    """

    snapshot: ClinicalSnapshot
    issues: tuple[MappingIssue, ...]
    orders: Mapping[str, bytes]


@dataclass(slots=True)
class _Gathered:
    issues: list[MappingIssue]
    person: Person = field(default_factory=Person)
    findings: list[Finding] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    charted: list[ChartedGrade] = field(default_factory=list)
    administrations: list[Administration] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    measurements: list[Measurement] = field(default_factory=list)
    diagnoses: list[Diagnosis] = field(default_factory=list)
    raw_orders: dict[str, bytes] = field(default_factory=dict)
    asked: list[Record] = field(default_factory=list)

    def add(self, found: object) -> None:
        """Puts one mapped thing where it belongs."""
        match found:
            case Measurement():  # by far the most
                self.measurements.append(found)
            case Finding():
                self.findings.append(found)
            case Note():
                self.notes.append(found)
            case ChartedGrade():
                self.charted.append(found)
            case Administration():
                self.administrations.append(found)
            case Order():
                self.orders.append(found)
            case Diagnosis():
                self.diagnoses.append(found)
            case MappingIssue():
                self.issues.append(found)


def snapshot_from(
    given: Iterable[Given],
    patient_id: str,
    as_of: datetime,
    proxies: Proxies,
    drafts: Iterable[Given] = (),
    zone: tzinfo | None = None,
    unread: frozenset[str] = frozenset(),
    selected: frozenset[str] | None = None,
    codes: Terminology | None = None,
) -> Reading:
    """The snapshot of one patient as of one instant. Raises nothing for bad records: they become issues.

    `drafts` are the orders being signed. `unread` names kinds of data that were not given. `selected`
    names the drafts that advice is asked for; None: all of them. `codes` is the terminology with the
    site's maps; None: as it ships.
    """
    charted, issues = read(given)
    drafted, draft_issues = read(drafts)
    draft_issues = [issue if issue.used else replace(issue, domain="exposure") for issue in draft_issues]  # of what drug, nobody knows
    gathered = _Gathered(issues=[*issues, *draft_issues])
    chart = Chart(
        patient=names_of(patient_id, charted),
        as_of=as_of,
        zone=zone,
        codes=codes or load_terminology(),
        units=load_units(),
        proxies=proxies,
        medications=_medications([*charted, *drafted]),
    )
    draft_evidence = {record.evidence for record in drafted}
    if selected is not None:
        selected = _selected(selected, draft_evidence)
    for record in charted:
        if type(record.view) is not MedicationRequest or record.evidence not in draft_evidence:
            _gather(record, chart, gathered, draft=False)
    for record in drafted:
        _gather(record, chart, gathered, draft=True)
    made, issues = ice_from_items(gathered.asked, chart, gathered.findings)
    gathered.issues += issues
    findings, issues = of_one_instant([*gathered.findings, *made], gathered.asked, chart)
    gathered.issues += issues
    gathered.diagnoses = procedures.extubated(gathered.diagnoses)
    who = gathered.person
    _refuse_death_of_the_living(gathered)
    snapshot = ClinicalSnapshot(
        as_of=as_of,
        age_years=who.age_years,
        sex=who.sex,
        deceased=who.deceased,
        findings=tuple(findings),
        notes=tuple(gathered.notes),
        charted=tuple(gathered.charted),
        administrations=tuple(gathered.administrations),
        orders=tuple(
            o if selected is None or not o.draft else replace(o, selected=o.evidence in selected)
            for o in gathered.orders
        ),
        measurements=tuple(gathered.measurements),
        diagnoses=tuple(gathered.diagnoses),
        unread=unread,
    )
    named = {evidence: raw for evidence, raw in gathered.raw_orders.items() if raw}
    return Reading(snapshot, tuple(dict.fromkeys(gathered.issues)), named)


def _selected(references: frozenset[str], drafts: set[str]) -> frozenset[str] | None:
    """The drafts that are selected, however they are referred to; all of them when one that is named is not there."""
    keys = frozenset(f"MedicationRequest/{one}" if _BARE_ID.fullmatch(one) else reference_key(one) for one in references)
    missed = any(key.startswith("MedicationRequest/") and key not in drafts for key in keys)
    return None if missed else keys


def _refuse_death_of_the_living(gathered: _Gathered) -> None:
    """Grade 5 counts only of a deceased patient (D7, A32)."""
    if gathered.person.deceased:
        return
    for charted in [c for c in gathered.charted if c.grade == 5]:
        gathered.charted.remove(charted)
        problem = "grade 5 (death) is charted, but the Patient is not recorded as deceased: not used"
        gathered.add(MappingIssue(charted.evidence, problem, "icans"))


def _medications(records: Sequence[Record]) -> dict[str, Medication]:
    found: dict[str, Medication] = {}
    for record in records:
        if isinstance(record.view, Medication):
            found[record.evidence] = record.view
            if record.full_url:
                found[reference_key(record.full_url)] = record.view
    return found


def _gather(record: Record, chart: Chart, gathered: _Gathered, draft: bool) -> None:
    """Everything one record says; a record of another patient, or unsafe to read, says nothing but so."""
    view = record.view
    if type(view) is Observation:  # by far the most
        value = plain(record, view, chart)
        if value is not None:
            gathered.measurements.append(value)
            return
        if irrelevant(view, chart):
            return
        gathered.asked.append(record)
        found: Sequence[object] = observations.mapped(view, record.evidence, chart)
    elif isinstance(view, Patient):
        _gather_person(view, record, chart, gathered)
        return
    elif isinstance(view, Encounter):
        if not is_of_patient(record, chart):
            gathered.add(of_another(record))
        return
    elif isinstance(view, Medication):
        return
    else:
        found = _mapped(view, record.evidence, chart, draft)
    if not found:
        return
    stop, notes = _looked_at(record, found, chart)
    if stop is not None:
        gathered.add(stop if stop.domain is not None else replace(stop, domain=_could_fill(found)))
        return
    for one in found:
        gathered.add(one)
    gathered.issues += notes
    if isinstance(view, MedicationRequest):
        twice = gathered.raw_orders.get(record.evidence, record.raw) != record.raw
        gathered.raw_orders[record.evidence] = b"" if twice else record.raw


def _could_fill(found: Sequence[object]) -> str | None:
    """What a record that must not be used would have filled."""
    for one in found:
        match one:
            case Finding():
                return one.domain.value
            case ChartedGrade():
                return "icans"
            case Administration() | Order() if one.drug_class in EFFECTOR_CLASSES:
                return "exposure"
            case MappingIssue() if one.domain is not None:
                return one.domain
    return None


def _mapped(view: Resource, evidence: str, chart: Chart, draft: bool) -> Sequence[object]:
    match view:
        case Condition():
            return tuple(conditions.mapped(view, evidence, chart))
        case MedicationAdministration():
            return _one(administration(view, evidence, chart))
        case MedicationRequest():
            return _one(order(view, evidence, chart, draft))
        case Procedure():
            return _one(procedures.mapped(view, evidence, chart))
        case AllergyIntolerance():
            return allergies.mapped(view, evidence, chart)
        case QuestionnaireResponse():
            return tuple(forms.mapped(view, evidence, chart))
    return ()


def _one(found: object) -> tuple[object, ...]:
    return () if found is None else (found,)


def _looked_at(
    record: Record, found: Sequence[object], chart: Chart
) -> tuple[MappingIssue | None, list[MappingIssue]]:
    """Why a record that says something must not be used, or what is odd about it and can be read."""
    stop = refused(record, chart)
    if stop is not None:
        return stop, []
    try:
        body = parsed(record.raw)
    except DoubledKey as doubled:
        key = f"the key {str(doubled)!r}" if str(doubled) in ELEMENTS else "a key"
        return MappingIssue(record.evidence, f"has {key} twice: not used"), []
    except (ValueError, RecursionError):
        return MappingIssue(record.evidence, "is not strict JSON: not used"), []
    if record.unquoted and any(isinstance(one, Finding | ChartedGrade) for one in found):
        domain = next((one.domain.value for one in found if isinstance(one, Finding)), "icans")
        return MappingIssue(record.evidence, f"{record.mended}: a value that is graded is not repaired", domain), []
    odd = noted(body)
    if record.mended is not None:
        odd.insert(0, record.mended)
    return None, [MappingIssue(record.evidence, words, used=True) for words in odd] if odd else []


def _gather_person(view: Patient, record: Record, chart: Chart, gathered: _Gathered) -> None:
    if f"Patient/{view.id}" not in chart.patient:
        gathered.add(MappingIssue(record.evidence, "is another patient: not used"))
        return
    gathered.person, issue = person(view, record.evidence, chart)
    if issue is not None:
        gathered.add(issue)


