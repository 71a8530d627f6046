"""Grades a snapshot: set aside what another cause explains, look up the rest, take the worst (lee-2019).

A grade is an interval. What was not assessed leaves the top open; time opens the top of a domain but
never lowers the bottom (D3, D8; hazard log A1, A14, A17 to A20).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter

from rules.criteria import Criteria
from rules.setting_aside import Cause, Causes
from rules.snapshot import SCORES, ClinicalSnapshot, Domain, Finding
from rules.windows import Windows


@dataclass(frozen=True, slots=True)
class DomainGrade:
    """What one domain is worth now, and why.

    `provisional`: inferred from a proxy. `overdue`: past `due_every`. `stale`: past its fresh window,
    so its bottom stands and its top is open. `flags` are sentences for the card.
    """

    domain: Domain
    finding: Finding
    at_least: int
    at_most: int
    provisional: bool = False
    overdue: bool = False
    stale: bool = False
    flags: tuple[str, ...] = ()
    due_every: timedelta = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class SetAside:
    """A finding not counted because another cause explains it; `at_least` is its worth if it does not."""

    domain: Domain
    finding: Finding
    cause: Cause
    at_least: int


@dataclass(frozen=True, slots=True)
class Grading:
    """The computed grade: from `at_least` to `at_most`; `at_least` is None when nothing was usable.

    `held_by` are the domains that hold the bottom; none at grade 0.
    """

    at_least: int | None
    at_most: int
    tool: Domain
    by_domain: tuple[DomainGrade, ...]
    held_by: tuple[DomainGrade, ...]
    unassessed: tuple[Domain, ...]
    set_aside: tuple[SetAside, ...]
    onset: datetime | None

    @property
    def status(self) -> str:
        """`final` exactly when both ends meet, `indeterminate` when nothing is usable, else `minimum` (A17)."""
        if self.at_least is None:
            return "indeterminate"
        return "final" if self.at_least == self.at_most else "minimum"

    @property
    def determining(self) -> tuple[Domain, ...]:
        """The domains that hold the grade; none at grade 0."""
        return tuple(d.domain for d in self.held_by)

    @property
    def rests_on_proxy(self) -> bool:
        """Whether every domain that holds the grade was inferred from a proxy scale."""
        return bool(self.held_by) and all(d.provisional for d in self.held_by)

    @property
    def rests_on_post_ictal(self) -> bool:
        """Whether every domain that holds the grade was examined within the post-ictal hour (A3)."""
        return bool(self.held_by) and all(POST_ICTAL in d.flags for d in self.held_by)

    def domain(self, domain: Domain) -> DomainGrade | None:
        """The graded domain; None when it was not assessed, or set aside."""
        return next((d for d in self.by_domain if d.domain is domain), None)


POST_ICTAL = "charted within 60 min after a seizure: examine again"


def grade(
    snapshot: ClinicalSnapshot, criteria: Criteria, windows: Windows, since: datetime | None = None
) -> Grading:
    """The most severe domain decides (lee-2019); findings from before `since` do not count (D3)."""
    latest = snapshot.as_of + windows.clock_tolerance
    usable = [
        f
        for f in snapshot.findings
        if f.domain in criteria.cells and f.at <= latest and (since is None or f.at >= since)
    ]
    usable.sort(key=attrgetter("at"))
    aside: list[SetAside] = []
    seizures = [f for f in usable if f.domain is Domain.SEIZURE and criteria.interval(f)[0] >= 1]
    causes = Causes(snapshot, criteria, windows, since)
    held = [
        found for domain in criteria.domains if (found := _held(domain, usable, causes, aside, seizures)) is not None
    ]
    by_domain = tuple(_settled(d, held, criteria) for d in held)
    at_least = max((d.at_least for d in by_domain), default=None)
    onset = next((f.at for f in usable if criteria.interval(f)[0] >= 1), None)
    limits = _due(at_least or 0, onset, snapshot.as_of, windows)
    by_domain = tuple(_with_due(d, limits.get(d.domain, windows.fresh[d.domain]), snapshot.as_of) for d in by_domain)
    set_aside_only = {s.domain for s in aside} - {d.domain for d in by_domain}
    settled = {d.domain for d in by_domain if not d.provisional} | set_aside_only
    unassessed = tuple(d for d in criteria.domains if d not in settled)
    return Grading(
        at_least=at_least,
        at_most=_ceiling(criteria, by_domain, unassessed, bool(set_aside_only)),
        tool=criteria.tool,
        by_domain=by_domain,
        held_by=tuple(d for d in by_domain if d.at_least and d.at_least == at_least),
        unassessed=unassessed,
        set_aside=tuple(aside),
        onset=onset,
    )


def _held(
    domain: Domain,
    usable: Sequence[Finding],
    causes: Causes,
    aside: list[SetAside],
    seizures: Sequence[Finding],
) -> DomainGrade | None:
    """The finding in force of one domain, with what it is worth at this instant."""
    snapshot, criteria, windows = causes.snapshot, causes.criteria, causes.windows
    found = [f for f in usable if f.domain is domain]
    if not found:
        return None
    charted = [f for f in found if f.proxy is None]
    proxies = [f for f in found if f.proxy is not None]
    if domain is Domain.SEIZURE:
        in_force = _seizure_in_force(charted, seizures, usable, causes)
        carried = False
    else:
        in_force, carried = _newest_unexplained(charted, causes, aside)
    chosen = None if in_force is None else _worth(in_force, carried, snapshot.as_of, criteria, windows, seizures)
    if chosen is not None and chosen.finding.other is not None:
        chosen = _kept(chosen, charted, causes)
    raised = None if not proxies else _proxy_in_force(proxies, in_force, causes, aside)
    if raised is None or (chosen is not None and criteria.interval(raised)[0] <= chosen.at_least):
        return chosen
    return DomainGrade(
        domain, raised, criteria.interval(raised)[0], criteria.worst, provisional=True,
        stale=snapshot.as_of - raised.at > windows.fresh[domain],
    )


def _kept(partial: DomainGrade, charted: Sequence[Finding], causes: Causes) -> DomainGrade:
    """A score taken in part does not lower what the last whole one was worth, as far as its range allows that (A1)."""
    criteria = causes.criteria
    whole = [f for f in charted if f.other is None and f.at < partial.finding.at and causes.of(f) is None]
    last = max(whole, key=lambda f: (f.at, criteria.interval(f)), default=None)
    if last is None or criteria.interval(last)[0] <= partial.at_least:
        return partial
    floor = min(criteria.interval(last)[0], criteria.interval(partial.finding)[1])
    if floor <= partial.at_least:
        return partial
    flag = f"taken in part, so grade {floor} of the last whole score ({criteria.says(last)}) stands"
    return replace(partial, at_least=floor, flags=(*partial.flags, flag))


def _newest_unexplained(
    found: Sequence[Finding], causes: Causes, aside: list[SetAside]
) -> tuple[Finding | None, bool]:
    """The newest finding that no other cause explains; whether a newer one was set aside for it. `found` by time.

    Findings charted at one instant: the worse counts. An abnormal value under a sedative is set aside
    and the last unsedated value stays the floor; a normal value counts (A14).
    """
    criteria, carried = causes.criteria, False
    if len(found) == 1 and criteria.interval(found[0])[1] == 0:
        return found[0], carried
    for finding in _newest_first(found, criteria):
        cause = causes.of(finding)
        if cause is None:
            return finding, carried
        if not carried or finding.at == aside[-1].finding.at:
            aside.append(SetAside(finding.domain, finding, cause, criteria.interval(finding)[0]))
        carried = True
    return None, carried


def _newest_first(found: Sequence[Finding], criteria: Criteria) -> Iterator[Finding]:
    """Findings, sorted by time, from the newest back; of one instant the worst first."""
    for _, together in groupby(reversed(found), key=attrgetter("at")):
        as_charted = list(together)
        as_charted.reverse()
        yield from sorted(as_charted, key=criteria.interval, reverse=True)


def _seizure_in_force(
    found: Sequence[Finding],
    seizures: Sequence[Finding],
    usable: Sequence[Finding],
    causes: Causes,
) -> Finding | None:
    """The worst seizure of the cluster that still holds, else the newest finding after it.

    A seizure holds 24 h after the last one of its cluster, then until a usable score and consciousness
    charted from then on (D3, A20): so time alone never releases it, nor an examination that a sedative spoils.
    """
    criteria, windows, as_of = causes.criteria, causes.windows, causes.snapshot.as_of
    scored = sorted(f.at for f in usable if f.domain is criteria.tool and causes.of(f) is None)
    roused = sorted(f.at for f in usable if f.domain is Domain.CONSCIOUSNESS and f.proxy is None and causes.of(f) is None)
    cluster: list[Finding] = []
    released: datetime | None = None
    for seizure in sorted(seizures, key=lambda f: f.at):
        if released is not None and seizure.at > released:
            cluster = []
        cluster.append(seizure)
        released = _release(seizure.at + windows.seizure_hold, scored, roused)
    if cluster and (released is None or released > as_of):
        return max(cluster, key=lambda f: (criteria.interval(f), f.at))
    after = [f for f in found if f not in seizures and (not cluster or f.at > cluster[-1].at)]
    return max(after, key=lambda f: f.at, default=None)


def _release(end: datetime, scored: Sequence[datetime], roused: Sequence[datetime]) -> datetime | None:
    """The instant a seizure stops holding; None when no score and consciousness came after its hold (times sorted)."""
    score, rouse = bisect_left(scored, end), bisect_left(roused, end)
    return None if score == len(scored) or rouse == len(roused) else max(scored[score], roused[rouse])


def _proxy_in_force(
    proxies: Sequence[Finding],
    charted: Finding | None,
    causes: Causes,
    aside: list[SetAside],
) -> Finding | None:
    """The worst of the newest proxies that is not older than the charted value (same hour counts)."""
    criteria, windows = causes.criteria, causes.windows
    fresh_enough = [p for p in proxies if charted is None or p.at >= charted.at - windows.contradiction]
    if not fresh_enough:
        return None
    newest = max(p.at for p in fresh_enough)
    candidates = [p for p in fresh_enough if p.at >= newest - windows.contradiction]
    for proxy in sorted(candidates, key=lambda p: (criteria.interval(p), p.at), reverse=True):
        cause = causes.of(proxy)
        if cause is None:
            return proxy
        aside.append(SetAside(proxy.domain, proxy, cause, criteria.interval(proxy)[0]))
    return None


def _worth(
    finding: Finding,
    carried: bool,
    as_of: datetime,
    criteria: Criteria,
    windows: Windows,
    seizures: Sequence[Finding],
) -> DomainGrade:
    at_least, at_most = criteria.interval(finding)
    stale = as_of - finding.at > windows.fresh[finding.domain]
    post_ictal = finding.domain in (*SCORES, Domain.CONSCIOUSNESS) and any(
        timedelta(0) <= finding.at - seizure.at <= windows.post_ictal for seizure in seizures
    )
    return DomainGrade(
        domain=finding.domain,
        finding=finding,
        at_least=at_least,
        at_most=criteria.worst if stale or carried else at_most,
        stale=stale or carried,
        flags=(POST_ICTAL,) if post_ictal else (),
    )


def _settled(graded: DomainGrade, held: Sequence[DomainGrade], criteria: Criteria) -> DomainGrade:
    """A cell that leaves two grades open is settled when the domain it names is charted and fresh."""
    settler = criteria.cell(graded.finding).settled_by
    if settler is None or graded.finding.other is not None or graded.stale:
        return graded
    if any(d.domain is settler and not d.provisional and not d.stale for d in held):
        return replace(graded, at_most=graded.at_least)
    return graded


def _due(
    driving: int, onset: datetime | None, as_of: datetime, windows: Windows
) -> Mapping[Domain, timedelta]:
    """How often a score and the consciousness are due at a grade; more often on the first day of grade 1."""
    due = windows.due[min(driving, max(windows.due))]
    young = onset is not None and as_of - onset <= timedelta(hours=24)
    if due.first_day is not None and young:
        return dict.fromkeys((*SCORES, Domain.CONSCIOUSNESS), due.first_day)
    return {Domain.ICE: due.score, Domain.CAPD: due.score, Domain.CONSCIOUSNESS: due.consciousness}


def _with_due(graded: DomainGrade, limit: timedelta, as_of: datetime) -> DomainGrade:
    """Marks a finding overdue: a score or consciousness past its due time, another past its fresh window."""
    return DomainGrade(
        graded.domain,
        graded.finding,
        graded.at_least,
        graded.at_most,
        graded.provisional,
        as_of - graded.finding.at > limit,
        graded.stale,
        graded.flags,
        limit,
    )


def _ceiling(
    criteria: Criteria, by_domain: Sequence[DomainGrade], unassessed: Sequence[Domain], aside_only: bool
) -> int:
    """D8: an unassessed domain leaves the worst grade open; a missing ICE beside a fresh consciousness, 3.

    The exception rests on the table: with ICE, grade 4 asks that the patient is unarousable (A18).
    """
    tops = [d.at_most for d in by_domain]
    if aside_only:
        return criteria.worst
    if not unassessed:
        return max(tops)
    roused = any(
        d.domain is Domain.CONSCIOUSNESS and not d.provisional and not d.stale and d.at_most < criteria.worst
        for d in by_domain
    )
    if tuple(unassessed) == (Domain.ICE,) and roused:
        return max(3, *tops)
    return criteria.worst
