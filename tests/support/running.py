"""The service as a process of its own, its log kept; and a client that writes bytes on a socket."""

from __future__ import annotations

import contextlib
import http.client
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Running:
    """A service that listens on loopback."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def logged(self) -> bytes:
        return self.log.read_bytes()

    def healthy(self) -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        return False

    def peak_mb(self) -> float:
        """The most memory it ever held."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


@contextlib.contextmanager
def running(folder: Path, **settings: str) -> Iterator[Running]:
    """`icans-cds serve` with these settings, stopped in the end."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ICANS_")}
    environment |= {"ICANS_DATABASE_URL": f"sqlite:///{folder / 'fuzz.db'}"} | {f"ICANS_{k.upper()}": v for k, v in settings.items()}
    log = folder / "log"
    program = [sys.executable, "-c", "from cds_hooks.cli import main; main()", "serve", "--port", str(port)]
    with log.open("wb") as kept:
        process = subprocess.Popen(program, stdout=kept, stderr=kept, env=environment, cwd=Path(__file__).parents[2])
    service = Running(port, process, log)
    try:
        deadline = time.monotonic() + 30
        while not service.healthy():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, "the service does not start"
            time.sleep(0.1)
        yield service
    finally:
        process.terminate()
        process.wait(20)


def exchange(port: int, raw: bytes, timeout: float, patience: float | None = None) -> bytes:
    """All that comes back for these bytes until the service hangs up. Raises TimeoutError.

    `patience`: seconds of silence after which the client ends its side of the connection.
    """
    found = bytearray()
    deadline = time.monotonic() + timeout
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
        with contextlib.suppress(ConnectionError):  # refused before all was written: the answer is there to be read
            connection.sendall(raw)
        with contextlib.suppress(ConnectionError):
            while True:
                if patience is not None and not select.select([connection], [], [], patience)[0]:
                    connection.shutdown(socket.SHUT_WR)
                    patience = None
                chunk = connection.recv(1 << 16)
                if not chunk:
                    break
                found += chunk
                connection.settimeout(max(0.01, deadline - time.monotonic()))
    return bytes(found)
