"""Allergies on record: a diagnosis of the kind "allergy:<substance>", from the allergy list."""

from __future__ import annotations

from rules.snapshot import ClinicalSnapshot

RELATED = {"levetiracetam": frozenset({"brivaracetam"}), "brivaracetam": frozenset({"levetiracetam"})}
"""Drugs of one kind: an allergy to one speaks against the other (H35)."""


def allergy(substance: str, snapshot: ClinicalSnapshot) -> str | None:
    """"same", "related" or "none"; None when the allergy list was not given and nothing is known."""
    kinds = {d.kind.removeprefix("allergy:") for d in snapshot.diagnoses if d.active and d.kind.startswith("allergy:")}
    if substance in kinds:
        return "same"
    if kinds & RELATED.get(substance, frozenset()):
        return "related"
    return None if "allergies" in snapshot.unread else "none"
