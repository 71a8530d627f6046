"""The database full, read-only or gone while the service runs: 503 with the reason, nothing lost, no restart needed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import postgres
import pytest
from served import Served
from sqlalchemy import event

from cds_hooks import examples
from cds_hooks.store import Store, StoreUnavailable
from cds_hooks.store.reading import found
from cds_hooks.store.verifying import verify

HOOK = "/cds-services/icans-order-sign"


def can_mount() -> bool:
    """A disk of our own to fill needs the right to mount."""
    with tempfile.TemporaryDirectory() as folder:
        if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], capture_output=True, check=False).returncode:
            return False
        subprocess.run(["umount", folder], check=True)
    return True


class Client:
    """Calls the service and keeps what it acknowledged."""

    def __init__(self, service: Served) -> None:
        self.service = service
        self.call = json.dumps(examples.shifted("case-2-day-4-printed")).encode()
        self.cards: list[str] = []
        self.told = 0

    def works(self) -> None:
        status, body = self.service.call(HOOK, self.call)
        assert status == 200, body
        self.cards.append(json.loads(body)["cards"][0]["uuid"])
        assert self.feedback()[0] == 200
        assert self.service.call("/readyz")[0] == 200

    def refused(self, why: str) -> None:
        """Every path that writes answers 503 with the reason; the process is alive."""
        for status, body in (self.service.call(HOOK, self.call), self.feedback(), self.service.call("/readyz")):
            assert status == 503
            (issue,) = json.loads(body)["issue"]
            assert issue["code"] == "no-store"
            assert why in issue["diagnostics"]
        assert self.service.call("/healthz")[0] == 200

    def works_until_refused(self, why: str, most: int = 2_000) -> None:
        for _ in range(most):
            status, body = self.service.call(HOOK, self.call)
            if status != 200:
                assert status == 503
                assert why in body.decode()
                return
            self.cards.append(json.loads(body)["cards"][0]["uuid"])
        raise AssertionError("the database took everything")

    def feedback(self) -> tuple[int, bytes]:
        at = f"2026-11-22T21:00:00.{self.told:06}Z"
        item = {"card": self.cards[-1], "outcome": "overridden", "outcomeTimestamp": at}
        answer = self.service.call(f"{HOOK}/feedback", {"feedback": [item]})
        self.told += answer[0] == 200
        return answer

    def nothing_is_lost(self, url: str) -> None:
        store = Store(url)
        assert [card for card in self.cards if not found(store.engine, card)] == []
        assert len({row["item"]["outcomeTimestamp"] for row in store.feedback()}) == self.told
        assert verify(store.engine).problems == []
        store.close()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Any]:
    """Start a service on a database, with or without a program in front that takes rights away."""
    started: list[Served] = []

    def start(url: str, path: str = "/readyz", **more: Any) -> Client:
        service = Served(tmp_path, {"ICANS_DATABASE_URL": url, "ICANS_PATIENT_REFERENCE": "plain"}, **more)
        started.append(service)
        service.start(path)
        return Client(service)

    yield start
    for service in started:
        service.kill()


@pytest.fixture
def own_cluster() -> Iterator[postgres.Cluster]:
    with postgres.running() as cluster:
        yield cluster


def new_database(cluster: postgres.Cluster, **more: str) -> str:
    from cds_hooks.store.engine import opened

    url = cluster.create("records", **more)
    opened(url, upgrade=True).dispose()
    return url


def test_postgresql_gone_and_back(own_cluster: postgres.Cluster, serve: Any) -> None:
    url = new_database(own_cluster)
    client = serve(url)
    client.works()
    for mode in ("immediate", "fast"):
        own_cluster.stop(mode)
        client.refused("the database cannot be reached")
        own_cluster.start()
        client.works()
    client.nothing_is_lost(url)


def test_postgresql_read_only_and_back(own_cluster: postgres.Cluster, serve: Any) -> None:
    url = new_database(own_cluster)
    client = serve(url)
    client.works()
    _read_only(own_cluster, "on")
    client.refused("the database can only be read")
    _read_only(own_cluster, "off")
    client.works()
    client.nothing_is_lost(url)


def _read_only(cluster: postgres.Cluster, value: str) -> None:
    cluster.sql(f"ALTER SYSTEM SET default_transaction_read_only = {value}")
    cluster.sql("SELECT pg_reload_conf(), pg_sleep(0.3)")


def test_sqlite_file_gone_and_back(tmp_path: Path, serve: Any) -> None:
    file, away = tmp_path / "a.db", tmp_path / "away.db"
    client = serve(f"sqlite:///{file}")
    client.works()
    file.rename(away)
    client.refused("the database file is gone")
    away.rename(file)
    client.works()
    client.nothing_is_lost(f"sqlite:///{file}")


def test_sqlite_file_read_only_and_back(tmp_path: Path, serve: Any) -> None:
    """root obeys the permission bits once it has lost the capability to override them."""
    file = tmp_path / "a.db"
    Store(f"sqlite:///{file}").close()
    file.chmod(0o444)
    front = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"] if os.getuid() == 0 else []
    client = serve(f"sqlite:///{file}", "/healthz", front=front)
    assert client.service.call(HOOK, client.call)[0] == 503
    client.cards.append("any")
    client.refused("the database can only be read")
    client.cards.clear()
    for one in tmp_path.glob("a.db*"):  # SQLite gave the files beside it the rights of the database
        one.chmod(0o644)
    client.works()
    client.nothing_is_lost(f"sqlite:///{file}")


def test_sqlite_disk_error_and_back(tmp_path: Path, serve: Any) -> None:
    """A limit on the size of files, set and lifted while the service runs."""
    client = serve(f"sqlite:///{tmp_path / 'a.db'}")
    client.works()
    pid = str(client.service.process.pid)
    subprocess.run(["prlimit", "--pid", pid, "--fsize=65536:unlimited"], check=True)
    client.works_until_refused("the disk of the database reports an error")
    client.refused("the disk of the database")
    subprocess.run(["prlimit", "--pid", pid, "--fsize=unlimited"], check=True)
    client.works()
    client.nothing_is_lost(f"sqlite:///{tmp_path / 'a.db'}")


def test_a_full_database_is_said(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'a.db'}")
    event.listen(store.engine, "connect", lambda connection, _: connection.execute("PRAGMA max_page_count = 1"))
    store.engine.dispose()
    items = [{"card": "x" * 5_000, "outcome": "overridden", "n": n} for n in range(9)]
    with pytest.raises(StoreUnavailable, match="the disk of the database is full"):
        store.add_feedback("s", items, examples.datetime.now(examples.UTC)).result()


@pytest.mark.parametrize("database", ["sqlite", "postgresql"] if can_mount() else [])
def test_a_full_disk_and_back(database: str, serve: Any, own_cluster: postgres.Cluster) -> None:
    """Where this user may mount: a small disk, filled up and freed again."""
    disk = Path(tempfile.mkdtemp(prefix="icans-disk-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", disk], check=True)
    try:
        if database == "sqlite":
            url = f"sqlite:///{disk / 'a.db'}"
        else:
            shutil.chown(disk, postgres.USER, postgres.USER)
            own_cluster.sql(f"CREATE TABLESPACE small LOCATION '{disk}'")
            url = new_database(own_cluster, tablespace="small")
        client = serve(url)
        client.works()
        _fill(disk / "ballast")
        client.works_until_refused("the disk of the database is full")
        (disk / "ballast").unlink()
        client.works()
        client.nothing_is_lost(url)
        client.service.kill()
        own_cluster.stop()
    finally:
        subprocess.run(["umount", "-l", disk], check=True)
        disk.rmdir()


def _fill(file: Path) -> None:
    with file.open("wb", buffering=0) as ballast:
        for size in (2**20, 2**12):
            try:
                while True:
                    ballast.write(bytes(size))
            except OSError:
                pass
