"""Spark gives the rows of the embedded engine. Run by `make test-spark`, in an environment of its own (pyspark is 450 MB)."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cds_hooks.cohort.synthetic import Plan, write
from cds_hooks.cohort.synthetic_course import Ward

pytestmark = pytest.mark.spark
ROOT = Path(__file__).parents[2]
START = "from cds_hooks.cli import main\nif __name__ == '__main__': main()"
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]), "SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}


def cohort(export: Path, out: Path, *more: str) -> None:
    command = [sys.executable, "-c", START, "cohort", str(export), "--out", str(out), "--at", "every-assessment", *more]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def rows(results: Path) -> list[tuple[Any, ...]]:
    con = duckdb.connect()
    times_as_text = ", ".join(f"{name}::VARCHAR AS {name}" for name in ("time", "exposure_started", "charted_time"))
    return con.execute(f"SELECT * REPLACE ({times_as_text}) FROM '{results}' ORDER BY ALL").fetchall()


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("ward")
    write(Plan(30, 5, out, Ward(days=5, resources=100, missing_ice=0.1, quirks=0.2), compressed=True))
    given = '{"resourceType":"MedicationAdministration","id":"a","status":"completed","subject":{"reference":"Patient/x"},'
    given += '"medicationReference":{"reference":"Medication/m"},"effectiveDateTime":"2026-01-01T08:00:00Z"}\n'
    drug = '{"resourceType":"Medication","id":"m","code":{"coding":[{"system":"http://www.nlm.nih.gov/research/umls/rxnorm","code":"1597258"}]}}\n'
    (out / "more.ndjson").write_text(given + "{broken\n" + drug + '{"resourceType":"Observation","id":"o"}\n', encoding="utf-8")
    return out


@pytest.fixture(scope="module")
def expected(export: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("duckdb") / "r.parquet"
    cohort(export, out)
    assert len(rows(out)) > 250
    return out


def same(found: Path, expected: Path) -> None:
    assert rows(found) == rows(expected)
    for ending in ("codes.csv", "errors.csv"):
        one, other = (p.with_name(p.name.replace("parquet", ending)).read_text(encoding="utf-8") for p in (found, expected))
        assert one == other


def test_spark_on_this_machine_gives_the_same_rows(export: Path, expected: Path, tmp_path: Path) -> None:
    cohort(export, tmp_path / "s.parquet", "--engine", "spark", "--master", "local[2]")
    same(tmp_path / "s.parquet", expected)


def test_what_spark_cannot_read_is_said_and_not_graded(export: Path, tmp_path: Path) -> None:
    def said(given: Path) -> tuple[int, str]:
        command = [sys.executable, "-c", START, "cohort", str(given), "--out", str(tmp_path / "s.parquet"), "--engine", "spark"]
        done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=400, check=False)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stderr

    code, words = said(tmp_path / "none")
    assert (code, "none: [PATH_NOT_FOUND]" in words) == (2, True), words
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for path in export.glob("*.gz"):
        (damaged / path.name).write_bytes(path.read_bytes()[:-8])
    (damaged / "more.ndjson").write_bytes((export / "more.ndjson").read_bytes())
    code, words = said(damaged)
    assert code == 1, words
    for path in export.glob("*.gz"):
        assert f"{damaged / path.name}: its gzip is damaged (" in words
    assert not (tmp_path / "s.parquet").exists()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    """A master and two workers on loopback."""
    import pyspark

    home = Path(pyspark.__file__).parent
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = f"spark://127.0.0.1:{port}"
    environment = ENVIRONMENT | {"SPARK_HOME": str(home)}
    run = [str(home / "bin" / "spark-class")]
    started = [["org.apache.spark.deploy.master.Master", "--host", "127.0.0.1", "--port", str(port), "--webui-port", "0"]]
    worker = ["org.apache.spark.deploy.worker.Worker", "--host", "127.0.0.1", "--cores", "1", "--memory", "1g", "--webui-port", "0"]
    started += [[*worker, "--work-dir", str(tmp_path / f"worker{n}"), address] for n in (1, 2)]
    processes = []
    log = (tmp_path / "cluster.log").open("w")
    for arguments in started:
        processes.append(subprocess.Popen([*run, *arguments], env=environment, stdout=log, stderr=log))
    until = time.monotonic() + 60
    while (tmp_path / "cluster.log").read_text().count("Successfully registered with master") < 2:
        assert time.monotonic() < until, (tmp_path / "cluster.log").read_text()[-2000:]
        time.sleep(0.5)
    yield address
    for process in processes:
        process.terminate()
        process.wait(timeout=30)
    log.close()


@pytest.mark.long
def test_a_cluster_of_a_master_and_two_workers_gives_the_same_rows(export: Path, expected: Path, tmp_path: Path, cluster: str) -> None:
    cohort(export, tmp_path / "c.parquet", "--engine", "spark", "--master", cluster)
    same(tmp_path / "c.parquet", expected)
