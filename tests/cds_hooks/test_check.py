"""`icans-cds check`: each kind of problem is named with its path and an example; exit codes."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from cds_hooks import check_command
from rules.checking import check_protocol

SHIPPED = json.loads((Path(__file__).parents[2] / "rules/knowledge/default-protocol.json").read_text("utf-8"))
EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def protocol() -> dict[str, Any]:
    return copy.deepcopy(SHIPPED)


def row(protocol: dict[str, Any], identity: str) -> dict[str, Any]:
    found: dict[str, Any] = next(r for r in protocol["rows"] if r["id"] == identity)
    return found


def said(protocol: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    path = tmp_path / "site.json"
    path.write_text(json.dumps(protocol), encoding="utf-8")
    assert check_command.run([str(path)], None) == 1
    return capsys.readouterr().out


def test_what_ships_is_complete(capsys: pytest.CaptureFixture[str]) -> None:
    assert check_command.run([], None) == 0
    assert "default-protocol.json is complete: " in capsys.readouterr().out


def test_a_gap_is_shown_as_a_fact_combination(protocol: dict[str, Any], tmp_path: Path, capsys: Any) -> None:
    row(protocol, "steroid-low")["when"]["icans_grade"] = ["indeterminate", 0]
    text = said(protocol, tmp_path, capsys)
    assert "$.rows: gap: topic corticosteroid: a row was expected, found none for icans_grade=1\n" in text
    assert "    for example: icans_grade=1\n" in text


def test_a_conflict_names_both_rows_and_an_example(protocol: dict[str, Any], tmp_path: Path, capsys: Any) -> None:
    row(protocol, "steroid-low")["when"]["icans_grade"] = ["indeterminate", 0, 1, 2]
    text = said(protocol, tmp_path, capsys)
    assert "conflict: one row was expected, found steroid-low and steroid-child both for icans_grade=2" in text
    assert "    for example: icans_grade=2, " in text


def test_a_dead_row_is_named(protocol: dict[str, Any], tmp_path: Path, capsys: Any) -> None:
    dead = {**row(protocol, "work-up-none"), "id": "dead"}
    dead["when"] = {"icans_grade": [0], "grade_basis": ["proxy"]}
    protocol["rows"].append(dead)
    text = said(protocol, tmp_path, capsys)
    assert "dead row: a row that can hold was expected, found dead: icans_grade=0, grade_basis=proxy" in text


def test_an_unknown_fact_has_a_hint(protocol: dict[str, Any], tmp_path: Path, capsys: Any) -> None:
    when = row(protocol, "steroid-grade-3")["when"]
    when["icans_grad"] = when.pop("icans_grade")
    text = said(protocol, tmp_path, capsys)
    assert ".when.icans_grad: unknown fact 'icans_grad'" in text
    assert "did you mean 'icans_grade'?" in text


def test_a_boolean_where_a_grade_belongs(protocol: dict[str, Any], tmp_path: Path, capsys: Any) -> None:
    row(protocol, "steroid-grade-3")["when"]["icans_grade"] = [True]
    text = said(protocol, tmp_path, capsys)
    assert ".when.icans_grade[0]: one of ['indeterminate', 0, 1, 2, 3, 4] was expected, found True (bool)" in text


def test_a_missing_citation(protocol: dict[str, Any], tmp_path: Path, capsys: Any) -> None:
    del row(protocol, "steroid-grade-3")["cites"]
    row(protocol, "steroid-grade-4")["cites"] = [{"ref": "nobody-2020", "at": "page 1"}]
    text = said(protocol, tmp_path, capsys)
    assert "'cites' is a required property" in text
    assert "cites[0].ref: a bibliography id was expected, found 'nobody-2020'" in text


def test_every_problem_is_reported_not_only_the_first(protocol: dict[str, Any], tmp_path: Path, capsys: Any) -> None:
    row(protocol, "steroid-grade-3")["topic"] = "steroids"
    row(protocol, "steroid-grade-2")["advise"]["therapies"][0]["dosing"] = "dexamethasone-by-the-bucket"
    row(protocol, "steroid-grade-4")["advise"]["summary"] = "{grad}: give"
    text = said(protocol, tmp_path, capsys)
    assert "found 'steroids'" in text
    assert "found 'dexamethasone-by-the-bucket'" in text
    assert "unknown placeholder {grad}" in text


def test_json_that_is_none_and_a_key_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for content, expected in (("{", "valid JSON"), ('{"id": 1, "id": 2}', "each key once"), ("[]", "a JSON object")):
        path = tmp_path / "bad.json"
        path.write_text(content, encoding="utf-8")
        assert check_command.run([str(path)], None) == 1
        assert expected in capsys.readouterr().err


def test_a_path_that_cannot_be_opened_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert check_command.run(["nowhere.json"], None) == 2
    assert "a readable file" in capsys.readouterr().err


def test_the_status_is_said(protocol: dict[str, Any], tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "draft.json"
    path.write_text(json.dumps({**protocol, "status": "draft"}), encoding="utf-8")
    assert check_command.run([str(path)], None) == 0
    assert "status is draft: the service does not load it" in capsys.readouterr().out


def test_the_example_site_and_its_vignettes(capsys: pytest.CaptureFixture[str]) -> None:
    site, vignettes = str(EXAMPLES / "site-protocol.json"), str(EXAMPLES / "site-vignettes.csv")
    assert check_command.run([site], vignettes) == 0
    assert "6 vignettes pass" in capsys.readouterr().out
    assert check_protocol(Path(site)).problems == ()


def test_a_vignette_that_fails_names_line_expected_and_found(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "v.csv"
    path.write_text("vignette,ice,expect_at_least,expect_rows\nICE 5,5,3,steroid-grade-3\n", encoding="utf-8")
    assert check_command.run([], str(path)) == 1
    text = capsys.readouterr().out
    assert "line 2: ICE 5: expected at_least 3, found 2" in text
    assert "expected row steroid-grade-3" in text


@pytest.mark.parametrize(
    ("header", "line", "expected"),
    [("vignette,icee", "x,5", "column 'icee'"), ("vignette,age", "x,old", "age 'old'"), ("vignette,exposure", "x,y", "exposure 'y'")],
)
def test_a_vignette_that_cannot_be_read(header: str, line: str, expected: str, tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "v.csv"
    path.write_text(f"{header}\n{line}\n", encoding="utf-8")
    assert check_command.run([], str(path)) == 1
    assert expected in capsys.readouterr().out
