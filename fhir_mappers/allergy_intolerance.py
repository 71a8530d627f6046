"""One AllergyIntolerance: a drug that must not be suggested."""

from __future__ import annotations

from fhir_mappers.chart import Chart, codings, shown
from fhir_mappers.issues import MappingIssue
from fhir_mappers.views import AllergyIntolerance
from rules.snapshot import Diagnosis

_DROPPED = frozenset({"refuted", "entered-in-error"})
_PAST = frozenset({"inactive", "resolved"})
PREFIX = "allergy:"


def mapped(allergy: AllergyIntolerance, evidence: str, chart: Chart) -> list[Diagnosis | MappingIssue]:
    """The substances of an allergy; nothing when it is refuted, resolved, or about something else.

    A text that names a drug we know, without a code that does, is an issue that withholds the suggestion.
    """
    if _code(allergy, "verificationStatus") in _DROPPED or _code(allergy, "clinicalStatus") in _PAST:
        return []
    known = {
        substance.name
        for c in codings(allergy.code)
        if (substance := chart.codes.substance(c.system, c.code)) is not None
    }
    if known:
        return [Diagnosis(f"{PREFIX}{name}", None, evidence) for name in sorted(known)]
    words = shown(allergy.code)
    named = chart.codes.substance_named_in(words)
    if named is None:
        return []
    return [MappingIssue(evidence, f"allergy without a code that is known: {words}", named=named)]


def _code(allergy: AllergyIntolerance, element: str) -> str | None:
    return next((c.code for c in codings(getattr(allergy, element)) if c.code), None)
