"""`make demo`: a FHIR server with a synthetic ward, and the service beside it. Ctrl-C ends both.

Needs the program of sekmet-fhir (see Makefile) as first argument; everything it writes goes into a temporary folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import requests

from cds_hooks import examples
from cds_hooks.demo import ward


def main(sekmet: str, port: int = 8000) -> int:
    """Serve until it is stopped."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    token = secrets.token_urlsafe(16)
    with tempfile.TemporaryDirectory(prefix="icans-demo-") as folder, fhir_server(Path(sekmet), Path(folder), token) as base:
        for name in examples.names():
            load(base, token, name)
        print(f"FHIR server with {len(examples.names())} synthetic patients: {base}", flush=True)
        environment = os.environ | {
            "ICANS_DEMO": "1",
            "ICANS_DEMO_FHIR": base,
            "ICANS_DEMO_TOKEN": token,
            "ICANS_FHIR_SERVERS": base,
            "ICANS_FETCH_MS": "5000",
            "ICANS_DATABASE_URL": f"sqlite:///{folder}/demo.db",
        }
        command = [sys.executable, "-c", "from cds_hooks.cli import main; main()", "serve", "--port", str(port)]
        service = subprocess.Popen(command, env=environment)
        try:
            return service.wait()
        except KeyboardInterrupt:
            return 0
        finally:
            stop(service)


def load(base: str, token: str, name: str) -> None:
    """One chart onto the server, as a transaction."""
    answer = requests.post(base, json=ward.chart(name), headers={"authorization": f"Bearer {token}"}, timeout=60)
    if answer.status_code != 200:
        sys.exit(f"The FHIR server did not take {name} ({answer.status_code}): {answer.text[:500]}")


@contextlib.contextmanager
def fhir_server(program: Path, folder: Path, token: str) -> Iterator[str]:
    """SEKMET on a free port of this machine, its simulator off; gives its base URL."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/fhir"
    settings = {
        "host": "127.0.0.1",
        "port": port,
        "base_url": url,
        "simulator": {"enabled": False},
        "server_auth": {"types": ["bearer"], "tokens": [token]},
    }
    (folder / "settings.yaml").write_text(json.dumps(settings), encoding="utf-8")  # JSON is YAML
    with (folder / "fhir.log").open("wb") as log:
        running = subprocess.Popen(
            [program.resolve(), "serve", "-c", "settings.yaml"], cwd=folder, stdout=log, stderr=log, env=os.environ | {"HOME": str(folder)}
        )
    try:
        deadline = time.monotonic() + 60
        while not _answers(f"{url}/metadata"):
            if running.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"The FHIR server did not start: {(folder / 'fhir.log').read_text(errors='replace')[-1000:]}")
            time.sleep(0.2)
        yield url
    finally:
        stop(running)


def _answers(url: str) -> bool:
    with contextlib.suppress(requests.RequestException):
        return requests.get(url, timeout=5).status_code in (200, 401)
    return False


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(20)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(os.environ.get("PORT", "8000"))))
