"""What a bundle is fit for: which domains it can grade, which codes nobody knows, what cannot be used.

Information, never an error: a valid chart of another patient group is as valid as ours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

from fhir_mappers.codes import load_terminology
from fhir_mappers.reading import Given, read, unwrap
from fhir_mappers.snapshot import snapshot_from
from fhir_mappers.validation.issues import Issue
from fhir_mappers.views import Observation, Patient
from rules import Domain, Knowledge, load_knowledge
from rules.snapshot import NEUROTOXICITY

MOST_CODES = 10
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_ALWAYS_PAST = datetime(9999, 1, 1, tzinfo=UTC)
"""Validation reads no clock: a time in the future is the business of grading."""


@lru_cache(maxsize=1)
def _knowledge() -> Knowledge:
    return load_knowledge()


def fitness_for_grading(document: Mapping[str, Any]) -> Iterator[Issue]:
    """Information on a Bundle with one patient; nothing on any other document."""
    if document.get("resourceType") != "Bundle":
        return
    try:
        content = _ENCODER.encode(document)
    except UnicodeEncodeError:  # a lone surrogate: named by the raw layer
        return
    given = unwrap(content, "Bundle").given
    patients = {r.view.id or r.full_url or "" for r in read(given)[0] if isinstance(r.view, Patient)}
    if len(patients) != 1:
        yield _information(f"Grading needs one Patient in the Bundle; it holds {len(patients)}.")
        return
    reading = snapshot_from(given, patients.pop(), _ALWAYS_PAST, _knowledge().proxies)
    graded = {finding.domain for finding in reading.snapshot.findings}
    can = [d.value for d in NEUROTOXICITY if d in graded]
    cannot = [d.value for d in NEUROTOXICITY if d not in graded and d is not Domain.CAPD]
    yield _information(f"Can be graded: {', '.join(can) or 'no domain'}. Without a finding: {', '.join(cannot) or 'none'}.")
    yield from _unmapped(given)
    for issue in reading.issues:
        yield _information(f"Not usable for grading: {issue.evidence}: {issue.problem}")


def _unmapped(given: list[Given]) -> Iterator[Issue]:
    """The Observation codes that no value set knows, most frequent first."""
    codes = load_terminology()
    unknown: Counter[str] = Counter()
    for record in read(given)[0]:
        if isinstance(record.view, Observation) and record.view.code is not None:
            codings = record.view.code.codings()
            if not any(codes.observation(c.system, c.code) for c in codings):
                unknown.update([f"{c.system}|{c.code}" for c in codings[:1]] or [record.view.code.text or "no code"])
    if unknown:
        shown = ", ".join(f"{code} ({count})" for code, count in unknown.most_common(MOST_CODES))
        more = f" and {len(unknown) - MOST_CODES} more" if len(unknown) > MOST_CODES else ""
        yield _information(f"Observation codes that no value set knows: {shown}{more}.")


def _information(text: str) -> Issue:
    return Issue("information", "informational", "Bundle", text[:1000])
