"""kill -9 in the midst of 2,000 calls and feedback posts: what was acknowledged is there, and every chain verifies."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import postgres
import pytest
from served import Served, exchange

from cds_hooks import examples
from cds_hooks.store import Store
from cds_hooks.store.engine import opened
from cds_hooks.store.verifying import verify

CLIENTS, REQUESTS = 32, 2_000
HOOK = "/cds-services/icans-order-sign"


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, postgres.Cluster | None]]:
    """A database that may be crashed too: PostgreSQL in a cluster of its own."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'a.db'}", None
        return
    with postgres.running() as cluster:
        url = cluster.create("records")
        opened(url, upgrade=True).dispose()
        yield url, cluster


def test_one_kill(database: Any, tmp_path: Path) -> None:
    _rounds(database, tmp_path, 1)


@pytest.mark.long
def test_ten_kills(database: Any, tmp_path: Path) -> None:
    _rounds(database, tmp_path, 10)


def _rounds(database: tuple[str, postgres.Cluster | None], folder: Path, rounds: int) -> None:
    url, cluster = database
    decisions: set[str] = set()
    told: set[str] = set()
    for number in range(rounds):
        service = Served(folder, {"ICANS_DATABASE_URL": url, "ICANS_PATIENT_REFERENCE": "plain"}, workers=2)
        service.start()
        acknowledged = _storm(service, cluster, random.Random(number))
        assert acknowledged[0], f"round {number}: killed before anything was acknowledged"
        decisions |= acknowledged[0]
        told |= acknowledged[1]
        store = Store(url)
        kept = {row["item"]["outcomeTimestamp"] + row["card"] for row in store.feedback()}
        missing = {card for card in decisions if not _issued(store, card)}
        done = verify(store.engine)
        store.close()
        assert missing == set(), f"round {number}: {len(missing)} of {len(decisions)} decisions are lost"
        assert told <= kept, f"round {number}: {len(told - kept)} of {len(told)} feedback items are lost"
        assert done.problems == []
    service = Served(folder, {"ICANS_DATABASE_URL": url, "ICANS_PATIENT_REFERENCE": "plain"})
    service.start()
    assert service.call(HOOK, examples.shifted("case-2-day-4-printed"))[0] == 200
    service.stop()


def _issued(store: Store, card: str) -> bool:
    from cds_hooks.store.reading import found

    return bool(found(store.engine, card))


def _storm(service: Served, cluster: postgres.Cluster | None, chance: random.Random) -> tuple[set[str], set[str]]:
    """Cards and feedback that were acknowledged before the kill. PostgreSQL is crashed with the service."""
    call = json.dumps(examples.shifted("case-2-day-4-printed")).encode()
    numbers, lock = count(), threading.Lock()
    cards: set[str] = set()
    told: set[str] = set()
    kill_at = chance.randint(REQUESTS // 5, REQUESTS * 4 // 5)
    reached = threading.Event()

    def client(_: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
        mine: list[str] = []
        try:
            while (number := next(numbers)) < REQUESTS:
                if number >= kill_at:
                    reached.set()
                if number % 2 == 0 or not mine:
                    status, body = exchange(connection, HOOK, call)
                    assert status == 200, body
                    mine = [card["uuid"] for card in json.loads(body)["cards"]]
                    with lock:
                        cards.add(mine[0])
                else:
                    at = f"2026-11-22T21:{number // 60 % 60:02}:{number % 60:02}.{number:06}Z"
                    item = {"card": mine[0], "outcome": "overridden", "outcomeTimestamp": at}
                    status, body = exchange(connection, f"{HOOK}/feedback", {"feedback": [item]})
                    assert status == 200, body
                    with lock:
                        told.add(at + mine[0])
        except (OSError, http.client.HTTPException):
            return  # killed
        finally:
            connection.close()

    with ThreadPoolExecutor(CLIENTS) as clients:
        running = [clients.submit(client, n) for n in range(CLIENTS)]
        assert reached.wait(120)
        time.sleep(chance.random() * 0.2)
        service.kill()
        if cluster is not None:
            cluster.stop("immediate")
    for one in running:
        one.result()
    if cluster is not None:
        cluster.start()
    return cards, told
