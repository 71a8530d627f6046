"""Many FHIR records become one clinical snapshot, and the issues of those that could not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo

from fhir_mappers import condition as conditions
from fhir_mappers import observation as observations
from fhir_mappers.chart import Chart
from fhir_mappers.codes import load_terminology
from fhir_mappers.elements import Unreadable, effective_time, load_units, reference_key, refers_to
from fhir_mappers.issues import MappingIssue
from fhir_mappers.medication_administration import administration
from fhir_mappers.medication_request import order
from fhir_mappers.patient import Person, person
from fhir_mappers.reading import Given, Record, doubled_key, read
from fhir_mappers.views import (
    AllergyIntolerance,
    Condition,
    Medication,
    MedicationAdministration,
    MedicationRequest,
    Observation,
    Patient,
    Reference,
    Resource,
)
from rules.proxies import Proxies
from rules.snapshot import (
    Administration,
    ChartedGrade,
    ClinicalSnapshot,
    Diagnosis,
    Domain,
    Finding,
    Measurement,
    Note,
    Order,
)


@dataclass(frozen=True, slots=True)
class Reading:
    """The snapshot, what could not be used, and the raw bytes of each medication order by its evidence."""

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
) -> Reading:
    """The snapshot of one patient as of one instant. Raises nothing for bad records: they become issues.

    `drafts` are the orders being signed. `unread` names kinds of data that were not given. `selected`
    names the drafts that advice is asked for; None: all of them.
    """
    charted, issues = read(given)
    drafted, draft_issues = read(drafts)
    gathered = _Gathered(issues=[*issues, *draft_issues])
    chart = Chart(
        patient=_names_of(patient_id, charted),
        as_of=as_of,
        zone=zone,
        codes=load_terminology(),
        units=load_units(),
        proxies=proxies,
        medications=_medications([*charted, *drafted]),
    )
    draft_evidence = {record.evidence for record in drafted}
    for record in charted:
        if not (isinstance(record.view, MedicationRequest) and record.evidence in draft_evidence):
            _gather(record, chart, gathered, draft=False)
    for record in drafted:
        _gather(record, chart, gathered, draft=True)
    _ice_items(charted, chart, gathered)
    who = gathered.person
    _refuse_death_of_the_living(gathered)
    snapshot = ClinicalSnapshot(
        as_of=as_of,
        age_years=who.age_years,
        sex=who.sex,
        deceased=who.deceased,
        findings=tuple(gathered.findings),
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
    return Reading(snapshot, tuple(dict.fromkeys(gathered.issues)), gathered.raw_orders)


def _refuse_death_of_the_living(gathered: _Gathered) -> None:
    """Grade 5 counts only of a deceased patient (D7, A32)."""
    if gathered.person.deceased:
        return
    for charted in [c for c in gathered.charted if c.grade == 5]:
        gathered.charted.remove(charted)
        problem = "grade 5 (death) is charted, but the Patient is not recorded as deceased: not used"
        gathered.add(MappingIssue(charted.evidence, problem, "icans"))


def _names_of(patient_id: str, records: Sequence[Record]) -> frozenset[str]:
    """Every literal reference that means the patient: Type/id, and the fullUrl of the Patient's entry."""
    names = {f"Patient/{patient_id}"}
    for record in records:
        if isinstance(record.view, Patient) and record.view.id == patient_id and record.full_url:
            names.add(reference_key(record.full_url))
    return frozenset(names)


def _medications(records: Sequence[Record]) -> dict[str, Medication]:
    found: dict[str, Medication] = {}
    for record in records:
        if isinstance(record.view, Medication):
            found[record.evidence] = record.view
            if record.full_url:
                found[reference_key(record.full_url)] = record.view
    return found


def _subject(view: Resource) -> Reference | None:
    subject = getattr(view, "subject", None) if not isinstance(view, AllergyIntolerance) else view.patient
    return subject if isinstance(subject, Reference) else None


def _gather(record: Record, chart: Chart, gathered: _Gathered, draft: bool) -> None:
    """Everything one record says; a record of another patient, or unsafe to read, says nothing but so."""
    view = record.view
    if isinstance(view, Patient):
        _gather_person(view, record, chart, gathered)
        return
    if isinstance(view, Medication):
        return
    before = len(gathered.issues)
    found = list(_mapped(view, record.evidence, chart, draft))
    if not found:
        return
    refused = _refused(record, chart)
    if refused is not None:
        del gathered.issues[before:]
        gathered.add(refused)
        return
    for one in found:
        gathered.add(one)
    if isinstance(view, MedicationRequest):
        gathered.raw_orders[record.evidence] = record.raw


def _mapped(view: Resource, evidence: str, chart: Chart, draft: bool) -> Iterable[object]:
    match view:
        case Observation():
            return observations.mapped(view, evidence, chart)
        case Condition():
            return conditions.mapped(view, evidence, chart)
        case MedicationAdministration():
            return _one(administration(view, evidence, chart))
        case MedicationRequest():
            return _one(order(view, evidence, chart, draft))
    return ()


def _one(found: object) -> tuple[object, ...]:
    return () if found is None else (found,)


def _refused(record: Record, chart: Chart) -> MappingIssue | None:
    """Why a record that says something must not be used: another patient, a modifier, a key twice."""
    subject = _subject(record.view)
    if not refers_to(subject, chart.patient):
        named = subject.reference if subject is not None and subject.reference else "no literal reference"
        return MappingIssue(record.evidence, f"is not this patient's: its subject is {named[:80]}")
    if record.view.modifierExtension:
        return MappingIssue(record.evidence, "carries a modifierExtension that is not known: not used")
    doubled = doubled_key(record.raw)
    if doubled is not None:
        return MappingIssue(record.evidence, f"has the key {doubled[:40]!r} twice: not used")
    return None


def _gather_person(view: Patient, record: Record, chart: Chart, gathered: _Gathered) -> None:
    if f"Patient/{view.id}" not in chart.patient:
        gathered.add(MappingIssue(record.evidence, "is another patient: not used"))
        return
    gathered.person, issue = person(view, record.evidence, chart)
    if issue is not None:
        gathered.add(issue)


def _ice_items(records: Sequence[Record], chart: Chart, gathered: _Gathered) -> None:
    """ICE items charted one an Observation become one score an instant, where no total was charted."""
    totals = {f.at for f in gathered.findings if f.domain is Domain.ICE}
    by_time: dict[datetime, dict[str, int]] = {}
    evidence: dict[datetime, str] = {}
    for record in records:
        view = record.view
        if not isinstance(view, Observation) or (view.status or "").strip() not in observations.FINAL:
            continue
        try:
            if chart.question(view.code) not in observations.ICE_ITEMS or _refused(record, chart) is not None:
                continue
            at = chart.past(effective_time(view, chart.zone))
            for item, points in observations.item_points(view, chart):
                known = by_time.setdefault(at, {})
                known[item] = min(points, known.get(item, points))
                evidence.setdefault(at, record.evidence)
        except Unreadable as problem:
            gathered.add(MappingIssue(record.evidence, f"ICE item: {problem}", Domain.ICE.value))
    for at, items in by_time.items():
        if at not in totals:
            gathered.add(observations.ice_of(items, at, evidence[at]))
