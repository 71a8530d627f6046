"""A bedside form as FHIR: one Observation a domain, and the QuestionnaireResponse. Checked by fhir.resources.R4B.

What was not assessed is left out, or carries the reason; it never becomes a number. Each question and answer
carries our code and, where a site map names one, the site's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from fhir.resources.R4B.observation import Observation
from fhir.resources.R4B.questionnaireresponse import QuestionnaireResponse

from fhir_mappers.assessment_out import ABSENT, CATEGORY
from fhir_mappers.concept_maps import SiteCodings
from fhir_mappers.questionnaire_response import CAPD_ITEMS, CAPD_MOST, ICE_POINTS, OTHER_DOMAINS
from rules.snapshot import Domain

QUESTION = "http://fhir.org/guides/icans-cds/CodeSystem/icans-assessment"
ANSWER = "http://fhir.org/guides/icans-cds/CodeSystem/icans-answer"
URI = "urn:ietf:rfc:3986"

Value = bool | int | str
"""An ICE point (True: done right), a CAPD item (0 to 4 points), an answer code, or words."""

ICE_PARTS: Mapping[str, tuple[str, ...]] = {
    "ice-orientation": ICE_POINTS[:4],
    "ice-naming": ICE_POINTS[4:7],
    "ice-following-commands": ("following-commands",),
    "ice-writing": ("writing",),
    "ice-attention": ("attention",),
}


@dataclass(frozen=True, slots=True)
class Examined:
    """One filled form: answers by linkId (what is not there was not assessed), and why something was not."""

    tool: Domain  # Domain.ICE or Domain.CAPD
    answers: Mapping[str, Value]
    because: str | None
    at: datetime
    patient_id: str
    encounter_id: str | None
    submission: UUID

    @property
    def items(self) -> tuple[str, ...]:
        return ICE_POINTS if self.tool is Domain.ICE else CAPD_ITEMS

    @property
    def unable(self) -> str | None:
        """The answer code of "unable to perform", if that was charted."""
        found = self.answers.get(f"{self.tool.value}-unable")
        return found if isinstance(found, str) else None

    @property
    def span(self) -> tuple[int, int] | None:
        """The score from its least to its most; equal ends when every item was assessed; None when none was."""
        given = [int(self.answers[item]) for item in self.items if item in self.answers]
        if not given:
            return None
        each = 1 if self.tool is Domain.ICE else CAPD_MOST
        return sum(given), sum(given) + each * (len(self.items) - len(given))


def resources(examined: Examined, form: Mapping[str, Any], site: SiteCodings) -> list[dict[str, Any]]:
    """The QuestionnaireResponse and the Observations of a form, in the order to write them.

    `form` is the Questionnaire answered. Raises ValidationError if a resource is not R4.
    """
    response = _response(examined, form)
    QuestionnaireResponse.model_validate(response)
    found = [*_observations(examined, form, site)]
    for observation in found:
        Observation.model_validate(observation)
    return [*found, response]


def transaction(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The resources as one Bundle that creates each, once: to be kept as a file and loaded elsewhere."""
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": identifier(one)["value"],
                "resource": dict(one),
                "request": {
                    "method": "POST",
                    "url": one["resourceType"],
                    "ifNoneExist": f"identifier={URI}|{identifier(one)['value']}",
                },
            }
            for one in found
        ],
    }


def identifier(resource: Mapping[str, Any]) -> dict[str, str]:
    """What makes writing it twice harmless."""
    given = resource["identifier"]
    found: dict[str, str] = given[0] if isinstance(given, list) else given
    return found


def _observations(examined: Examined, form: Mapping[str, Any], site: SiteCodings) -> Iterator[dict[str, Any]]:
    score = f"{examined.tool.value}-score"
    span = examined.span
    made = _observation(examined, score, _texts(form), site)
    if examined.tool is Domain.ICE and span is not None:
        made["component"] = [
            {"code": _question(part, _texts(form), site), "valueInteger": sum(int(examined.answers[i]) for i in items)}
            for part, items in ICE_PARTS.items()
            if all(item in examined.answers for item in items)
        ]
        if not made["component"]:
            del made["component"]
    if examined.unable is not None:
        yield {**made, "valueCodeableConcept": _answer(score, examined.unable, _displays(form), site)}
    elif span is not None and span[0] == span[1]:
        yield {**made, "valueInteger": span[0]}
    elif span is not None or examined.because is not None:
        words = "Not every item was assessed" if examined.because is None else examined.because
        yield {**made, "dataAbsentReason": {"coding": [{"system": ABSENT, "code": "not-performed"}], "text": words}}
    for link in OTHER_DOMAINS:
        code = examined.answers.get(link)
        if isinstance(code, str):
            found = _observation(examined, link, _texts(form), site)
            yield {**found, "valueCodeableConcept": _answer(link, code, _displays(form), site)}


def _observation(examined: Examined, question: str, texts: Mapping[str, str], site: SiteCodings) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "identifier": [_identifier(examined, question)],
        "status": "final",
        "category": [{"coding": [{"system": CATEGORY, "code": "survey"}]}],
        "code": _question(question, texts, site),
        **_about(examined),
        "effectiveDateTime": examined.at.isoformat(timespec="seconds"),
    }


def _about(examined: Examined) -> dict[str, Any]:
    about: dict[str, Any] = {"subject": {"reference": f"Patient/{examined.patient_id}"}}
    if examined.encounter_id is not None:
        about["encounter"] = {"reference": f"Encounter/{examined.encounter_id}"}
    return about


def _identifier(examined: Examined, name: str) -> dict[str, str]:
    return {"system": URI, "value": f"urn:uuid:{uuid5(examined.submission, name)}"}


def _question(question: str, texts: Mapping[str, str], site: SiteCodings) -> dict[str, Any]:
    own = site.get(("observations", "", question))
    coding = [{"system": QUESTION, "code": question, "display": texts[question]}]
    return {"coding": [*coding, *([dict(own)] if own else [])], "text": texts[question]}


def _answer(question: str, code: str, displays: Mapping[str, str], site: SiteCodings) -> dict[str, Any]:
    own = site.get(("answers", question, code))
    coding = [{"system": ANSWER, "code": code, "display": displays[code]}]
    return {"coding": [*coding, *([dict(own)] if own else [])], "text": displays[code]}


def _response(examined: Examined, form: Mapping[str, Any]) -> dict[str, Any]:
    answers: dict[str, Value] = dict(examined.answers)
    span = examined.span
    if span is not None and span[0] == span[1]:
        answers[f"{examined.tool.value}-score"] = span[0]
    if examined.because is not None:
        answers["not-assessed-because"] = examined.because
    return {
        "resourceType": "QuestionnaireResponse",
        "identifier": _identifier(examined, "form"),
        "questionnaire": f"{form['url']}|{form['version']}",
        "status": "completed",
        **_about(examined),
        "authored": examined.at.isoformat(timespec="seconds"),
        "item": [*_items(form["item"], answers, _displays(form))],
    }


def _items(
    items: Sequence[Mapping[str, Any]], answers: Mapping[str, Value], displays: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    """The answered items, in their groups, as the form nests them."""
    for item in items:
        link, head = item["linkId"], {"linkId": item["linkId"], "text": item["text"]}
        if item["type"] == "group":
            inner = [*_items(item["item"], answers, displays)]
            if inner:
                yield {**head, "item": inner}
        elif link in answers:
            yield {**head, "answer": [_answered(item["type"], answers[link], displays)]}


def _answered(kind: str, value: Value, displays: Mapping[str, str]) -> dict[str, Any]:
    if kind == "boolean":
        return {"valueBoolean": bool(value)}
    if kind == "integer":
        return {"valueInteger": int(value)}
    if kind == "choice":
        return {"valueCoding": {"system": ANSWER, "code": value, "display": displays[str(value)]}}
    return {"valueString": str(value)}


def _walk(items: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for item in items:
        yield item
        yield from _walk(item.get("item", ()))


def _texts(form: Mapping[str, Any]) -> dict[str, str]:
    """The display of each question, by its code in our code system."""
    return {c["code"]: c["display"] for item in _walk(form["item"]) for c in item.get("code", ())}


def _displays(form: Mapping[str, Any]) -> dict[str, str]:
    options = (option["valueCoding"] for item in _walk(form["item"]) for option in item.get("answerOption", ()))
    return {coding["code"]: coding["display"] for coding in options}
