"""Servers to measure and the load on them: wrk on one core, one server process on another."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PATH = "/cds-services/icans-order-sign"
MOST_A_SECOND = 1500  # requests that a server with client tokens could answer


@dataclass(frozen=True)
class Target:
    """What is measured: a module with an `app`, the Python that runs it, and its settings.

    `tokens` writes a file of new bearer tokens, one a line and request (client tokens are for one use).
    """

    name: str
    module: str
    environment: Mapping[str, str] = field(default_factory=dict)
    python: str = sys.executable
    path: str = PATH
    tokens: Callable[[int], Path] | None = None


@dataclass(frozen=True)
class Measured:
    """One run: latencies in milliseconds, CPU of the server process a request in milliseconds."""

    p50: float
    p99: float
    per_second: float
    cpu: float
    errors: int


@dataclass(frozen=True)
class Server:
    target: Target
    port: int
    pid: int

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_mb(self) -> float:
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextmanager
def serving(target: Target, folder: Path) -> Iterator[Server]:
    """uvicorn with the same options for every target. Raises RuntimeError if it does not start."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["--app-dir", str(HERE), "--port", str(port), "--no-access-log", "--log-level", "warning", "--loop", "uvloop", "--http", "httptools"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ICANS_")}
    with (folder / f"{target.name.replace(' ', '-')}.log").open("w") as log:
        process = subprocess.Popen(
            [*_on_core(0), target.python, "-m", "uvicorn", *options, f"{target.module}:app"],
            cwd=folder,
            env=kept | {"PYTHONPATH": str(ROOT) if target.python == sys.executable else ""} | dict(target.environment),
            stdout=log,
            stderr=log,
        )
    try:
        _wait(port, process, log.name)
        yield Server(target, port, process.pid)
    finally:
        process.terminate()
        process.wait(timeout=30)


def measure(server: Server, body: Path, connections: int, seconds: float) -> Measured:
    """Hold `connections` open and post as fast as they are answered."""
    environment = {**os.environ, "BENCH_BODY": str(body)}
    if server.target.tokens is not None:
        environment["BENCH_TOKENS"] = str(server.target.tokens(round(seconds * MOST_A_SECOND)))
    before = server.cpu_seconds()
    url = f"http://127.0.0.1:{server.port}{server.target.path}"
    command = [*_on_core(1), "wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "30s", "-s", str(HERE / "post.lua"), url]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=seconds + 120).stdout
    cpu = server.cpu_seconds() - before
    line = next(line for line in said.splitlines() if line.startswith("RESULT"))
    requests, microseconds, errors, p50, p99 = (float(part) for part in line.split()[1:])
    requests = max(requests, 1.0)
    return Measured(p50 / 1000, p99 / 1000, requests / (microseconds / 1e6), cpu * 1000 / requests, int(errors))


def _on_core(core: int) -> list[str]:
    if shutil.which("taskset") is None or core not in os.sched_getaffinity(0):
        return []
    return ["taskset", "-c", str(core)]


def _wait(port: int, process: subprocess.Popen[bytes], log: str) -> None:
    for _ in range(300):
        if process.poll() is not None:
            break
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"the server did not start: {Path(log).read_text()[-2000:]}")


def exposed(server: Server) -> str:
    """What /metrics says."""
    with urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=10) as answer:
        return str(answer.read().decode())
