"""What every mapper needs to know of its patient and instant: who, when, in which zone, by which codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo

from fhir_mappers.codes import Terminology
from fhir_mappers.elements import Units, Unreadable
from fhir_mappers.views import CodeableConcept, Coding, Medication
from rules.proxies import Proxies

CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far in the future a record may be dated before it is refused (hazard log H51)."""


@dataclass(frozen=True, slots=True)
class Chart:
    """One patient as of one instant. `patient` holds every literal reference that means this patient.

    `literal` are the references that mean the patient as they stand, `latest` the last instant that counts.
    """

    patient: frozenset[str]
    as_of: datetime
    zone: tzinfo | None
    codes: Terminology
    units: Units
    proxies: Proxies
    medications: Mapping[str, Medication]
    literal: frozenset[str | None] = field(init=False)
    latest: datetime = field(init=False)

    def __post_init__(self) -> None:
        """What is asked of every record is worked out once."""
        literal = frozenset(key for key in self.patient if key.startswith(("Patient/", "urn:")))
        object.__setattr__(self, "literal", literal)
        object.__setattr__(self, "latest", self.as_of + CLOCK_TOLERANCE)

    def past(self, moment: datetime) -> datetime:
        """The moment, if it is not in the future; raises Unreadable otherwise."""
        if moment > self.latest:
            raise Unreadable(f"time {moment.isoformat()} is in the future of {self.as_of.isoformat()}")
        return moment

    def question(self, code: CodeableConcept | None) -> str | None:
        """What an Observation.code asks. Raises Unreadable when two codings mean different things."""
        one = only(code)
        if one is not None:
            return self.codes.observation(one.system, one.code)
        return self._one({self.codes.observation(c.system, c.code) for c in codings(code)})

    def answer(self, question: str, value: CodeableConcept) -> str | None:
        """What an answer means under its question. Raises Unreadable when two codings differ."""
        one = only(value)
        if one is not None:
            return self.codes.answer(question, one.system, one.code)
        return self._one({self.codes.answer(question, c.system, c.code) for c in codings(value)})

    def condition(self, code: CodeableConcept | None) -> str | None:
        """What a Condition.code means. Raises Unreadable when two codings differ."""
        return self._one({self.codes.condition(c.system, c.code) for c in codings(code)})

    def procedure(self, code: CodeableConcept | None) -> str | None:
        """What a Procedure.code means. Raises Unreadable when two codings differ."""
        return self._one({self.codes.procedure(c.system, c.code) for c in codings(code)})

    def asked(self, code: CodeableConcept | None) -> tuple[str, str] | None:
        """The concept that a site's map gives a code by less than equivalence, and why it is not read."""
        for c in codings(code):
            prompt = self.codes.prompts.get((self.codes.canonical(c.system), c.code or ""))
            if prompt is not None:
                concept, relation = prompt
                words = f"{c.system}|{c.code} is mapped to {concept} as {relation!r} only: refused, equal or equivalent is read"
                return concept, words
        return None

    @staticmethod
    def _one(meanings: set[str | None]) -> str | None:
        known = sorted(m for m in meanings if m is not None)
        if len(known) > 1:
            raise Unreadable(f"its codes mean different things: {', '.join(known)}")
        return known[0] if known else None


def only(code: CodeableConcept | None) -> Coding | None:
    """The coding of a concept that has just one, as most have."""
    given = None if code is None else code.coding
    return given[0] if given is not None and len(given) == 1 else None


def codings(code: CodeableConcept | None) -> tuple[Coding, ...]:
    """The codings of a concept; none when there is no concept."""
    return () if code is None else code.codings()


def shown(code: CodeableConcept | None) -> str:
    """A code for a message: its text or display and its codings, cut short."""
    if code is None:
        return "no code"
    pairs = [f"{c.system}|{c.code}" for c in code.codings()]
    text = code.text or next((c.display for c in code.codings() if c.display), None)
    return "; ".join(part for part in (text, ", ".join(pairs)) if part)[:200] or "an empty code"
