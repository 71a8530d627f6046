"""What the chart says about one patient at one moment, in clinical words.

Values of the domains are the codes of the project's answer code system (icans-answer), so that a
chart, a table and a card name one thing in one way. `None` means *not assessed*, never *normal*.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from operator import attrgetter
from typing import NamedTuple


class Domain(StrEnum):
    """The domains of the ASTCT tables (lee-2019): neurotoxicity (ICE is CAPD under 12 years), then CRS."""

    ICE = "ice"
    CAPD = "capd"
    CONSCIOUSNESS = "consciousness"
    SEIZURE = "seizure"
    MOTOR = "motor"
    RAISED_ICP = "raised-icp"
    FEVER = "fever"
    HYPOTENSION = "hypotension"
    HYPOXIA = "hypoxia"


SCORES = (Domain.ICE, Domain.CAPD)
NEUROTOXICITY = (*SCORES, Domain.CONSCIOUSNESS, Domain.SEIZURE, Domain.MOTOR, Domain.RAISED_ICP)

Value = int | str
"""An ICE score (0 to 10), a CAPD score (0 to 32), or an answer code such as "loc-awakens-to-voice"."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One observed value of a domain, when it was seen, and the record that says so.

    `other` is the second end when the record leaves two values open (a partial ICE, RASS -4).
    `proxy` names the scale a value was inferred from; such a value may raise or ask, never lower.
    `assessed` is False for a coded diagnosis: nobody charted the domain itself.
    """

    domain: Domain
    value: Value
    at: datetime
    evidence: str
    other: Value | None = None
    proxy: str | None = None
    assessed: bool = True


@dataclass(frozen=True, slots=True)
class Note:
    """Something seen that never scores (tremor, myoclonus, headache, normal imaging, a laboratory value)."""

    kind: str
    at: datetime
    evidence: str
    text: str


@dataclass(frozen=True, slots=True)
class ChartedGrade:
    """A grade that a clinician charted: it stands beside the computed one, never under it (D10)."""

    grade: int
    at: datetime
    evidence: str
    scale: str = "icans"


@dataclass(frozen=True, slots=True)
class Administration:
    """A drug or cell product given. `end` is None while it runs, or when the record does not say.

    `dose` is in `unit` (mg, ug, ug/d, mg/kg, ...); None when it was not charted with a unit we know.
    """

    substance: str
    drug_class: str
    start: datetime
    evidence: str
    end: datetime | None = None
    running: bool = False
    dose: float | None = None
    unit: str | None = None
    systemic: bool = True
    premedication: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """A medication order: active, or a draft being signed. Doses in mg, intervals in hours.

    A draft that is not `selected` is context only (order-select): it is known, and not advised on.
    `route`: "oral", "parenteral" or "intrathecal", by codes alone; None when no code says.
    """

    substance: str
    drug_class: str
    evidence: str
    draft: bool
    status: str
    authored: datetime | None = None
    dose_mg: float | None = None
    interval_hours: float | None = None
    daily_ug: float | None = None
    systemic: bool = True
    route: str | None = None
    premedication: bool = False
    selected: bool = True


class Measurement(NamedTuple):
    """A vital sign or laboratory value in the unit the concept is read in (codes: `kind`)."""

    kind: str
    value: float
    unit: str
    at: datetime
    evidence: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A coded condition, procedure state or allergy that matters to advice; `onset` None when not dated exactly.

    `kind` is a concept of the value sets, "intubated", or "allergy:" and a substance.
    """

    kind: str
    onset: datetime | None
    evidence: str
    active: bool = True
    ended: datetime | None = None


@dataclass(frozen=True, slots=True)
class ClinicalSnapshot:
    """Everything the rules may know about one patient as of one instant.

    `unread` names kinds of data that were not given or could not be read ("medications", "conditions"):
    facts that need them are unknown, never false.
    """

    as_of: datetime
    age_years: int | None = None
    sex: str | None = None
    deceased: bool = False
    developmental_delay: bool = False
    findings: tuple[Finding, ...] = ()
    notes: tuple[Note, ...] = ()
    charted: tuple[ChartedGrade, ...] = ()
    administrations: tuple[Administration, ...] = ()
    orders: tuple[Order, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    diagnoses: tuple[Diagnosis, ...] = ()
    unread: frozenset[str] = frozenset()
    by_kind: Mapping[str, Sequence[Measurement]] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """`by_kind` are the measurements again: a chart has hundreds, and each question is about one kind."""
        found: dict[str, list[Measurement]] = {}
        for one in self.measurements:
            found.setdefault(one.kind, []).append(one)
        object.__setattr__(self, "by_kind", found)

    def latest(self, kind: str) -> Measurement | None:
        """The newest measurement of a kind; None when there is none."""
        found = self.by_kind.get(kind)
        return max(found, key=attrgetter("at")) if found else None


@dataclass(frozen=True, slots=True)
class Exposure:
    """One course of an immune effector therapy: a CAR-T infusion, doses of an engager, one infusion cycle.

    Three clocks, all in whole days (case 1 of Ma 2026 needs each): `cycle_day` (1 on the first day of
    the cycle), `infusion_days` (completed days of infusion over all cycles), `days_since_first`.
    `restarts` are the starts after an interruption of 4 h or more; `near_limit`: a gap within 30 min of
    4 h, so that a person has to say whether it was one (H18).
    """

    substance: str
    drug_class: str
    started: datetime
    ended: datetime | None
    evidence: tuple[str, ...]
    cycle: int
    cycle_day: int
    infusion_days: int
    days_since_first: int
    first_ever: datetime
    last_given: datetime
    interruptions: tuple[timedelta, ...] = ()
    restarts: tuple[datetime, ...] = ()
    near_limit: bool = False
