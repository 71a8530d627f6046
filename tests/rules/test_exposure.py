"""Bags become one infusion, courses become cycles, and each clock counts what it says."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from charts import NOW
from hypothesis import given, settings
from hypothesis import strategies as st
from snapshots import KNOWLEDGE

from rules import Administration, Exposure
from rules.exposure import at_risk, exposures, premedication

WINDOWS = KNOWLEDGE.windows


def bag(start: datetime, end: datetime | None, running: bool = False, name: str = "b") -> Administration:
    return Administration("blinatumomab", "t-cell-engager", start, f"MedicationAdministration/{name}", end=end, running=running)


def steroid(start: datetime) -> Administration:
    return Administration("dexamethasone", "corticosteroid", start, f"MedicationAdministration/{start.isoformat()}", dose=16, unit="mg")


def last(doses: list[Administration], as_of: datetime = NOW) -> Exposure:
    return exposures(doses, as_of, WINDOWS)[-1]


@pytest.mark.parametrize(
    ("gap", "cycles", "interruptions", "near"),
    [
        (timedelta(hours=3, minutes=20), 1, 0, False),
        (timedelta(hours=3, minutes=59), 1, 0, True),
        (timedelta(hours=4), 1, 1, True),
        (timedelta(hours=4, minutes=31), 1, 1, False),
        (timedelta(days=7), 1, 1, False),
        (timedelta(days=7, minutes=1), 2, 0, False),
    ],
)
def test_a_gap_continues_interrupts_or_begins_a_cycle(gap: timedelta, cycles: int, interruptions: int, near: bool) -> None:
    second = NOW - timedelta(days=1)
    course = last([bag(second - gap - timedelta(days=2), second - gap), bag(second, None, running=True)])
    assert (course.cycle, len(course.interruptions), course.near_limit) == (cycles, interruptions, near)


def test_the_three_clocks_of_case_1() -> None:
    day = timedelta(days=1)
    first = NOW - 98 * day
    doses = [bag(first, first + 27 * day), bag(first + 49 * day, first + 64 * day), bag(NOW - timedelta(hours=6), None, running=True)]
    course = last(doses)
    assert (course.cycle, course.cycle_day, course.infusion_days, course.days_since_first) == (3, 1, 42, 98)
    assert course.ended is None


def test_a_bag_without_an_end_lasts_until_the_next_one() -> None:
    doses = [bag(NOW - timedelta(days=n), None, name=str(n)) for n in (3, 2, 1)]
    course = last(doses)
    assert (course.infusion_days, course.interruptions) == (2, ())


def test_windows_by_product() -> None:
    ended = bag(NOW - timedelta(days=10), NOW - timedelta(days=7))
    assert at_risk(last([ended]), NOW, WINDOWS)
    assert not at_risk(last([ended]), NOW + timedelta(seconds=1), WINDOWS)
    tec = Administration("teclistamab", "t-cell-engager", NOW - timedelta(days=14), "MedicationAdministration/t")
    cells = Administration("tisagenlecleucel", "car-t", NOW - timedelta(days=30), "MedicationAdministration/c")
    for dose in (tec, cells):
        assert at_risk(last([dose]), NOW, WINDOWS)
        assert not at_risk(last([dose]), NOW + timedelta(minutes=1), WINDOWS)


def test_two_engagers_are_two_courses() -> None:
    tec = Administration("teclistamab", "t-cell-engager", NOW - timedelta(days=2), "MedicationAdministration/t")
    found = exposures([bag(NOW - timedelta(days=5), None, running=True), tec], NOW, WINDOWS)
    assert [course.substance for course in found] == ["blinatumomab", "teclistamab"]


def test_a_dose_in_the_future_does_not_expose() -> None:
    assert exposures([bag(NOW + timedelta(hours=1), None, running=True)], NOW, WINDOWS) == ()


def test_premedication_is_one_dose_around_a_start() -> None:
    start = NOW - timedelta(days=1)
    course = last([bag(start, None, running=True)])
    before, late = steroid(start - timedelta(hours=1)), steroid(start + timedelta(hours=2))
    assert premedication([before, late], course, None, WINDOWS) == (before,)
    assert premedication([before], course, start - timedelta(days=1), WINDOWS) == (), "an episode was open"
    assert premedication([before, steroid(start)], course, None, WINDOWS) == (), "two doses are no premedication"


hours = st.integers(min_value=1, max_value=400)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(hours, hours), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_merging_does_not_depend_on_order_or_repeats(spans: list[tuple[int, int]], shuffle: random.Random) -> None:
    clock, doses = NOW - timedelta(hours=6000), []
    for index, (gap, length) in enumerate(spans):
        start = clock + timedelta(hours=gap)
        clock = start + timedelta(hours=length)
        doses.append(bag(start, clock, name=str(index)))
    expected = exposures(doses, NOW, WINDOWS)
    shuffled = list(doses)
    shuffle.shuffle(shuffled)
    assert exposures(shuffled, NOW, WINDOWS) == expected
    total = sum(min(d.end, NOW).timestamp() - d.start.timestamp() for d in doses if d.end and d.start <= NOW)
    if doses[-1].start <= NOW:
        assert expected[-1].infusion_days == total // 86400


@settings(max_examples=200, deadline=None)
@given(hours, st.floats(min_value=0.01, max_value=0.99))
def test_splitting_a_bag_in_two_changes_no_clock(length: int, share: float) -> None:
    start = NOW - timedelta(hours=500)
    end = start + timedelta(hours=length)
    middle = start + (end - start) * share
    whole = last([bag(start, end)])
    split = last([bag(start, middle, name="1"), bag(middle, end, name="2")])
    assert (split.cycle, split.cycle_day, split.infusion_days, split.days_since_first, split.interruptions) == (
        whole.cycle,
        whole.cycle_day,
        whole.infusion_days,
        whole.days_since_first,
        whole.interruptions,
    )


def test_a_change_of_the_clocks_and_a_leap_day_count_real_hours() -> None:
    zone = ZoneInfo("Europe/Berlin")
    start = datetime(2026, 3, 28, 12, tzinfo=zone).astimezone(UTC)
    end = datetime(2026, 3, 29, 12, tzinfo=zone).astimezone(UTC)
    assert last([bag(start, end)], end).infusion_days == 0, "23 hours: the night the clocks go forward"
    leap = datetime(2028, 2, 28, 12, tzinfo=UTC)
    assert last([bag(leap, datetime(2028, 3, 1, 12, tzinfo=UTC))], datetime(2028, 3, 2, tzinfo=UTC)).infusion_days == 2
