"""Commands that take a chart read gzip like plain files, and refuse a damaged one whole."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cds_hooks.cli import app
from cds_hooks.examples import FOLDER
from cds_hooks.files import damage, unpacked

RUN = CliRunner()
COMMANDS = [("evaluate",), ("explain",), ("map", "check"), ("timeline", "-o", "out.svg")]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_gzip_is_read_like_the_file_itself(command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    plain = (FOLDER / "case-1-cycle-3-day-1.json").read_bytes()
    said = []
    for name, content in (("a.json", plain), ("a.json.gz", gzip.compress(plain))):
        Path(name).write_bytes(content)
        done = RUN.invoke(app, [*command, name])
        assert done.exit_code == 0, done.output
        drawn = Path("out.svg").read_text(encoding="utf-8") if "out.svg" in command else ""
        said.append((done.output + drawn).replace("a.json.gz", "a.json"))
    assert len(said[0]) > 1000
    assert said[0] == said[1]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_damaged_gzip_is_wrong_usage_and_named(command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    packed = gzip.compress((FOLDER / "case-1-cycle-3-day-1.json").read_bytes())
    for content in (packed[:-9], packed[:200] + bytes(len(packed) - 200), b"", b"{}"):
        Path("a.json.gz").write_bytes(content)
        done = RUN.invoke(app, [*command, "a.json.gz"])
        assert done.exit_code == 2, done.output
        assert "a.json.gz: its gzip is damaged (" in done.output
        assert not Path("out.svg").exists()


def test_every_member_of_a_gzip_counts(tmp_path: Path) -> None:
    two = gzip.compress(b"one ") + gzip.compress(b"two")
    assert unpacked(two, "a") == b"one two"
    (tmp_path / "a.gz").write_bytes(two)
    assert damage(tmp_path / "a.gz") is None
    (tmp_path / "a.gz").write_bytes(two[:-1])
    assert damage(tmp_path / "a.gz") is not None
    assert damage(tmp_path / "none.gz") == "No such file or directory"
