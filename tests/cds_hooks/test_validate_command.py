"""The contract of `icans-cds validate`: one line a file, sorted; exit codes 0, 1, 2; text for people."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cds_hooks.validate_command import run
from fhir_mappers.validation import validate_resource

GOOD = json.dumps({"resourceType": "Observation", "status": "final", "code": {"text": "x"}})
BAD = GOOD.replace("final", "banana")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "good.json").write_text(GOOD)
    (tmp_path / "a.ndjson").write_text(f"{GOOD}\n\n{BAD}\n")
    (tmp_path / "c.json").write_bytes(b"\xff{")
    (tmp_path / "notes.txt").write_text("not looked at")
    return tmp_path


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("jobs", [1, 2])
def test_json_is_one_line_a_file_in_order(
    folder: Path, capsys: pytest.CaptureFixture[str], jobs: int
) -> None:
    assert run([folder], "json", jobs) == 1
    said = lines(capsys.readouterr().out)
    assert [Path(s["file"]).name for s in said] == ["a.ndjson", "good.json", "c.json"]
    assert [s["valid"] for s in said] == [False, True, False]
    for line in said:
        assert line.keys() == {"file", "valid", "outcome"}
        assert validate_resource(line["outcome"]).issues == ()
        failed = any(i["severity"] in ("error", "fatal") for i in line["outcome"]["issue"])
        assert line["valid"] is not failed
    assert said[0]["outcome"]["issue"][0]["location"] == ["line 3"]


def test_exit_0_when_all_is_valid_and_files_given_twice_count_once(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([folder / "b", folder / "b" / "good.json"], "json") == 0
    assert len(lines(capsys.readouterr().out)) == 1


def test_exit_2_for_a_path_that_cannot_be_opened_and_the_rest_is_done(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([folder / "none.json", folder / "b"], "json") == 2
    said = capsys.readouterr()
    assert len(lines(said.out)) == 1
    assert "none.json: no such file" in said.err


def test_exit_2_for_wrong_usage(folder: Path) -> None:
    assert run([], "json") == 2
    assert run([folder], "json", 0) == 2
    assert run([folder], "xml", 1) == 2  # type: ignore[arg-type]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_has_its_line_and_exit_2(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "c.json").chmod(0)
    assert run([folder], "json") == 2
    assert [s["valid"] for s in lines(capsys.readouterr().out)] == [False, True, False]


def test_an_empty_folder_is_clean_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([tmp_path], "json") == 0
    assert "no *.json" in capsys.readouterr().err


def test_links_out_of_the_folder_are_left_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inner = folder / "b"
    (inner / "out.json").symlink_to(folder / "c.json")
    (inner / "in.json").symlink_to(inner / "good.json")
    assert run([inner], "json") == 0
    assert [Path(s["file"]).name for s in lines(capsys.readouterr().out)] == ["good.json", "in.json"]


def test_text_is_grouped_by_file_with_counts(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([folder], "text") == 1
    out = capsys.readouterr().out
    assert "a.ndjson: INVALID (2 resources, 1 error)" in out
    assert "line 3 Observation.status: 'banana' is not in the required value set observation-status" in out
    assert out.splitlines()[-1] == "3 files: 1 valid, 2 invalid; 4 resources, 1 fatal, 1 error"


def test_text_shows_no_control_characters_of_the_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    resource = json.loads(GOOD) | {"status": "\x1b[31mred[/bold]", "\x1b]0;x\x07": 1, "\ud800": 1}
    (tmp_path / "a.json").write_text(json.dumps(resource))
    assert run([tmp_path], "text") == 1
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "[/bold]" in out


@pytest.mark.parametrize(("data", "exit_code"), [(GOOD, 0), (f"{GOOD}\n{BAD}\n", 1), ("", 1)])
def test_standard_input(
    data: str, exit_code: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data.encode())))
    assert run(["-"], "json") == exit_code
    (said,) = lines(capsys.readouterr().out)
    assert said["file"] == "-"


def test_a_reader_that_goes_away_makes_no_noise(tmp_path: Path) -> None:
    for i in range(300):
        (tmp_path / f"{i}.json").write_text(GOOD)
    code = "import sys; from cds_hooks.validate_command import run; sys.exit(run([sys.argv[1]], 'json'))"
    command = f"'{sys.executable}' -c \"{code}\" '{tmp_path}' | head -n 1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True, cwd=ROOT)
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""
