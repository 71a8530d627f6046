"""The vignettes as FHIR: through a hook request and through a bundle, whichever way the chart writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from charts import (
    ANSWER,
    ITEM,
    NOW,
    TABLES,
    UCUM,
    ago,
    bundle,
    concept,
    domain,
    encoded,
    hook,
    infusion,
    observation,
    patient,
    score,
    vignette_values,
)

from cds_hooks.decide import Decision, decide
from cds_hooks.evaluating import evaluated
from cds_hooks.hook_request import parse
from cds_hooks.prefetch import gather
from rules import load_knowledge

ROWS = json.loads((Path(__file__).parents[1] / "data" / "vignettes.json").read_text(encoding="utf-8"))
IDS = [row["id"] for row in ROWS]
STATUS = {"FINAL": "final", "MIN": "minimum", "INDETERMINATE": "indeterminate"}
KNOWLEDGE = load_knowledge()
ID = UUID("00000000-0000-4000-8000-000000000001")


def resources(row: dict[str, Any]) -> list[dict[str, Any]]:
    found = [patient(row["age"], **({"deceasedDateTime": ago(minutes=5)} if row.get("death") else {}))]
    found.append(infusion(ago(days=3)))
    for name, value in vignette_values(row).items():
        if name in TABLES:
            found.append(domain(name, str(value)))
        else:
            found.append(score(f"{name}-score", value))
    if row.get("death"):
        found.append(observation("grade", concept(ITEM, "icans-grade"), {"valueInteger": 5}))
    if "remor" in row["findings"]:
        found.append(domain("tremor", "present"))
    return found


def decided(request: dict[str, Any]) -> Decision:
    call = parse(encoded(request), "order-sign")
    return decide(call, gather(call), KNOWLEDGE, as_of=NOW, decision_id=ID)


def check(report: dict[str, Any], row: dict[str, Any]) -> None:
    grading = report["grading"]
    if row.get("death"):
        assert grading["charted"]["grade"] == 5
        assert grading["at_most"] == 4
        return
    assert grading["at_least"] == row["expect"]
    assert grading["status"] == STATUS[row["status"]]
    assert grading["tool"] == row["tool"]
    assert grading["charted"] is None


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_vignette_as_hook_request(row: dict[str, Any]) -> None:
    decision = decided(hook(*resources(row)))
    check(decision.record, row)
    assert decision.record["issues"] == []
    if row.get("death"):
        assert decision.cards == []
    for card in decision.cards:
        assert len(card["summary"]) < 140
        if row["status"] == "MIN":
            assert "at least" in card["summary"].lower() or "at least" in card["detail"].lower()


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_vignette_as_bundle(row: dict[str, Any]) -> None:
    check(evaluated(encoded(bundle(*resources(row))), "vignette.json", None, KNOWLEDGE), row)


@pytest.mark.parametrize("row", [r for r in ROWS if r["tool"] == "ICE" and isinstance(r["score"], int)], ids=lambda r: r["id"])
def test_vignette_with_its_score_as_a_quantity(row: dict[str, Any]) -> None:
    found = [r for r in resources(row) if r.get("id") != "ice-score"]
    quantity = {"value": row["score"], "unit": "{score}", "system": UCUM, "code": "{score}"}
    found.append(observation("ice", concept(ITEM, "ice-score"), {"valueQuantity": quantity}))
    check(decided(hook(*found)).record, row)


def test_tremor_alone_is_never_zero() -> None:
    row = next(r for r in ROWS if r["id"] == "A37")
    decision = decided(hook(*resources(row)))
    assert decision.record["grading"]["at_least"] is None
    text = " ".join(card["summary"] + card["detail"] for card in decision.cards)
    assert "tremor" in text
    assert "does not count" in text
    assert "rade 0" not in text


def test_answer_codes_are_those_of_the_published_code_system() -> None:
    shipped = json.loads((Path(__file__).parents[2] / "fhir_mappers/terminology/codesystems.json").read_text("utf-8"))
    answers = {c["code"] for s in shipped if s["url"] == ANSWER for c in s["concept"]}
    assert {code for table in TABLES.values() for code in table.values()} <= answers
