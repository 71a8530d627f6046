"""The service as an operator runs it: several workers, measured, stopped in the midst of a request."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from served import Served

from cds_hooks import examples
from cds_hooks.app import create_app
from cds_hooks.cards import cards
from cds_hooks.settings import Settings
from cds_hooks.store import Store
from cds_hooks.store.verifying import verify
from cds_hooks.warming import warm
from rules import load_knowledge

HOOK = "/cds-services/icans-order-sign"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Served]:
    service = Served(tmp_path, {"ICANS_DATABASE_URL": f"sqlite:///{tmp_path / 'a.db'}"}, workers=2)
    service.start()
    yield service
    service.kill()


def test_several_workers_answer_record_and_are_measured_as_one(service: Served, tmp_path: Path) -> None:
    call = json.dumps(examples.shifted("case-2-day-4-printed")).encode()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: service.call(HOOK, call), range(60)))
    assert {status for status, _ in answers} == {200}
    card = json.loads(answers[0][1])["cards"][0]["uuid"]
    item = {"card": card, "outcome": "overridden", "outcomeTimestamp": "2026-11-22T21:00:00Z"}
    assert service.call(f"{HOOK}/feedback", {"feedback": [item, item, item | {"card": "x"}]})[0] == 200
    call_without = json.loads(call)
    del call_without["prefetch"]["observations"]
    assert service.call(HOOK, call_without)[0] == 412
    told = service.call("/metrics")[1].decode()
    for _ in range(50):  # a request is counted once it was answered: that may be a moment after the answer came
        if 'status="412"} 1.0' in told:
            break
        time.sleep(0.1)
        told = service.call("/metrics")[1].decode()
    for sample, value in {
        'icans_requests_total{service="icans-order-sign",status="200"}': 61,
        'icans_requests_total{service="icans-order-sign",status="412"}': 1,
        'icans_grades_total{at_least="3",at_most="4",service="icans-order-sign"}': 60,
        'icans_cards_total{row="steroid-grade-3",topic="corticosteroid"}': 60,
        'icans_feedback_total{card="ours",outcome="overridden"}': 1,
        'icans_feedback_total{card="unknown",outcome="overridden"}': 1,
        'icans_prefetch_misses_total{how="not sent",key="observations"}': 1,
        'icans_stage_seconds_count{stage="record"}': 60,
        'icans_stage_seconds_count{stage="total"}': 60,
    }.items():
        assert f"{sample} {value}.0" in told
    assert service.stop() == 0
    store = Store(f"sqlite:///{tmp_path / 'a.db'}")
    done = verify(store.engine)
    assert (done.rows, done.problems) == (62, [])
    store.close()


def test_no_log_line_or_metric_names_a_patient(service: Served, tmp_path: Path) -> None:
    call = examples.shifted("case-2-day-4-printed")
    patient = call["context"]["patientId"]
    assert service.call(HOOK, call)[0] == 200
    assert service.call(HOOK, b"{}")[0] == 400
    said = service.log() + service.call("/metrics")[1].decode()
    assert patient not in said
    assert not re.search(r"Observation/|birthDate|fhirServer", said)
    records = b"".join(path.read_bytes() for path in tmp_path.glob("a.db*"))
    assert f"Patient/{patient}".encode() not in records
    assert f'"{patient}"'.encode() not in records


def test_what_was_begun_is_finished_before_stopping(tmp_path: Path) -> None:
    service = Served(tmp_path, {"ICANS_DATABASE_URL": f"sqlite:///{tmp_path / 'a.db'}"})
    service.start()
    body = json.dumps(examples.shifted("case-2-day-4-printed")).encode()
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
    connection.putrequest("POST", HOOK)
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders()
    connection.send(body[:1000])
    time.sleep(0.3)
    assert service.process is not None
    service.process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    with pytest.raises(OSError, match="refused"):
        service.call("/healthz")
    connection.send(body[1000:])
    answer = connection.getresponse()
    assert answer.status == 200
    card = json.loads(answer.read())["cards"][0]["uuid"]
    connection.close()
    assert service.process.wait(timeout=30) in (0, -signal.SIGTERM)
    store = Store(f"sqlite:///{tmp_path / 'a.db'}")
    assert store.engine.connect().exec_driver_sql("select uuid from cards where uuid = ?", (card,)).scalar() == card
    store.close()


def test_a_worker_that_dies_is_replaced(service: Served) -> None:
    assert service.process is not None
    children = Path(f"/proc/{service.process.pid}/task/{service.process.pid}/children").read_text().split()
    commands = {pid: Path(f"/proc/{pid}/cmdline").read_text() for pid in children}
    worker = next(int(pid) for pid, command in commands.items() if "spawn_main" in command)
    os.kill(worker, signal.SIGKILL)
    time.sleep(3)
    assert [service.call("/healthz")[0] for _ in range(20)] == [200] * 20


def test_warming_goes_through_every_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    knowledge = load_knowledge(())
    drugs: list[Any] = []
    monkeypatch.setattr("cds_hooks.decide.cards", lambda *given: drugs.extend(found := cards(*given)) or found)
    signed, _, viewed = warm(knowledge, examples.datetime.now(examples.UTC))
    assert [len(one.cards) > 0 for one in (signed, viewed)] == [True, True]
    assert any(action["type"] == "create" for card in drugs for s in card.get("suggestions", []) for action in s["actions"])


def test_an_app_tells_of_its_readiness_only_when_warm(tmp_path: Path) -> None:
    from starlette.testclient import TestClient

    app = create_app(Settings(database_url=f"sqlite:///{tmp_path / 'a.db'}"))
    assert TestClient(app).get("/readyz").status_code == 503
    with TestClient(app) as client:
        assert client.get("/readyz").status_code == 200
