"""One QuestionnaireResponse to our bedside forms (examples/questionnaires): a score, the other domains, or an issue.

An item without an answer was not assessed: the score is then a range, never a lower number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from fhir_mappers.chart import Chart
from fhir_mappers.elements import Unreadable, exact_time
from fhir_mappers.issues import MappingIssue
from fhir_mappers.views import Answer, Item, QuestionnaireResponse
from rules.snapshot import Domain, Finding

BASE = "http://fhir.org/guides/icans-cds/Questionnaire/"
ICE_FORM, CAPD_FORM = f"{BASE}ice", f"{BASE}capd"
ICE_POINTS = (
    "orientation-year", "orientation-month", "orientation-city", "orientation-hospital",
    "naming-1", "naming-2", "naming-3", "following-commands", "writing", "attention",
)
"""The ten points of ICE (lee-2019): each item is a boolean, true when it was done right."""
CAPD_ITEMS = tuple(f"capd-{number}" for number in range(1, 9))
CAPD_MOST = 4
"""Points of one CAPD item: 0 to 4, as the form scores it."""
OTHER_DOMAINS = {
    "consciousness": Domain.CONSCIOUSNESS,
    "seizure": Domain.SEIZURE,
    "motor": Domain.MOTOR,
    "raised-icp": Domain.RAISED_ICP,
}
_UNABLE = {Domain.ICE: "ice-unable", Domain.CAPD: "capd-unable"}
_READ = frozenset({"completed", "amended"})
_PASSED_OVER = frozenset({"entered-in-error", "stopped"})

Mapped = Finding | MappingIssue


def mapped(response: QuestionnaireResponse, evidence: str, chart: Chart) -> Iterator[Mapped]:
    """Every finding of a response to one of our forms; nothing for another questionnaire."""
    form = (response.questionnaire or "").split("|")[0]
    if form not in (ICE_FORM, CAPD_FORM):
        return
    tool = Domain.ICE if form == ICE_FORM else Domain.CAPD
    status = (response.status or "").strip()
    if status in _PASSED_OVER:
        return
    try:
        if status not in _READ:
            raise Unreadable(f"status {status[:24]!r}; completed or amended was expected")
        if response.authored is None:
            raise Unreadable("no authored time; an exact time with its offset was expected")
        at = chart.past(exact_time(response.authored, chart.zone))
        answers = dict(answers_of(response.item or ()))
        yield from _score(tool, answers, at, evidence, chart)
    except Unreadable as problem:
        yield MappingIssue(evidence, f"{tool.value.upper()} form: {problem}", tool.value)
        return
    for link, domain in OTHER_DOMAINS.items():
        try:
            if link in answers:
                yield Finding(domain, _coded(link, answers[link], chart), at, evidence)
        except Unreadable as problem:
            yield MappingIssue(evidence, f"{link}: {problem}", domain.value)


def answers_of(items: tuple[Item, ...]) -> Iterator[tuple[str, Answer]]:
    """Every answered item by its linkId, groups opened. Raises Unreadable for two answers to one item."""
    seen: set[str] = set()
    for item in items:
        if item.linkId and item.answer:
            if len(item.answer) > 1 or item.linkId in seen:
                raise Unreadable(f"item {item.linkId[:40]!r} has two answers; one was expected")
            seen.add(item.linkId)
            yield item.linkId, item.answer[0]
        yield from answers_of(item.item or ())


def _score(tool: Domain, answers: Mapping[str, Answer], at: datetime, evidence: str, chart: Chart) -> Iterator[Mapped]:
    question = f"{tool.value}-score"
    total, unable = answers.get(question), answers.get(_UNABLE[tool])
    if unable is not None:
        yield Finding(tool, _coded(question, unable, chart), at, evidence)
    points = dict(_points(tool, answers))
    items, most, each = (ICE_POINTS, 10, 1) if tool is Domain.ICE else (CAPD_ITEMS, 32, CAPD_MOST)
    if points:
        missing = (len(items) - len(points)) * each
        summed = sum(points.values())
        yield Finding(tool, summed, at, evidence, other=summed + missing if missing else None)
    if total is not None:
        if total.valueInteger is None or not 0 <= total.valueInteger <= most:
            raise Unreadable(f"total; a whole number from 0 to {most} was expected")
        if len(points) == len(items) and sum(points.values()) != total.valueInteger:
            words = f"its total {total.valueInteger} is not the sum of its items, {sum(points.values())}: the worse counts"
            yield MappingIssue(evidence, words, tool.value, used=True)
        if len(points) in (0, len(items)):
            yield Finding(tool, total.valueInteger, at, evidence)


def _points(tool: Domain, answers: Mapping[str, Answer]) -> Iterator[tuple[str, int]]:
    for link in ICE_POINTS if tool is Domain.ICE else CAPD_ITEMS:
        answer = answers.get(link)
        if answer is None:
            continue
        if tool is Domain.ICE:
            if answer.valueBoolean is None:
                raise Unreadable(f"item {link!r}; valueBoolean was expected")
            yield link, int(answer.valueBoolean)
        elif answer.valueInteger is None or not 0 <= answer.valueInteger <= CAPD_MOST:
            raise Unreadable(f"item {link!r}; valueInteger from 0 to {CAPD_MOST} was expected")
        else:
            yield link, answer.valueInteger


def _coded(question: str, answer: Answer, chart: Chart) -> str:
    coding = answer.valueCoding
    if coding is None:
        raise Unreadable("valueCoding with an answer code was expected")
    found = chart.codes.answer(question, coding.system, coding.code)
    if found is None:
        raise Unreadable(f"answer {coding.system}|{coding.code} is not known under this question"[:200])
    return found
