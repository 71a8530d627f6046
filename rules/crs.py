"""CRS by ASTCT 2019: charted, coded, or computed from temperature, blood pressure and oxygen of the last hours.

Unknown stays unknown: "no CRS recorded" is never said when nobody measured. After a corticosteroid or
anti-IL-6, fever can no longer be judged: blood pressure and oxygen drive (lee-2019; hazard log A6, H29).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from rules.criteria import Criteria
from rules.snapshot import ChartedGrade, ClinicalSnapshot, Domain, Finding, Measurement
from rules.windows import Windows

FEVER_CELSIUS = 38.0
"""lee-2019: 38 degrees Celsius or more."""
LOW_SYSTOLIC = 90.0
LOW_SATURATION = 90.0
"""General knowledge, not verified: the table names no threshold (see the cells' citations)."""
LOW_FLOW = 6.0
"""lee-2019: low-flow is 6 L/min or less."""

_MASKING = ("corticosteroid", "anti-il-6")


@dataclass(frozen=True, slots=True)
class Crs:
    """CRS as an interval: `at_least` None when nothing was measured. `masked`: fever cannot be judged.

    `state` for protocol rows: present, none, masked (no hypotension, no hypoxia, fever not to be judged),
    without-fever (hypotension or hypoxia, and nothing tells of fever) or unknown.
    """

    state: str
    at_least: int | None
    at_most: int
    masked: bool
    findings: tuple[Finding, ...]
    unassessed: tuple[Domain, ...]
    charted: ChartedGrade | None


def crs(snapshot: ClinicalSnapshot, criteria: Criteria, windows: Windows) -> Crs:
    """The CRS of a snapshot. A fresh charted grade counts beside the computed one; the higher decides."""
    charted = _charted(snapshot, windows)
    masked = _masked(snapshot, windows)
    findings = tuple(_findings(snapshot, masked, windows))
    seen = {f.domain for f in findings}
    unassessed = tuple(d for d in criteria.domains if d not in seen)
    grades = [criteria.interval(f) for f in findings]
    fever = any(f.value != "fever-none" for f in findings if f.domain is Domain.FEVER) or masked
    at_least = _bottom(grades, findings, fever, charted)
    at_most = criteria.worst if unassessed else max(top for _, top in grades)
    at_most = max(at_most if fever or unassessed else 0, at_least or 0)
    low = any(f.domain is not Domain.FEVER and criteria.interval(f)[1] >= 1 for f in findings)
    state = _state(at_least, seen, masked, low)
    return Crs(state, at_least, at_most, masked, findings, unassessed, charted)


def _bottom(
    grades: Sequence[tuple[int, int]], findings: Sequence[Finding], fever: bool, charted: ChartedGrade | None
) -> int | None:
    """The worst of what was measured, if fever or its masking makes it CRS; or the charted grade."""
    computed = max((low for low, _ in grades), default=None) if findings else None
    if computed is not None and not fever:
        computed = 0 if any(f.domain is Domain.FEVER for f in findings) else None
    known = [g for g in (computed, charted.grade if charted else None) if g is not None]
    return max(known, default=None)


def _state(at_least: int | None, seen: set[Domain], masked: bool, low: bool) -> str:
    """By the table hypotension or hypoxia without fever is no CRS, but a drug for it is no mistake either (A6)."""
    if at_least is not None and at_least >= 1:
        return "present"
    if low:
        return "without-fever" if Domain.FEVER in seen else "unknown"
    if {Domain.HYPOTENSION, Domain.HYPOXIA} <= seen and Domain.FEVER in seen:
        return "masked" if masked else "none"
    return "unknown"


def _charted(snapshot: ClinicalSnapshot, windows: Windows) -> ChartedGrade | None:
    fresh = [
        g
        for g in snapshot.charted
        if g.scale in ("crs", "crs-diagnosis") and timedelta(0) <= snapshot.as_of - g.at <= windows.charted_fresh
    ]
    return max(fresh, key=lambda g: (g.at, g.grade), default=None)


def _masked(snapshot: ClinicalSnapshot, windows: Windows) -> bool:
    """Whether a drug that hides fever was given within its window before now."""
    return any(
        d.drug_class in _MASKING and d.systemic and timedelta(0) <= snapshot.as_of - d.start <= windows.fever_masked
        for d in snapshot.administrations
    )


def _findings(snapshot: ClinicalSnapshot, masked: bool, windows: Windows) -> Iterator[Finding]:
    """The newest temperature, the lowest pressure and the worst oxygen need of the window, as table values."""

    def recent(kind: str) -> list[Measurement]:
        found = snapshot.by_kind.get(kind, ())
        return [m for m in found if timedelta(0) <= snapshot.as_of - m.at <= windows.vitals]

    temperatures = recent("body-temperature")
    if temperatures:
        hottest = max(temperatures, key=lambda m: m.value)
        value = "fever-present" if hottest.value >= FEVER_CELSIUS else "fever-masked" if masked else "fever-none"
        yield Finding(Domain.FEVER, value, hottest.at, hottest.evidence)
    pressors = {d.substance for d in snapshot.administrations if d.drug_class == "vasopressor" and d.running}
    pressures = recent("systolic-blood-pressure")
    if pressors:
        several = len(pressors - {"vasopressin"}) > 1
        value = "hypotension-multiple-vasopressors" if several else "hypotension-vasopressor"
        yield Finding(Domain.HYPOTENSION, value, snapshot.as_of, "MedicationAdministration")
    elif pressures:
        lowest = min(pressures, key=lambda m: m.value)
        value = "hypotension-without-vasopressor" if lowest.value < LOW_SYSTOLIC else "hypotension-none"
        yield Finding(Domain.HYPOTENSION, value, lowest.at, lowest.evidence)
    yield from _oxygen(snapshot, recent("oxygen-saturation"), recent("inhaled-oxygen-flow"), windows)


_NEED = ("hypoxia-none", "hypoxia-unassisted", "hypoxia-low-flow", "hypoxia-high-flow", "hypoxia-positive-pressure")


def _oxygen(
    snapshot: ClinicalSnapshot, saturations: Sequence[Measurement], flows: Sequence[Measurement], windows: Windows
) -> Iterator[Finding]:
    """The oxygen need by device or flow, the worse of the two, else by saturation.

    A tube says nothing about it: intubation to protect the airway is not by itself hypoxia.
    """
    if any(d.kind == "intubated" and d.active for d in snapshot.diagnoses):
        return
    charted = [
        f for f in snapshot.findings
        if f.domain is Domain.HYPOXIA and timedelta(0) <= snapshot.as_of - f.at <= windows.vitals
    ]
    found = [max(charted, key=lambda f: (f.at, _NEED.index(str(f.value))))] if charted else []
    newest = max(flows, key=lambda m: m.at, default=None)
    if newest is not None and newest.value > 0:
        value = "hypoxia-low-flow" if newest.value <= LOW_FLOW else "hypoxia-high-flow"
        found.append(Finding(Domain.HYPOXIA, value, newest.at, newest.evidence))
    if not found and saturations:
        lowest = min(saturations, key=lambda m: m.value)
        value = "hypoxia-unassisted" if lowest.value < LOW_SATURATION else "hypoxia-none"
        found.append(Finding(Domain.HYPOXIA, value, lowest.at, lowest.evidence))
    if found:
        yield max(found, key=lambda f: _NEED.index(str(f.value)))
