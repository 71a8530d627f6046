"""The commands as a user types them: exit codes, one clear line for what went wrong."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from cds_hooks.settings import is_loopback

START = "from cds_hooks.cli import main; main()"
EXAMPLE = "case-2-day-4-printed"
ROOT = Path(__file__).parents[2]


def environment(**changes: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ICANS_")}
    return kept | {"PYTHONPATH": str(ROOT)} | changes


def command(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", START, *arguments],
        cwd=folder,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of a service started from the command line, on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("served")
    process = subprocess.Popen(
        [sys.executable, "-c", START, "serve", "--port", str(port)],
        cwd=folder,
        env=environment(),
        stderr=subprocess.DEVNULL,
    )
    base = f"http://127.0.0.1:{port}"
    try:
        _wait_for(base)
        yield base
    finally:
        process.terminate()
        process.wait(timeout=10)


def _wait_for(base: str) -> None:
    for _ in range(150):
        try:
            requests.get(f"{base}/healthz", timeout=30)  # it warms before it takes connections
        except requests.ConnectionError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"{base} did not start")


def test_no_command_shows_help(tmp_path: Path) -> None:
    shown = command(tmp_path)
    assert shown.returncode == 2
    assert "serve" in shown.stdout + shown.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("evaluate",),
        ("evaluate", "x.json", "--format", "xml"),
        ("serve", "--port", "99999"),
        ("unknown",),
        ("try",),
    ],
)
def test_wrong_usage_is_2(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert command(tmp_path, *arguments).returncode == 2


def test_a_bad_setting_is_2_and_names_it(tmp_path: Path) -> None:
    told = command(tmp_path, "serve", ICANS_TIMEZONE="Mars/Base")
    assert told.returncode == 2
    assert told.stderr == (
        "icans-cds: ICANS_TIMEZONE=Mars/Base: expected an IANA time zone name, such as Europe/London\n"
    )


def test_a_busy_port_is_one_line(served: str, tmp_path: Path) -> None:
    port = served.rpartition(":")[2]
    told = command(tmp_path, "serve", "--port", port)
    assert told.returncode == 1
    assert told.stderr == f"icans-cds: Port {port} on 127.0.0.1 is in use: choose another with --port.\n"


def test_a_database_that_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    told = command(tmp_path, "serve", "--port", "0", ICANS_DATABASE_URL="sqlite:////no/such/folder/a.db")
    assert told.returncode == 1
    assert told.stderr.count("\n") == 1
    assert "/no/such/folder/a.db" in told.stderr


def test_try_prints_the_request_alone(tmp_path: Path) -> None:
    printed = command(tmp_path, "try", EXAMPLE, "--print")
    assert printed.returncode == 0
    assert json.loads(printed.stdout)["hook"] == "order-sign"


def test_try_shows_the_cards(served: str, tmp_path: Path) -> None:
    shown = command(tmp_path, "try", EXAMPLE, "--url", f"{served}/cds-services/icans-order-sign")
    assert shown.returncode == 0
    assert "grade" in shown.stdout


def test_try_says_when_there_is_no_such_example_or_service(tmp_path: Path) -> None:
    assert command(tmp_path, "try", "no-such-case", "--print").returncode == 2
    told = command(tmp_path, "try", EXAMPLE, "--url", "http://127.0.0.1:9/cds-services/icans-order-sign")
    assert told.returncode == 1
    assert "Is the service running?" in told.stderr


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.1.2.3", True), ("::1", True), ("localhost", True),
     ("0.0.0.0", False), ("::", False), ("10.0.0.1", False), ("ehr.example.org", False)],
)  # fmt: skip
def test_what_counts_as_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
