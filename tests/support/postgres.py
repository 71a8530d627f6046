"""A PostgreSQL of our own: a temporary folder, a free port, and a user that is not root."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = "/usr/lib/postgresql"
USER = "postgres"


@dataclass(frozen=True)
class Cluster:
    """A running server, stopped and started again at will."""

    folder: Path
    port: int

    def url(self, name: str) -> str:
        return f"postgresql://icans@127.0.0.1:{self.port}/{name}"

    def create(self, name: str, template: str = "template0", tablespace: str = "pg_default") -> str:
        """A new database; its URL."""
        self.sql(f'CREATE DATABASE "{name}" TEMPLATE "{template}" TABLESPACE "{tablespace}"')
        return self.url(name)

    def sql(self, statement: str, database: str = "postgres") -> None:
        here = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "icans"]
        _run("psql", "-q", "-v", "ON_ERROR_STOP=1", *here, "-d", database, "-c", statement)

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c max_connections=200"
        _run("pg_ctl", "-D", str(self.folder / "data"), "-l", str(self.folder / "log"), "-w", "-o", options, "start")

    def stop(self, mode: str = "immediate") -> None:
        _run("pg_ctl", "-D", str(self.folder / "data"), "-m", mode, "-w", "stop")


@contextmanager
def running() -> Iterator[Cluster]:
    """A server while the block runs; nothing of it is left behind."""
    folder = Path(tempfile.mkdtemp(prefix="icans-pg-"))
    if os.getuid() == 0:
        shutil.chown(folder, USER, USER)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    cluster = Cluster(folder, port)
    try:
        _run("initdb", "-D", str(folder / "data"), "-U", "icans", "-A", "trust", "-E", "UTF8", "--no-locale")
        cluster.start()
        yield cluster
    finally:
        if (folder / "data" / "postmaster.pid").exists():
            cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _run(program: str, *arguments: str) -> None:
    """As its own user when we are root, which PostgreSQL refuses. Raises RuntimeError with what it said."""
    as_user = {"user": USER, "group": pwd.getpwnam(USER).pw_gid, "extra_groups": []} if os.getuid() == 0 else {}
    with tempfile.TemporaryFile() as said:  # a server that stays keeps a pipe open
        done = subprocess.run(
            [_path(program), *arguments], stdout=said, stderr=said, timeout=90, check=False, cwd="/", **as_user  # type: ignore[call-overload]
        )
        if done.returncode:
            said.seek(0)
            raise RuntimeError(f"{program} failed: {said.read().decode(errors='replace')[-2000:]}")


def _path(program: str) -> str:
    installed = sorted(Path(PROGRAMS).glob(f"*/bin/{program}"), key=lambda p: int(p.parts[-3]))
    found = str(installed[-1]) if installed else shutil.which(program)
    if found is None:
        raise RuntimeError(f"{program} was not found: run sh tests/tools/ensure-debian.sh")
    return found
