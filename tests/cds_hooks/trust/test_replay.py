"""A token is used once, over threads and workers; the store forgets what can no longer be used."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from cds_hooks.cli import app
from cds_hooks.store import Store, StoreError, StoreUnavailable
from cds_hooks.trust import replay
from cds_hooks.trust.rate import MAX_CLIENTS, Rate
from cds_hooks.trust.replay import UsedTokens

SOON = int(time.time()) + 36_000  # later than any run of the tests


def test_once_and_only_for_its_issuer(url: str) -> None:
    used = UsedTokens(url)
    assert used.first_use("iss", "jti", SOON)
    assert not used.first_use("iss", "jti", SOON)
    assert used.first_use("is", "sjti", SOON)
    assert used.first_use("other", "jti", SOON)


def test_once_over_threads(url: str) -> None:
    used = UsedTokens(url)
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda _: used.first_use("iss", "jti", SOON), range(200))) == 1


def test_once_over_workers(url: str) -> None:
    """Four processes use the same 200 tokens: each token counts once among them."""
    program = (
        "import sys\n"
        "from cds_hooks.trust.replay import UsedTokens\n"
        "used = UsedTokens(sys.argv[1])\n"
        "print(sum(used.first_use('iss', str(n), int(sys.argv[2])) for n in range(200)))\n"
    )
    UsedTokens(url).close()
    workers = [
        subprocess.Popen([sys.executable, "-c", program, url, str(SOON)], stdout=subprocess.PIPE) for _ in range(4)
    ]
    assert sum(int(worker.communicate()[0]) for worker in workers) == 200


def test_it_does_not_grow(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    used = UsedTokens(url)
    for number in range(100):
        used.first_use("iss", str(number), SOON if number < 3 else 1)
    monkeypatch.setattr(replay, "CLEAN_EVERY", 0.0)
    used.first_use("iss", "last", SOON)
    assert len(used) == 4
    assert not used.first_use("iss", "0", SOON)


def test_it_is_a_file_of_its_own_that_names_nobody(tmp_path: Path) -> None:
    used = UsedTokens(f"sqlite:///{tmp_path / 'a.db'}")
    used.first_use("https://issuer.example.org", "secret-jti", SOON)
    used.close()
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert {path.name for path in tmp_path.iterdir()} == {"a.db-tokens"}
    assert b"issuer" not in kept
    assert b"secret-jti" not in kept


def test_a_store_in_memory_serves_one_process() -> None:
    used = UsedTokens("sqlite://")
    assert used.first_use("iss", "jti", SOON)
    assert not used.first_use("iss", "jti", SOON)
    assert Store("sqlite://").decision("x") is None


def test_a_store_that_cannot_be_opened_is_said() -> None:
    with pytest.raises(StoreError, match="used tokens"):
        UsedTokens("sqlite:////no/such/folder/a.db")


def test_a_user_of_few_rights_uses_the_table_that_the_upgrade_made(cluster: Any) -> None:
    full = cluster.create(name := f"r{uuid4().hex}", template="template_icans")
    user = f"u{uuid4().hex}"
    cluster.sql(f"CREATE ROLE {user} LOGIN", name)
    cluster.sql("REVOKE CREATE ON SCHEMA public FROM PUBLIC", name)
    few = full.replace("icans@", f"{user}@")
    with pytest.raises(StoreError, match="db upgrade"):
        UsedTokens(few)
    assert CliRunner().invoke(app, ["db", "upgrade"], env={"ICANS_DATABASE_URL": full}).exit_code == 0
    cluster.sql(f"GRANT SELECT, INSERT, DELETE ON used_tokens TO {user}", name)
    used = UsedTokens(few)
    assert used.first_use("iss", "jti", SOON)
    assert not used.first_use("iss", "jti", SOON)


def test_a_store_that_fails_says_why(tmp_path: Path) -> None:
    used = UsedTokens(f"sqlite:///{tmp_path / 'a.db'}")
    used._sqlite.execute("PRAGMA query_only = 1")
    with pytest.raises(StoreUnavailable, match="can only be read"):
        used.first_use("iss", "jti", SOON)


def test_the_rate_of_a_client() -> None:
    now = [0.0]
    rate = Rate(60, lambda: now[0])
    assert [rate.wait("a") for _ in range(60)] == [0] * 60
    assert rate.wait("a") == 1
    assert rate.wait("b") == 0
    now[0] += 1.01
    assert (rate.wait("a"), rate.wait("a")) == (0, 1)
    now[0] += 3600
    assert [rate.wait("a") for _ in range(61)] == [0] * 60 + [1]


def test_no_rate_and_a_slow_one() -> None:
    assert {Rate(0).wait("a") for _ in range(1000)} == {0}
    slow = Rate(1, lambda: 0.0)
    assert (slow.wait("a"), slow.wait("a")) == (0, 60)


def test_it_remembers_a_bounded_number_of_clients() -> None:
    rate = Rate(60, lambda: 0.0)
    for number in range(MAX_CLIENTS + 50):
        rate.wait(str(number))
    assert len(rate._buckets) == MAX_CLIENTS
