"""The timeline draws what the decisions say; evaluate walks the chart's own times."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from charts import NOW, ago, bundle, domain, encoded, infusion, patient, score
from typer.testing import CliRunner

from cds_hooks import evaluating, timeline_command
from cds_hooks.cli import app
from fhir_mappers.site import ANYWHERE
from rules import load_knowledge

ROOT = Path(__file__).parents[2]
KNOWLEDGE = load_knowledge()
COURSE = bundle(
    patient(50),
    infusion(ago(days=3)),
    score("ice-score", 10, ago(hours=30), id="a"),
    score("ice-score", 8, ago(hours=20), id="b"),
    domain("consciousness", "loc-alert", ago(hours=20), id="c"),
    score("ice-score", 2, ago(hours=4), id="d"),
    score("ice-score", 9, (NOW + timedelta(hours=1)).isoformat(), id="later"),
)


def test_the_curve_is_the_grade_as_it_stood() -> None:
    case = evaluating.case_of(encoded(COURSE), None)
    points = evaluating.curve(case, KNOWLEDGE)
    assert [(p.as_of, p.record["grading"]["at_least"]) for p in points] == [
        (NOW - timedelta(hours=30), 0),
        (NOW - timedelta(hours=20), 1),
        (NOW - timedelta(hours=4), 3),
    ]
    assert all(not p.record["issues"] for p in points), "what was charted later is not an issue, it is not there yet"


def test_evaluate_walks(tmp_path: Path) -> None:
    (tmp_path / "chart.json").write_bytes(encoded(COURSE))
    arguments = ["evaluate", str(tmp_path / "chart.json"), "--at", "every-assessment", "--format"]
    found = json.loads(CliRunner().invoke(app, [*arguments, "json"]).stdout)
    assert [one["at_least"] for one in found["curve"]] == [0, 1, 3]
    assert found["curve"][2]["determining"] == ["ice"]
    text = CliRunner().invoke(app, [*arguments, "text"]).stdout
    for said in ("At each assessment", "at least grade 3", "holds the grade", "4 h", "Observation/later"):
        assert said in text
    plain = json.loads(CliRunner().invoke(app, ["evaluate", str(tmp_path / "chart.json"), "--format", "json"]).stdout)
    assert "curve" not in plain
    assert plain == {key: value for key, value in found.items() if key != "curve"}


@pytest.mark.parametrize("name", ["case-1-cycle-3-day-1", "case-2-day-4-printed"])
def test_the_published_pictures_are_what_the_code_draws(name: str, tmp_path: Path) -> None:
    assert timeline_command.run(str(ROOT / "examples" / f"{name}.json"), tmp_path / "a.svg", None, KNOWLEDGE, ANYWHERE) == 0
    drawn = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert words(drawn) == words((ROOT / "docs" / "pictures" / f"{name}.svg").read_text(encoding="utf-8"))
    for said in ("ICANS grade", "not assessed", "blinatumomab", "consciousness", "raised-icp", "critical"):
        assert said in words(drawn)


def words(svg: str) -> list[str]:
    """The texts of a picture in their order: another version of the renderer may move a path by a hair."""
    return re.findall(r"<text[^>]*>([^<]+)</text>", svg)


def test_a_png_is_a_png_and_another_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "chart.json").write_bytes(encoded(COURSE))
    runner = CliRunner()
    assert runner.invoke(app, ["timeline", str(tmp_path / "chart.json"), "-o", str(tmp_path / "c.png")]).exit_code == 0
    assert (tmp_path / "c.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert runner.invoke(app, ["timeline", str(tmp_path / "chart.json"), "-o", str(tmp_path / "c.pdf")]).exit_code == 2
    assert runner.invoke(app, ["timeline", str(tmp_path / "none.json"), "-o", str(tmp_path / "c.png")]).exit_code == 2
    (tmp_path / "bad.json").write_text("{}", encoding="utf-8")
    assert runner.invoke(app, ["timeline", str(tmp_path / "bad.json"), "-o", str(tmp_path / "c.png")]).exit_code == 1


def test_a_chart_without_anything_is_drawn(tmp_path: Path) -> None:
    (tmp_path / "empty.json").write_bytes(encoded(bundle(patient(50))))
    assert timeline_command.run(str(tmp_path / "empty.json"), tmp_path / "e.svg", None, KNOWLEDGE, ANYWHERE) == 0
    assert "ice" in words((tmp_path / "e.svg").read_text(encoding="utf-8"))
