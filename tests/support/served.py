"""A service in processes of its own, started from the command line on a free port."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

START = "from cds_hooks.cli import main; main()"
ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@dataclass
class Served:
    """`start` waits until it is ready; `kill` is kill -9 of every process of it."""

    folder: Path
    environment: dict[str, str]
    workers: int = 1
    front: list[str] = field(default_factory=list)  # a program that starts it
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self, path: str = "/readyz") -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ICANS_")}
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self.front, sys.executable, "-c", START, "serve", "--port", str(self.port), "--workers", str(self.workers)],
                cwd=self.folder,
                env=kept | {"PYTHONPATH": str(ROOT)} | self.environment,
                stderr=log,
                start_new_session=True,
            )
        for _ in range(300):
            try:
                if self.call(path)[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.1)
        raise AssertionError(f"the service did not start: {self.log()[-3000:]}")

    def kill(self) -> None:
        assert self.process is not None
        with suppress(ProcessLookupError):  # killed before
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=30)

    def stop(self) -> int:
        """SIGTERM to the parent; the exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(timeout=40)

    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8")

    def call(self, path: str, body: Any = None) -> tuple[int, bytes]:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            return exchange(connection, path, body)
        finally:
            connection.close()


def exchange(connection: http.client.HTTPConnection, path: str, body: Any = None) -> tuple[int, bytes]:
    sent = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    connection.request("GET" if body is None else "POST", path, sent, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    return answer.status, answer.read()
