"""One Observation: findings of a domain, a charted grade, a note, a measurement, or an issue.

A value that feeds a grade is read exactly or not at all: out of range is refused, never clamped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from fhir_mappers.chart import Chart, shown
from fhir_mappers.elements import Unreadable, effective_time, measured, whole_number
from fhir_mappers.issues import MappingIssue
from fhir_mappers.views import CodeableConcept, Component, Observation
from rules.snapshot import ChartedGrade, Domain, Finding, Measurement, Note

FINAL = frozenset({"final", "amended", "corrected"})
WITHDRAWN = frozenset({"entered-in-error", "cancelled"})
NOT_YET = frozenset({"registered", "preliminary", "unknown"})

ICE_ITEMS = {
    "ice-orientation": 4,
    "ice-naming": 3,
    "ice-following-commands": 1,
    "ice-writing": 1,
    "ice-attention": 1,
}
"""The five parts of ICE and their most points (clinical basis 1.1)."""

_HIGHEST = {"ice-score": 10, "capd-score": 32, **ICE_ITEMS}
_SCORE_DOMAIN = {"ice-score": Domain.ICE, "capd-score": Domain.CAPD}
_UNABLE = {"ice-unable-unarousable", "capd-unable"}
_ANSWERED = {
    "consciousness": Domain.CONSCIOUSNESS,
    "seizure": Domain.SEIZURE,
    "motor": Domain.MOTOR,
    "raised-icp": Domain.RAISED_ICP,
}
_SEEN = {
    "eeg-electrographic-seizure": (Domain.SEIZURE, "seizure-duration-unknown"),
    "imaging-focal-edema": (Domain.RAISED_ICP, "icp-focal-edema"),
    "imaging-diffuse-edema": (Domain.RAISED_ICP, "icp-diffuse-edema"),
    "oxygen-low-flow": (Domain.HYPOXIA, "hypoxia-low-flow"),
    "oxygen-high-flow": (Domain.HYPOXIA, "hypoxia-high-flow"),
    "oxygen-positive-pressure": (Domain.HYPOXIA, "hypoxia-positive-pressure"),
}
"""Coded answers of EEG, imaging and oxygen device that score; another answer of these lowers nothing."""
_CHARTED = {"icans-grade": "icans", "crs-grade": "crs", "ctcae-neurological-grade": "ctcae"}
_IMAGING = {"ct-head": "CT head", "mr-brain": "MR brain", "eeg": "EEG"}

Mapped = Finding | ChartedGrade | Note | Measurement | MappingIssue


def mapped(observation: Observation, evidence: str, chart: Chart) -> Sequence[Mapped]:
    """Everything one Observation says; nothing when it is about something else."""
    try:
        question = chart.question(observation.code)
    except Unreadable as problem:
        return (MappingIssue(evidence, str(problem)),)
    status = (observation.status or "").strip()
    if question is None:
        asked = chart.asked(observation.code)
        of_members = _members_only(observation, status, evidence, chart)
        if asked is None or status in WITHDRAWN:
            return tuple(of_members)
        return (MappingIssue(evidence, asked[1], domain_of(asked[0])), *of_members)
    if status in WITHDRAWN:
        return ()
    if status not in FINAL:
        expected = "final, amended or corrected was expected"
        known = status if status in NOT_YET else f"{status[:24]!r}"
        return (MappingIssue(evidence, f"{question} has status {known}: not used; {expected}", domain_of(question)),)
    try:
        at = chart.past(effective_time(observation, chart.zone))
    except Unreadable as problem:
        return (MappingIssue(evidence, f"{question}: {problem}", domain_of(question)),)
    found = _read(question, observation, at, evidence, chart)
    if observation.component and question not in _SCORE_DOMAIN:
        return (*found, *_components(observation, at, evidence, chart))
    return found


def domain_of(question: str) -> str | None:
    """The domain that an answer to a question could fill; None when it fills none."""
    if question in _SCORE_DOMAIN or question in ICE_ITEMS:
        return _SCORE_DOMAIN.get(question, Domain.ICE).value
    if question in _ANSWERED:
        return _ANSWERED[question].value
    return Domain.CONSCIOUSNESS.value if question in ("level-of-arousal", "avpu", "gcs-eye", "rass") else None


def _members_only(observation: Observation, status: str, evidence: str, chart: Chart) -> Iterable[Mapped]:
    """A panel whose own code we do not know may still carry components that we do."""
    if not observation.component or status not in FINAL:
        return ()
    try:
        at = chart.past(effective_time(observation, chart.zone))
    except Unreadable:
        return ()
    return _components(observation, at, evidence, chart)


def _read(question: str, observation: Observation, at: datetime, evidence: str, chart: Chart) -> Sequence[Mapped]:
    """What the Observation itself says, its components aside; the items of a score are the score."""
    try:
        if question in _IMAGING:
            return (_imaging(question, observation, at, evidence, chart),)
        if question == "ice-score" and observation.component and _without_value(observation):
            return _ice_from_items(observation, at, evidence, chart)
        value = None if _absent(observation) else _value(question, observation, evidence, at, chart)
    except Unreadable as problem:
        return (MappingIssue(evidence, f"{question}: {problem}", domain_of(question)),)
    return () if value is None else (value,)


def _imaging(question: str, observation: Observation, at: datetime, evidence: str, chart: Chart) -> Finding | Note:
    """What a coded answer shows; without one the report stays unread, and a normal one lowers nothing."""
    if observation.valueCodeableConcept is not None and not _absent(observation):
        answer = chart.answer(question, observation.valueCodeableConcept)
        if answer in _SEEN:
            domain, value = _SEEN[answer]
            return Finding(domain, value, at, evidence)
        if answer is not None:
            return Note(question, at, evidence, f"{_IMAGING[question]}: nothing that scores, lowers nothing")
    words = f"{_IMAGING[question]} on record: its report is not read by machine, a normal one lowers nothing"
    return Note(question, at, evidence, words)


def _components(observation: Observation, at: datetime, evidence: str, chart: Chart) -> Iterator[Mapped]:
    for component in observation.component or ():
        try:
            question = chart.question(component.code)
            if question is None or _absent(component):
                continue
            value = _value(question, component, evidence, at, chart)
        except Unreadable as problem:
            yield MappingIssue(evidence, f"component: {problem}")
            continue
        if value is not None:
            yield value


def _value(
    question: str, source: Observation | Component, evidence: str, at: datetime, chart: Chart
) -> Mapped | None:
    """The finding of a question, by what kind of answer it takes. Raises Unreadable."""
    if question in _SCORE_DOMAIN:
        return Finding(_SCORE_DOMAIN[question], _score(question, source, chart), at, evidence)
    if question in _ANSWERED:
        answer = _answer(question, source, chart)
        return Finding(_ANSWERED[question], answer, at, evidence)
    if question in chart.proxies.scales:
        return _proxy(question, source, evidence, at, chart)
    if question in _CHARTED:
        grade = _number(source, chart)
        if not 0 <= grade <= 5:
            raise Unreadable(f"grade {grade}; 0 to 5 was expected")
        return ChartedGrade(grade, at, evidence, _CHARTED[question])
    if question == "oxygen-device":
        seen = _SEEN.get(_answer(question, source, chart))
        return Finding(seen[0], seen[1], at, evidence) if seen else None
    if question == "tremor":
        present = _answer(question, source, chart) == "present"
        return Note("tremor", at, evidence, "tremor") if present else None
    if question in chart.units.scales and source.valueQuantity is not None:
        measures = next(
            (
                chart.codes.measured_property(c.system, c.code)
                for c in (source.code.codings() if source.code else ())
            ),
            None,
        )
        value = measured(question, source.valueQuantity, measures, chart.units)
        return Measurement(question, value, chart.units.scales[question].unit, at, evidence)
    return None


def _absent(source: Observation | Component) -> bool:
    """A dataAbsentReason, or nothing in value[x]: not assessed, whatever the reason."""
    return source.dataAbsentReason is not None or _without_value(source)


def _without_value(source: Observation | Component) -> bool:
    return (
        source.valueQuantity is None
        and source.valueInteger is None
        and source.valueCodeableConcept is None
        and source.valueString is None
        and source.valueRatio is None
        and source.valueSampledData is None
        and (not isinstance(source, Observation) or (source.valueBoolean is None and source.valueRange is None))
    )


def _score(question: str, source: Observation | Component, chart: Chart) -> int | str:
    if source.valueCodeableConcept is not None:
        answer = chart.answer(question, source.valueCodeableConcept)
        if answer in _UNABLE:
            return answer
        raise Unreadable(f"answer {shown(source.valueCodeableConcept)} is not one of this score")
    score, highest = _number(source, chart), _HIGHEST[question]
    if not 0 <= score <= highest:
        raise Unreadable(f"value {score}; a whole number from 0 to {highest} was expected")
    return score


def _number(source: Observation | Component, chart: Chart) -> int:
    if source.valueInteger is not None:
        return source.valueInteger
    if source.valueQuantity is not None:
        return whole_number(source.valueQuantity, chart.units)
    kind = next((name for name in _OTHER_KINDS if getattr(source, name, None) is not None), "another type")
    raise Unreadable(f"value is in {kind}; valueInteger or valueQuantity was expected")


_OTHER_KINDS = (
    "valueString",
    "valueBoolean",
    "valueRatio",
    "valueRange",
    "valueSampledData",
    "valueCodeableConcept",
)


def _answer(question: str, source: Observation | Component, chart: Chart) -> str:
    concept: CodeableConcept | None = source.valueCodeableConcept
    if concept is None:
        raise Unreadable("valueCodeableConcept with an answer code was expected")
    answer = chart.answer(question, concept)
    if answer is None:
        raise Unreadable(f"answer {shown(concept)} is not known under this question")
    return answer


def _proxy(
    scale: str, source: Observation | Component, evidence: str, at: datetime, chart: Chart
) -> Finding | Note | None:
    if source.valueCodeableConcept is not None:
        answer = _answer(scale, source, chart)
        reading = chart.proxies.by_answer.get((scale, answer))
        found: object = answer
    else:
        found = number = _number(source, chart)
        reading = chart.proxies.by_number.get((scale, number))
    if reading is None:
        raise Unreadable(f"value {found} is not one of the scale")
    finding = reading.finding(at, evidence)
    if finding is None and reading.domain is None and scale != "gcs-motor":
        return Note("asks-for-score", at, evidence, f"{reading.says}: does not score, do the score")
    return finding


def _ice_from_items(observation: Observation, at: datetime, evidence: str, chart: Chart) -> Sequence[Mapped]:
    items = dict(item_points(observation, chart))
    return (ice_of(items, at, evidence),) if items else ()


def item_points(observation: Observation, chart: Chart) -> Iterator[tuple[str, int]]:
    """The ICE items that an Observation holds, itself or as components. Raises Unreadable."""
    sources: tuple[Observation | Component, ...] = (observation, *(observation.component or ()))
    for source in sources:
        question = chart.question(source.code)
        if question not in ICE_ITEMS or _absent(source):
            continue
        score = _score(question, source, chart)
        if isinstance(score, int):
            yield question, score


def ice_of(items: dict[str, int], at: datetime, evidence: str) -> Finding:
    """ICE from its items: the sum, and when items are missing a range up to all their points."""
    total = sum(items.values())
    missing = sum(points for item, points in ICE_ITEMS.items() if item not in items)
    return Finding(Domain.ICE, total, at, evidence, other=total + missing if missing else None)
