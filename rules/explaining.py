"""Why a grade is what it is, and what would change it next: an assessment argued as a clinician would.

What would change the grade is found by assessing again with each possible value, not by a second set of
rules; a sedative on board then explains a value as it would explain a charted one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from rules.assessing import Assessment, Knowledge, Proposal, assess, carries_recommendation
from rules.facts import FACTS, Fact, Facts
from rules.grading import DomainGrade
from rules.protocol import Protocol, Row
from rules.snapshot import Domain, Finding, Value

NOW = "if charted now"
_ANY = {Domain.SEIZURE: "any seizure", Domain.RAISED_ICP: "any sign of raised ICP or edema"}


@dataclass(frozen=True, slots=True)
class LookedUp:
    """One domain: what was found, in which cell it falls, what that is worth, why it counts otherwise, who says so."""

    domain: Domain
    value: Value
    words: str
    at_least: int
    at_most: int
    cell_at_least: int
    cell_at_most: int
    why: str
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition of a row that failed: the fact, the values the row asks for, the value it has."""

    fact: str
    expected: tuple[Fact, ...]
    found: Fact

    def __str__(self) -> str:
        return f"{fact_name(self.fact)} is {fact_said(self.found)}, asked for {_either(self.expected)}"


@dataclass(frozen=True, slots=True)
class RowSaid:
    """One row of a protocol: whether it held, its failed conditions, the unknown facts that leave it undecided.

    `topic` is the title of the row's topic.
    """

    protocol: str
    topic: str
    row: Row
    holds: bool | None
    failed: tuple[Condition, ...]
    missing: tuple[str, ...]
    because: str


@dataclass(frozen=True, slots=True)
class DoseSaid:
    """A dose proposed, and what speaks against preselecting it; empty when it is preselected."""

    proposal: Proposal
    against: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """Findings that would each change the grade if charted now, the grade that follows, and an act that is new."""

    domain: Domain
    phrases: tuple[str, ...]
    at_least: int
    at_most: int
    act: str | None = None

    @property
    def words(self) -> str:
        """The findings in one phrase."""
        return " or ".join(self.phrases)


@dataclass(frozen=True, slots=True)
class Ignored:
    """An abnormal value that would be set aside if it were charted now, and the cause."""

    domain: Domain
    cause: str


@dataclass(frozen=True, slots=True)
class Charting:
    """Several findings charted now: their words and the grade that follows."""

    words: tuple[str, ...]
    at_least: int | None
    at_most: int

    @property
    def settled(self) -> bool:
        """Whether both ends meet."""
        return self.at_least == self.at_most


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything behind an assessment, in the order of its argument.

    `leaves_open`: the worst grade that each domain not assessed could still be. `silent`: why no protocol
    was asked; None when one was. `completed`: what is missing charted as normal; None when nothing is
    open. `well`: every domain charted as normal.
    """

    at_least: int | None
    at_most: int
    cells: tuple[LookedUp, ...]
    leaves_open: Mapping[Domain, int]
    rows: tuple[RowSaid, ...]
    silent: str | None
    doses: tuple[DoseSaid, ...]
    raises: tuple[Change, ...]
    lowers: tuple[Change, ...]
    settles: tuple[Change, ...]
    ignored: tuple[Ignored, ...]
    completed: Charting | None
    well: Charting


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What a value charted now leads to."""

    at_least: int
    at_most: int
    act: str | None
    cause: str | None


def explain(assessment: Assessment, knowledge: Knowledge) -> Explanation:
    """The argument behind an assessment. Pure; assesses again once for each value of each domain."""
    at_least, at_most = _ends(assessment)
    low = at_least or 0
    outcomes = {domain: _outcomes(assessment, knowledge, domain) for domain in assessment.criteria.domains}
    changes = [c for domain, found in outcomes.items() for c in _changes(assessment, domain, found, low)]
    missing = [d for d in assessment.criteria.domains if not _in_force(assessment.grading.domain(d))]
    return Explanation(
        at_least=at_least,
        at_most=at_most,
        cells=tuple(_looked_up(assessment, graded) for graded in assessment.grading.by_domain),
        leaves_open={d: min(at_most, _worst(assessment, d)) for d in assessment.grading.unassessed},
        rows=tuple(_row_said(a.protocol, row, assessment.facts) for a in assessment.advice for row in a.protocol.rows),
        silent=_silent(assessment),
        doses=tuple(DoseSaid(p, _against(assessment, p)) for p in assessment.proposals),
        raises=tuple(c for c in changes if c.at_least > low),
        lowers=tuple(c for c in changes if c.at_least < low),
        settles=tuple(c for c in changes if c.at_least == low and c.at_most < at_most),
        ignored=tuple(Ignored(d, cause) for d, found in outcomes.items() for cause in _causes(found)),
        completed=_charting(assessment, knowledge, missing) if missing and at_least != at_most else None,
        well=_charting(assessment, knowledge, assessment.criteria.domains),
    )


def _ends(assessment: Assessment) -> tuple[int | None, int]:
    """The grade that drives advice, a clinician's higher one included, and what is not excluded above it."""
    driving = assessment.facts["icans_grade"]
    at_least = driving if isinstance(driving, int) else None
    return at_least, max(assessment.grading.at_most, at_least or 0)


def _in_force(graded: DomainGrade | None) -> bool:
    return graded is not None and not graded.provisional and not graded.stale


def _looked_up(assessment: Assessment, graded: DomainGrade) -> LookedUp:
    criteria, finding = assessment.criteria, graded.finding
    least, most = criteria.interval(finding)
    otherwise = graded.provisional or (graded.at_least, graded.at_most) != (least, most)
    sources = tuple(f"{c.ref}: {c.at}" for c in criteria.cell(finding).cites)
    why = _why(assessment, graded) if otherwise else ""
    words = criteria.says(finding)
    return LookedUp(graded.domain, finding.value, words, graded.at_least, graded.at_most, least, most, why, sources)


def _why(assessment: Assessment, graded: DomainGrade) -> str:
    """Why a finding counts otherwise than its cell says."""
    if graded.provisional:
        return f"inferred from {graded.finding.proxy}; a scale may raise the grade but never settles it"
    if any(s.domain is graded.domain and s.finding.at > graded.finding.at for s in assessment.grading.set_aside):
        return "a newer one was set aside, so the floor of this one stands and its top is open"
    if graded.stale:
        return "it is past its window, so its floor stands and its top is open"
    return "consciousness, charted and fresh, separates the grades that this cell shares"


def _silent(assessment: Assessment) -> str | None:
    if assessment.advice:
        return None
    if assessment.snapshot.deceased:
        return "the patient has died"
    return "no immune effector therapy with an open risk window, none in this order, and no ICANS record"


def _row_said(protocol: Protocol, row: Row, facts: Facts) -> RowSaid:
    failed = tuple(
        Condition(name, tuple(v for v in FACTS[name] if v in allowed), value)
        for name, allowed in row.when.items()
        if (value := facts[name]) is not None and value not in allowed
    )
    missing = row.unknown(facts)
    if failed:
        because = "; ".join(str(condition) for condition in failed)
    elif missing:
        because = f"not known: {', '.join(fact_name(name) for name in missing)}"
    else:
        because = ", ".join(f"{fact_name(name)} is {fact_said(facts[name])}" for name in row.when)
    return RowSaid(protocol.ref.id, protocol.topic(row.topic).title, row, row.holds(facts), failed, missing, because)


def _against(assessment: Assessment, proposal: Proposal) -> tuple[str, ...]:
    """Why a dose is offered and not preselected; each reason that holds."""
    if proposal.recommended:
        return ()
    preferred = {t.dosing for t in proposal.row.therapies if t.preferred}
    grading, facts = assessment.grading, assessment.facts
    found = []
    if proposal.dose.id not in preferred:
        found.append("the row prefers another dose" if preferred else "the row says consider, not give")
    if not proposal.dose.may_recommend:
        found.append("the dosing document does not let it be preselected")
    if facts["grade_basis"] != "charted":
        found.append("the grade does not rest on a charted domain")
    elif not carries_recommendation(facts, grading):
        also = " and no consciousness" if facts["icans_grade"] in (3, 4) else ""
        found.append(f"no {grading.tool.upper()}{also} charted within its window")
    return tuple(found)


def _outcomes(assessment: Assessment, knowledge: Knowledge, domain: Domain) -> dict[Value, _Outcome]:
    """What each value of a domain leads to, charted now."""
    found: dict[Value, _Outcome] = {}
    for value in assessment.criteria.cells[domain]:
        again = _again(assessment, knowledge, {domain: value})
        at_least, at_most = _ends(again)
        cause = next((s.cause.text for s in again.grading.set_aside if s.finding.evidence == NOW), None)
        act = _act(again)
        found[value] = _Outcome(at_least or 0, at_most, act if act != _act(assessment) else None, cause)
    return found


def _again(assessment: Assessment, knowledge: Knowledge, charted: Mapping[Domain, Value]) -> Assessment:
    """The same chart with these findings at this instant; what was charted before stays on record."""
    snapshot = assessment.snapshot
    kept = [f for f in snapshot.findings if f.at < snapshot.as_of or f.domain not in charted or f.domain is Domain.SEIZURE]
    added = [Finding(domain, value, snapshot.as_of, NOW) for domain, value in charted.items()]
    return assess(replace(snapshot, findings=(*kept, *added)), knowledge)


def _act(assessment: Assessment) -> str | None:
    """What the protocols want done with the causative agent, the gravest first."""
    acts = {row.act for advice in assessment.advice for row in advice.rows}
    return next((act for act in ("stop", "withhold") if act in acts), None)


def _worst(assessment: Assessment, domain: Domain) -> int:
    return max(cell.up_to for cell in assessment.criteria.cells[domain].values())


def _causes(outcomes: Mapping[Value, _Outcome]) -> Iterable[str]:
    return dict.fromkeys(outcome.cause for outcome in outcomes.values() if outcome.cause is not None)


def _changes(assessment: Assessment, domain: Domain, outcomes: Mapping[Value, _Outcome], low: int) -> Iterator[Change]:
    """A domain's values, those that lead to the same grade in one phrase; what would be set aside changes nothing."""
    counted = {value: outcome for value, outcome in outcomes.items() if outcome.cause is None}
    grouped: dict[_Outcome, list[Value]] = {}
    for value, outcome in counted.items():
        grouped.setdefault(outcome, []).append(value)
    least = _any_raises(assessment, domain, counted, low)
    if least is not None:
        acts = {outcome.act for outcome in grouped if outcome.at_least == least}
        yield Change(domain, (_ANY[domain],), least, assessment.criteria.worst, acts.pop() if len(acts) == 1 else None)
    for outcome, values in grouped.items():
        if outcome.at_least != least:
            yield Change(domain, _phrases(assessment, domain, values), outcome.at_least, outcome.at_most, outcome.act)


def _any_raises(assessment: Assessment, domain: Domain, outcomes: Mapping[Value, _Outcome], low: int) -> int | None:
    """The grade that every abnormal value of a domain reaches; None when one of them does not raise."""
    abnormal = [o for value, o in outcomes.items() if assessment.criteria.cells[domain][value].up_to > 0]
    if domain not in _ANY or len(abnormal) < 2:
        return None
    least = min(outcome.at_least for outcome in abnormal)
    return least if least > low and any(o.at_least > least for o in abnormal) else None


def _charting(assessment: Assessment, knowledge: Knowledge, domains: Sequence[Domain]) -> Charting:
    """The grade if these domains were charted as normal now."""
    normal = {domain: _normal(assessment, domain) for domain in domains}
    words = tuple(phrase for domain, value in normal.items() for phrase in _phrases(assessment, domain, [value]))
    return Charting(words, *_ends(_again(assessment, knowledge, normal)))


def _normal(assessment: Assessment, domain: Domain) -> Value:
    return min(assessment.criteria.cells[domain], key=lambda v: assessment.criteria.cells[domain][v].up_to)


def _phrases(assessment: Assessment, domain: Domain, values: Sequence[Value]) -> tuple[str, ...]:
    """Values in words, scores as ranges that name the open end: "ICE 2 or less", "consciousness alert"."""
    cells = assessment.criteria.cells[domain]
    every = sorted(v for v in cells if isinstance(v, int))
    runs = _runs(sorted(v for v in values if isinstance(v, int)))
    before = "consciousness " if domain is Domain.CONSCIOUSNESS else ""
    coded = [f"{before}{cells[value].says}" for value in values if not isinstance(value, int)]
    return (*(f"{domain.upper()} {_range(run, every)}" for run in runs), *coded)


def _runs(numbers: Sequence[int]) -> list[list[int]]:
    """Numbers in runs without a gap."""
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][-1] + 1:
            found[-1].append(number)
        else:
            found.append([number])
    return found


def _range(run: Sequence[int], every: Sequence[int]) -> str:
    if len(run) == 1:
        return str(run[0])
    if run[0] == every[0]:
        return f"{run[-1]} or less"
    return f"{run[0]} or more" if run[-1] == every[-1] else f"{run[0]} to {run[-1]}"


def facts_said(facts: Facts) -> Mapping[str, str]:
    """The facts in words: unknown ones say so."""
    return {name: fact_said(value) for name, value in facts.items()}


def fact_said(value: Fact | None) -> str:
    """A value of a fact in words."""
    if value is None:
        return "not known"
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def fact_name(name: str) -> str:
    """A fact as a person says it: "ICANS grade", "seizure risk factor"."""
    words = name.split("_")
    return " ".join(word.upper() if word in ("icans", "ctcae", "crs") else word for word in words)


def _either(values: Sequence[Fact]) -> str:
    words = [fact_said(value) for value in values]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
