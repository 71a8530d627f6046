"""The bedside form as a page asks it and as it comes back. Nothing chosen means not assessed, never zero."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from cds_hooks.fhir_api import published
from fhir_mappers.bedside_out import Examined, Value
from fhir_mappers.questionnaire_response import CAPD_MOST
from rules.snapshot import Domain

MINUTES_AGO = (0, 10, 20, 30, 45, 60, 90, 120, 180, 240)
"""When the examination was: no clock of the ward is asked, so that no time zone can be wrong."""
MOST_WORDS = 500
REASONS = (
    "Asleep, not woken for the assessment",
    "Sedated or intubated",
    "Language: no interpreter",
    "Not able before the therapy (hearing, vision, aphasia, dementia)",
    "Refused",
    "Off the ward",
)


class NotTaken(Exception):  # noqa: N818  (said on the form)
    """What is wrong with a form, in words for the person who filled it in."""


@dataclass(frozen=True, slots=True)
class Question:
    """One item of the form: its linkId, its words, and its options by value."""

    link: str
    text: str
    options: tuple[tuple[str, str], ...]
    kind: str


@dataclass(frozen=True, slots=True)
class Form:
    """The questions of a tool in their groups, and of the other domains."""

    tool: Domain
    groups: tuple[tuple[str, tuple[Question, ...]], ...]
    unable: Question
    domains: tuple[Question, ...]

    @property
    def items(self) -> tuple[Question, ...]:
        return tuple(question for _, group in self.groups for question in group)


def form_of(tool: Domain) -> Form:
    """The form of ICE or CAPD, from the Questionnaire we publish."""
    body = questionnaire(tool)
    first, *others = body["item"]
    groups: list[tuple[str, tuple[Question, ...]]] = []
    for item in first["item"]:
        if item["type"] == "group":
            groups.append((item["text"], tuple(_question(one) for one in item["item"])))
    plain = tuple(_question(item) for item in first["item"] if item["type"] == "integer" and "code" not in item)
    if plain:
        groups.append(("", plain))
    unable = next(_question(item) for item in first["item"] if item["type"] == "choice")
    return Form(tool, tuple(groups), unable, tuple(_question(item) for item in others if item["type"] == "choice"))


def questionnaire(tool: Domain) -> Mapping[str, Any]:
    """The Questionnaire of a tool, as published."""
    found: Mapping[str, Any] = published()["Questionnaire"][tool.value]
    return found


def _question(item: Mapping[str, Any]) -> Question:
    if item["type"] == "boolean":
        options: tuple[tuple[str, str], ...] = (("yes", "Right"), ("no", "Not right"))
        return Question(item["linkId"], item["text"], options, "boolean")
    if item["type"] == "integer":
        text, _, scale = item["text"].partition(": ")
        rising = scale.startswith("0")
        words = ("never", "rarely", "sometimes", "often", "always")
        points = range(CAPD_MOST + 1) if rising else range(CAPD_MOST, -1, -1)
        return Question(
            item["linkId"], text, tuple((str(p), f"{word} {p}") for word, p in zip(words, points, strict=True)), "integer"
        )
    coded = tuple((o["valueCoding"]["code"], o["valueCoding"]["display"]) for o in item["answerOption"])
    return Question(item["linkId"], item["text"], coded, "choice")


def examined(
    tool: Domain, posted: Mapping[str, str], patient_id: str, encounter_id: str | None, now: datetime, submission: UUID
) -> Examined:
    """A posted form. Raises NotTaken: contradictory, empty, or with values that the form does not offer."""
    form = form_of(tool)
    answers: dict[str, Value] = {}
    for question in (*form.items, *form.domains, form.unable):
        given = posted.get(question.link, "")
        if not given:
            continue
        if given not in dict(question.options):
            raise NotTaken(f"{question.text}: the answer is not one the form offers.")
        answers[question.link] = _value(question, given)
    because = _because(posted)
    found = Examined(tool, answers, because, _at(posted, now), patient_id, encounter_id, submission)
    name = tool.value.upper()
    if not answers and because is None:
        raise NotTaken("Nothing was answered: there is nothing to save. If nothing could be assessed, say why.")
    if found.unable is not None and found.span is not None:
        raise NotTaken(f"{name} is marked as unable to perform, and items of it are answered: only one of the two can be.")
    if found.unable == "ice-unable-unarousable" and answers.get("consciousness", "loc-unarousable") in _AWAKE:
        raise NotTaken("ICE is marked as unarousable, and the level of consciousness as awake or awakening: only one can be.")
    return found


def _value(question: Question, given: str) -> Value:
    if question.kind == "boolean":
        return given == "yes"
    return int(given) if question.kind == "integer" else given


_AWAKE = ("loc-alert", "loc-awakens-spontaneously", "loc-awakens-to-voice")


def _because(posted: Mapping[str, str]) -> str | None:
    reason = posted.get("because", "")
    if reason and reason not in REASONS:
        raise NotTaken("The reason is not one the form offers.")
    words = " ".join(posted.get("because-words", "").split())
    if len(words) > MOST_WORDS:
        raise NotTaken(f"The reason is longer than {MOST_WORDS} characters.")
    return ": ".join(part for part in (reason, words) if part) or None


def _at(posted: Mapping[str, str], now: datetime) -> datetime:
    minutes = posted.get("ago", "0")
    if minutes not in map(str, MINUTES_AGO):
        raise NotTaken("The time of the examination is not one the form offers.")
    return (now - timedelta(minutes=int(minutes))).replace(microsecond=0)
