"""How long a protocol's summary can become: its placeholders filled for charts made to fill them most.

Found by assessing such charts and wording them as a card does, not by a second set of words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations

from cds_hooks import wording
from rules import Administration, Assessment, ClinicalSnapshot, Domain, Finding, Knowledge, assess
from rules.criteria import Criteria
from rules.facts import Fact

_NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
_WORDED = ("icans_grade", "grade_basis", "score", "consciousness")
"""The facts that decide which words a placeholder can stand for."""


def longest(knowledge: Knowledge) -> Callable[[str, Mapping[str, frozenset[Fact]]], str]:
    """A function from a summary and the conditions of its row to the longest sentence it can become."""
    charts: dict[object, Assessment] = {}

    def found(text: str, when: Mapping[str, frozenset[Fact]]) -> str:
        if "{" not in text:
            return text
        if not charts:
            charts.update((_words(chart), chart) for chart in _assessments(knowledge))
        fitting = _fitting(charts.values(), when, _WORDED) or _fitting(charts.values(), when, _WORDED[:1])
        return max((wording.sentence(text, chart) for chart in fitting), key=len, default=text)

    return found


def _words(chart: Assessment) -> object:
    """All that a placeholder takes from a chart: charts alike in it need to be worded once."""
    words = (wording.filled("{grade} {score} {last_score} {aside}", chart, brief) for brief in (False, True))
    return (*words, *(chart.facts[name] for name in _WORDED))


def _fitting(
    charts: Iterable[Assessment], when: Mapping[str, frozenset[Fact]], names: Sequence[str]
) -> list[Assessment]:
    return [chart for chart in charts if all(chart.facts[n] in when[n] for n in names if n in when)]


def _assessments(knowledge: Knowledge) -> Iterator[Assessment]:
    for criteria, age in ((knowledge.adults, 50), (knowledge.children, 5)):
        for findings in _charts(criteria, knowledge):
            for hours in (1, 30):
                yield assess(_snapshot(findings, age, hours), knowledge)
            yield assess(_sedated(_snapshot(findings, age, 9), criteria, knowledge), knowledge)


def _charts(criteria: Criteria, knowledge: Knowledge) -> Iterator[tuple[Finding, ...]]:
    """Charts by the domains that hold a grade: the first two are named, the rest are counted."""
    normal = tuple(_at(criteria, domain, 0) for domain in criteria.domains)
    yield from ((), normal, normal[1:])
    for grade in range(1, criteria.worst + 1):
        holding = {d: _at(criteria, d, grade) for d in criteria.domains if _holds(criteria, d, grade)}
        for count in sorted({1, 2, len(holding)}):
            for chosen in combinations(holding, count):
                held = tuple(holding[d] for d in chosen)
                yield held
                yield (*held, *(f for f in normal if f.domain not in chosen))
                if Domain.CONSCIOUSNESS in chosen:
                    others = tuple(f for f in held if f.domain is not Domain.CONSCIOUSNESS)
                    yield from ((*others, proxy) for proxy in _proxies(criteria, knowledge, grade))


def _holds(criteria: Criteria, domain: Domain, grade: int) -> bool:
    return any(cell.grade == grade for cell in criteria.cells[domain].values())


def _at(criteria: Criteria, domain: Domain, grade: int) -> Finding:
    """The finding of a domain at a grade that takes the most words."""
    found = [Finding(domain, v, _NOW, str(domain)) for v, cell in criteria.cells[domain].items() if cell.grade == grade]
    return max(found, key=lambda f: len(criteria.says(f)))


def _proxies(criteria: Criteria, knowledge: Knowledge, grade: int) -> Iterator[Finding]:
    readings = [r.finding(_NOW, "proxy") for r in knowledge.proxies.by_answer.values()]
    fitting = [f for f in readings if f and f.domain is Domain.CONSCIOUSNESS and criteria.interval(f)[0] == grade]
    yield from sorted(fitting, key=lambda f: len(str(f.proxy)))[-1:]


def _snapshot(findings: Sequence[Finding], age: int, hours: int) -> ClinicalSnapshot:
    at = _NOW - timedelta(hours=hours)
    bag = Administration("blinatumomab", "t-cell-engager", _NOW - timedelta(days=9), "bag", running=True)
    aged = tuple(replace(finding, at=at) for finding in findings)
    return ClinicalSnapshot(as_of=_NOW, age_years=age, findings=aged, administrations=(bag,))


def _sedated(snapshot: ClinicalSnapshot, criteria: Criteria, knowledge: Knowledge) -> ClinicalSnapshot:
    """The same chart with a worse score and consciousness since, under the sedative of the longest name."""
    drug = max(knowledge.windows.sedation, key=len)
    given = Administration(drug, "sedative", _NOW - timedelta(hours=2), "sedative", dose=100, unit="mg")
    at = _NOW - timedelta(hours=1)
    later = tuple(replace(_at(criteria, d, criteria.worst), at=at) for d in (criteria.tool, Domain.CONSCIOUSNESS))
    return replace(
        snapshot,
        findings=(*snapshot.findings, *later),
        administrations=(*snapshot.administrations, given),
    )
