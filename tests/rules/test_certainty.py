"""What nobody verified is absent, or says so: in the document, and on the card."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from snapshots import KNOWLEDGE

KNOWLEDGE_FILES = sorted((Path(__file__).parents[2] / "rules" / "knowledge").glob("*.json"))
UNVERIFIED = ("general knowledge", "not read", "not verified", "no validated mapping")
LOW_CONFIDENCE_PRODUCTS = ("glofitamab", "mosunetuzumab")
"""Their label actions are marked "do not encode" in the clinical basis."""


@pytest.mark.parametrize("path", [p for p in KNOWLEDGE_FILES if p.stem in ("default-protocol", "asco-2021", "dosing")], ids=lambda p: p.stem)
def test_no_action_of_low_confidence_is_encoded(path: Path) -> None:
    text = path.read_text(encoding="utf-8").lower()
    assert not [name for name in LOW_CONFIDENCE_PRODUCTS if name in text]
    assert "anakinra" not in text, "dose from general knowledge of moderate confidence: words and doses are absent"


def test_no_dose_for_children_is_encoded() -> None:
    doses = json.loads((KNOWLEDGE_FILES[0].parent / "dosing.json").read_text(encoding="utf-8"))["doses"]
    assert not [row["id"] for row in doses if "mg/kg" in row.get("text", "")]


def test_a_dose_from_general_knowledge_is_never_recommended() -> None:
    doses = {dose.id: dose for by_band in KNOWLEDGE.dosing.doses.values() for dose in by_band.values() if dose.certainty}
    assert doses, "some doses that ship were not verified, and say so"
    for dose in doses.values():
        assert any(word in (dose.certainty or "") for word in UNVERIFIED), dose.id
        assert dose.note or not dose.may_recommend, dose.id


def test_every_row_says_how_certain_it_is() -> None:
    for protocol in KNOWLEDGE.protocols:
        for row in protocol.rows:
            assert row.certainty.strip(), row.id
            assert row.cites, row.id
            general = any("general knowledge" in text for text in row.do)
            assert not general or any(word in row.certainty for word in UNVERIFIED), row.id


def test_sedation_windows_and_proxies_say_that_they_are_estimates() -> None:
    windows = json.loads((KNOWLEDGE_FILES[0].parent / "windows.json").read_text(encoding="utf-8"))["windows"]
    for entry in windows["sedation"]:
        assert "pharmacist has to set it" in entry["certainty"], entry
    proxies = json.loads((KNOWLEDGE_FILES[0].parent / "proxies.json").read_text(encoding="utf-8"))
    assert "no validated mapping" in proxies["certainty"]
