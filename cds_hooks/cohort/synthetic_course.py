"""The course of one synthetic patient: what was given, and the true state at each assessment. No FHIR.

A made-up model for trying the software, not a description of any drug: onset, severity and duration are
plausible by kind and carry no source. The truth follows the table by which the service grades: the worst
domain counts, a seizure for 24 h and until the patient was examined again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

FIRST_DAY = datetime(2025, 1, 6, 8, 0, tzinfo=UTC)
EVERY = timedelta(hours=8)
SEIZURE_HOLD = timedelta(hours=24)
EXPOSURES = ("blinatumomab", "car-t", "teclistamab")
ICE_OF_GRADE = {0: (10, 10), 1: (7, 9), 2: (3, 6), 3: (0, 2)}
CONSCIOUSNESS = ("loc-alert", "loc-awakens-spontaneously", "loc-awakens-to-voice", "loc-awakens-to-touch", "loc-unarousable")
_PEAK_WEIGHTS = (35, 30, 22, 13)


@dataclass(frozen=True, slots=True)
class Ward:
    """What the ward is like. Shares are from 0 to 1.

    `unexposed` and `affected` are shares of patients; `missing_ice` and `missing_other` of assessments;
    `site_codes` of patients whose score is charted with a flowsheet code of the site; `quirks` of records
    that say the same in another valid way; `unseen` lets the true score move on while it is not charted.
    """

    days: int = 10
    resources: int = 300
    unexposed: float = 0.2
    affected: float = 0.5
    missing_ice: float = 0.0
    missing_other: float = 0.0
    site_codes: float = 0.0
    quirks: float = 0.0
    unseen: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """What a full examination finds at one instant. `ice` None: unable, as unarousable."""

    ice: int | None
    consciousness: str
    seizure: str
    motor: str
    raised_icp: str


@dataclass(frozen=True, slots=True)
class Seen:
    """One assessment: the true state, the true grade, and which domains were charted."""

    at: datetime
    state: State
    grade: int
    charted: frozenset[str]
    charted_grade: int | None


@dataclass(frozen=True, slots=True)
class Course:
    """One patient: age, sex, what was given first when, and the assessments, oldest first."""

    age: int
    sex: str
    exposure: str | None
    started: datetime
    seen: tuple[Seen, ...]


DOMAINS = ("ice", "consciousness", "seizure", "motor", "raised-icp")


def course(random: Random, ward: Ward) -> Course:
    """One course. The same random state gives the same course."""
    started = FIRST_DAY + timedelta(days=random.randrange(300), minutes=random.randrange(0, 600, 5))
    exposure = None if random.random() < ward.unexposed else random.choice(EXPOSURES)
    age, sex = random.randint(19, 84), random.choice(("female", "male"))
    if exposure is None:
        return Course(age, sex, None, started, ())
    levels = _levels(random, ward)
    return Course(age, sex, exposure, started, tuple(_seen(random, ward, started, levels)))


def _levels(random: Random, ward: Ward) -> list[int]:
    """The intended grade at each assessment: up by one or two steps to a peak, and down again."""
    count = ward.days * 3
    levels = [0] * count
    if random.random() >= ward.affected:
        return levels
    peak = random.choices((1, 2, 3, 4), _PEAK_WEIGHTS)[0]
    place, level = random.randint(2, max(3, count // 2)), 0
    while level < peak and place < count:
        level = min(peak, level + random.choice((1, 1, 2)))
        levels[place : place + 1] = [level]
        place += 1
    for _ in range(random.randint(1, 6)):
        if place < count:
            levels[place] = peak
            place += 1
    while place < count and level > 0:
        level -= 1
        for _ in range(random.randint(1, 3)):
            if place < count:
                levels[place] = level
                place += 1
    return levels


def _seen(random: Random, ward: Ward, started: datetime, levels: list[int]) -> list[Seen]:
    found: list[Seen] = []
    last_ice: int | None = 10
    ever = False
    seizure_at: datetime | None = None
    for number, level in enumerate(levels):
        at = started + EVERY * number + timedelta(hours=1, minutes=random.randint(0, 20))
        charted = frozenset(d for d in DOMAINS if random.random() >= (ward.missing_ice if d == "ice" else ward.missing_other))
        state = _state(random, level, new_seizure=seizure_at is None and level >= 3 and random.random() < 0.3)
        if "ice" not in charted and ever and not ward.unseen and state.ice is not None:
            state = State(last_ice, state.consciousness, state.seizure, state.motor, state.raised_icp)
            if last_ice is None:
                state = State(None, "loc-unarousable", state.seizure, state.motor, state.raised_icp)
        if state.ice is None:
            charted |= {"consciousness", "ice"}
        if state.seizure != "seizure-none":
            seizure_at = at
            charted |= {"seizure"}
        charted |= {"motor", "raised-icp"} & _abnormal(state)
        if "ice" in charted:
            last_ice, ever = state.ice, True
        grade = _worst(state)
        if seizure_at is not None:
            if at - seizure_at >= SEIZURE_HOLD and {"ice", "consciousness"} <= charted:
                seizure_at = None
            else:
                grade = max(grade, 3)
        said = None
        if random.random() < 0.5:
            said = min(4, max(0, grade + (random.choice((-1, 1)) if random.random() < 0.12 else 0)))
        found.append(Seen(at, state, grade, charted, said))
    return found


def _state(random: Random, level: int, new_seizure: bool) -> State:
    """A state whose worst domain is worth `level`; the score leads, consciousness follows or is milder."""
    if level == 4:
        if random.random() < 0.5:
            return State(None, "loc-unarousable", "seizure-none", "motor-none", "icp-none")
        motor, icp = random.choice((("motor-deep-focal-weakness", "icp-none"), ("motor-none", "icp-diffuse-edema")))
        return State(random.randint(0, 2), "loc-awakens-to-touch", "seizure-none", motor, icp)
    low, high = ICE_OF_GRADE[level]
    milder = random.randint(max(0, level - 1), level)
    seizure = "seizure-resolved-rapidly" if new_seizure else "seizure-none"
    return State(random.randint(low, high), CONSCIOUSNESS[milder], seizure, "motor-none", "icp-none")


def _abnormal(state: State) -> frozenset[str]:
    found = {"motor"} if state.motor != "motor-none" else set()
    return frozenset(found | ({"raised-icp"} if state.raised_icp != "icp-none" else set()))


def _worst(state: State) -> int:
    """The grade of a state by the adult table (lee-2019)."""
    score = 4 if state.ice is None else next(g for g, (low, high) in ICE_OF_GRADE.items() if low <= state.ice <= high)
    worth = [score, CONSCIOUSNESS.index(state.consciousness)]
    worth.append(3 if state.seizure == "seizure-resolved-rapidly" else 0)
    worth.append(4 if _abnormal(state) else 0)
    return max(worth)
