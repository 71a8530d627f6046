"""The domain is finite: every snapshot of the five domains is graded, and what must hold for all is held for all."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta

import pytest
from charts import NOW
from snapshots import KNOWLEDGE, RUNNING, finding, graded, snapshot

from rules import ChartedGrade, ClinicalSnapshot, Domain, Note, assess
from rules.criteria import Criteria
from rules.grading import Grading, grade
from rules.snapshot import Value

WINDOWS = KNOWLEDGE.windows
TABLES = [pytest.param(KNOWLEDGE.adults, id="adults"), pytest.param(KNOWLEDGE.children, id="children")]
AGES = (0.0, 11.98, 12.0, 12.02, 23.0, 24.0, 24.02, 72.0)


def oracle(values: dict[Domain, Value]) -> int:
    """The ASTCT 2019 table written once more, from the clinical basis 1.2 and 1.4 and not from the documents."""
    grades = [0]
    ice, capd = values.get(Domain.ICE), values.get(Domain.CAPD)
    loc = values[Domain.CONSCIOUSNESS]
    if ice == "ice-unable-unarousable" or capd == "capd-unable":
        grades.append(4)
    if isinstance(ice, int):
        grades.append(0 if ice == 10 else 1 if ice >= 7 else 2 if ice >= 3 else 3)
    if isinstance(capd, int):
        grades.append(0 if capd == 0 else 1 if capd < 9 else 3)
    if loc == "loc-awakens-spontaneously":
        grades.append(1)
    elif loc == "loc-awakens-to-voice":
        grades.append(2)
    elif loc == "loc-awakens-to-touch":
        grades.append(3)
    elif loc == "loc-unarousable":
        grades.append(4)
    if values[Domain.SEIZURE] in ("seizure-resolved-rapidly", "seizure-nonconvulsive-resolved"):
        grades.append(3)
    if values[Domain.SEIZURE] in ("seizure-prolonged", "seizure-repetitive"):
        grades.append(4)
    if values[Domain.MOTOR] == "motor-deep-focal-weakness":
        grades.append(4)
    if values[Domain.RAISED_ICP] == "icp-focal-edema":
        grades.append(3)
    elif values[Domain.RAISED_ICP] != "icp-none":
        grades.append(4)
    return max(grades)


def settled(criteria: Criteria, domain: Domain) -> list[Value]:
    """The values of a domain that leave no two grades open by themselves."""
    return [v for v, cell in criteria.cells[domain].items() if cell.grade == cell.up_to or cell.settled_by]


def complete(criteria: Criteria) -> list[dict[Domain, Value]]:
    domains = criteria.domains
    return [dict(zip(domains, values, strict=True)) for values in itertools.product(*(settled(criteria, d) for d in domains))]


def fast(values: dict[Domain, Value], criteria: Criteria) -> Grading:
    found = tuple(finding(d, v) for d, v in values.items())
    return grade(ClinicalSnapshot(as_of=NOW, findings=found), criteria, WINDOWS)


@pytest.mark.parametrize("criteria", TABLES)
def test_every_complete_snapshot_has_the_grade_of_the_table(criteria: Criteria) -> None:
    everything = complete(criteria)
    assert len(everything) > 4_000
    for values in everything:
        grading = fast(values, criteria)
        assert (grading.at_least, grading.at_most) == (oracle(values), oracle(values)), values
        assert grading.status == "final"


def representatives(criteria: Criteria, domain: Domain) -> list[Value]:
    """One value a cell: cells, not scores, are what a partial snapshot can differ in."""
    seen: dict[tuple[int, int], Value] = {}
    for value, cell in criteria.cells[domain].items():
        seen.setdefault((cell.grade, cell.up_to), value)
    return list(seen.values())


def partial(criteria: Criteria) -> list[dict[Domain, Value]]:
    choices = [[None, *representatives(criteria, d)] for d in criteria.domains]
    return [
        {d: v for d, v in zip(criteria.domains, values, strict=True) if v is not None}
        for values in itertools.product(*choices)
    ]


@pytest.mark.parametrize("criteria", TABLES)
def test_a_further_finding_in_an_unassessed_domain_only_narrows(criteria: Criteria) -> None:
    for values in partial(criteria):
        before = fast(values, criteria)
        for domain in before.unassessed:
            for value in representatives(criteria, domain):
                after = fast({**values, domain: value}, criteria)
                assert (after.at_least or 0) >= (before.at_least or 0), (values, domain, value)
                if before.at_most < criteria.worst and value == "ice-unable-unarousable":
                    continue  # contradicts the charted consciousness that closed the top
                assert after.at_most <= before.at_most, (values, domain, value)


@pytest.mark.parametrize("criteria", TABLES)
@pytest.mark.parametrize("age", AGES)
def test_a_worse_value_never_lowers_either_end_at_any_age(criteria: Criteria, age: float) -> None:
    fixed = {d: representatives(criteria, d)[0] for d in criteria.domains}
    for others in ({}, fixed):
        for domain in criteria.domains:
            values = sorted(representatives(criteria, domain), key=lambda v: _worth(criteria, domain, v))
            gradings = [
                graded([*(finding(d, v) for d, v in others.items() if d is not domain), finding(domain, v, age)], criteria)
                for v in values
            ]
            for better, worse in itertools.pairwise(gradings):
                assert (worse.at_least or 0) >= (better.at_least or 0), (domain, age)
                assert worse.at_most >= better.at_most, (domain, age)


def _worth(criteria: Criteria, domain: Domain, value: Value) -> tuple[int, int]:
    cell = criteria.cells[domain][value]
    return cell.grade, cell.up_to


@pytest.mark.parametrize("criteria", TABLES)
def test_order_and_duplicates_never_matter(criteria: Criteria) -> None:
    for values in partial(criteria)[::17]:
        found = [finding(d, v) for d, v in values.items()]
        first = graded(found, criteria)
        assert graded(found[::-1], criteria) == first
        assert graded(found + found, criteria) == first


@pytest.mark.parametrize("criteria", TABLES)
def test_an_older_reading_never_changes_the_result(criteria: Criteria) -> None:
    newest = {d: representatives(criteria, d)[0] for d in criteria.domains}
    expected = graded([finding(d, v) for d, v in newest.items()], criteria)
    for domain in criteria.domains:
        for value in representatives(criteria, domain):
            if domain is Domain.SEIZURE and criteria.cells[domain][value].grade:
                continue  # a seizure holds
            found = [*(finding(d, v) for d, v in newest.items()), finding(domain, value, 5)]
            again = graded(found, criteria)
            assert (again.at_least, again.at_most, again.status) == (expected.at_least, expected.at_most, expected.status)


@pytest.mark.parametrize("criteria", TABLES)
def test_time_alone_never_lowers_a_grade(criteria: Criteria) -> None:
    hours = [0, 1, 4, 8, 11.9, 12.1, 23.9, 24.1, 30, 48, 72, 120, 240]
    charts = [[finding(d, v, age) for (d, v), age in zip(values.items(), (1, 3, 30, 2, 26), strict=False)] for values in partial(criteria)[::11]]
    for found in charts:
        gradings = [graded(found, criteria, as_of=NOW + timedelta(hours=h)) for h in hours]
        for earlier, later in itertools.pairwise(gradings):
            assert (later.at_least or 0) >= (earlier.at_least or 0), found
            assert later.at_most >= earlier.at_most, found


def test_a_seizure_is_released_by_an_examination_not_by_the_clock() -> None:
    seizure = finding(Domain.SEIZURE, "seizure-resolved-rapidly", 30)
    exam = [finding(Domain.ICE, 10, 1), finding(Domain.CONSCIOUSNESS, "loc-alert", 1)]
    early = [finding(Domain.ICE, 10, 20), finding(Domain.CONSCIOUSNESS, "loc-alert", 20)]
    assert graded([seizure]).at_least == 3
    assert graded([seizure, *early]).at_least == 3, "examined before the 24 h were over"
    assert graded([seizure, *exam]).at_least == 0
    assert graded([seizure, exam[0]]).at_least == 3, "a score alone does not release"
    assert graded([finding(Domain.SEIZURE, "seizure-resolved-rapidly", 23), *exam]).at_least == 3


def test_tremor_myoclonus_and_headache_never_matter() -> None:
    for values in partial(KNOWLEDGE.adults)[::7]:
        plain = snapshot(values)
        noted = replace(plain, notes=tuple(Note(k, NOW, f"Observation/{k}", k) for k in ("tremor", "myoclonus", "headache")))
        assert assess(noted, KNOWLEDGE).grading == assess(plain, KNOWLEDGE).grading


def test_a_charted_grade_never_lowers_and_the_higher_drives() -> None:
    at = NOW - timedelta(hours=1)
    for ice in range(11):
        for charted in range(5):
            found = snapshot({Domain.ICE: ice}, charted=(ChartedGrade(charted, at, "Observation/g"),))
            assessment = assess(found, KNOWLEDGE)
            assert assessment.grading.at_least == graded({Domain.ICE: ice}).at_least
            assert assessment.facts["icans_grade"] == max(assessment.grading.at_least or 0, charted)


def test_findings_from_before_the_exposure_do_not_count() -> None:
    old = finding(Domain.ICE, 2, 24 * 25)
    assert RUNNING.start > old.at
    assert assess(snapshot([old]), KNOWLEDGE).grading.at_least is None
