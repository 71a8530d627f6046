"""What Prometheus reads at /metrics: counts and durations. Labels come from our documents, never from a chart.

With several workers each writes its own files below PROMETHEUS_MULTIPROC_DIR (`serve --workers` sets it) and
whichever is asked adds them up.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from time import perf_counter
from typing import Any

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from cds_hooks.decide import Decision
from cds_hooks.hook_request import HookRequest
from cds_hooks.prefetch import OPTIONAL, Records
from cds_hooks.services import REQUIRED
from cds_hooks.store import Heard
from cds_hooks.store.records import card_rows

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_KINDS = frozenset(
    ["Patient", "Observation", "MedicationAdministration", "MedicationRequest", "Procedure", "Condition", "AllergyIntolerance", "Encounter", "Medication", "context"]
)

_STAGE = Histogram("icans_stage_seconds", "Time of a hook call by stage", ["stage"], buckets=_SECONDS)
_REQUESTS = Counter("icans_requests_total", "Requests by service and HTTP status", ["service", "status"])
_GRADES = Counter("icans_grades_total", "Decisions by the interval of the grade", ["service", "at_least", "at_most"])
_CARDS = Counter("icans_cards_total", "Cards by topic and protocol row", ["topic", "row"])
_FEEDBACK = Counter("icans_feedback_total", "Feedback items stored", ["outcome", "card"])
_ISSUES = Counter("icans_mapping_issues_total", "Records that could not be used, by type", ["record"])
_MISSES = Counter("icans_prefetch_misses_total", "Prefetch keys not to be had", ["key", "how"])
_STORE = Counter("icans_store_failures_total", "Requests not recorded", ["why"])

_STAGES = {stage: _STAGE.labels(stage) for stage in ("receive", "fetch", "read", "decide", "answer", "record", "total")}


@lru_cache(maxsize=2048)
def _one(counter: Counter, *labels: str) -> Counter:
    """The counter of some labels: they come from our documents, so that there are few."""
    return counter.labels(*labels)


class Stages:
    """The clock of one request: each `done` ends a stage and begins the next."""

    __slots__ = ("_began", "_last")

    def __init__(self) -> None:
        self._began = self._last = perf_counter()

    def done(self, stage: str) -> None:
        now = perf_counter()
        _STAGES[stage].observe(now - self._last)
        self._last = now

    def all_done(self) -> None:
        _STAGES["total"].observe(perf_counter() - self._began)

    @property
    def microseconds(self) -> int:
        """Since the request came."""
        return int((perf_counter() - self._began) * 1e6)


def answered(service: str, status: int) -> None:
    _one(_REQUESTS, service, str(status)).inc()


def asked(call: HookRequest) -> None:
    """Which of the keys were not sent: before it is known whether one can do without."""
    for key in (*REQUIRED, *OPTIONAL):
        if key not in call.prefetch:
            _one(_MISSES, key, "not sent").inc()


def decided(service: str, records: Records | None, decision: Decision) -> None:
    grading = decision.record.get("grading") or {}
    _one(_GRADES, service, _said(grading.get("at_least")), _said(grading.get("at_most"))).inc()
    for card in card_rows(decision):
        _one(_CARDS, card["topic"], card["row"] or "none").inc()
    for issue in decision.issues:
        kind = issue.evidence.partition("/")[0]
        _one(_ISSUES, kind if kind in _KINDS else "other").inc()
    if records is not None:
        for key in records.failed:
            _one(_MISSES, key, "failed").inc()


def heard(items: Sequence[Heard]) -> None:
    for item in items:
        if item.new:
            _one(_FEEDBACK, item.outcome, "ours" if item.matched else "unknown").inc()


def not_recorded(why: str) -> None:
    _one(_STORE, why).inc()


def exposition(environment: Mapping[str, str] = os.environ) -> bytes:
    """The text that Prometheus reads, of all workers."""
    if "PROMETHEUS_MULTIPROC_DIR" not in environment:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the library has no types here
    return generate_latest(registry)


def _said(grade: Any) -> str:
    return "none" if grade is None else str(grade)
