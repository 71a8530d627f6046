"""The measurements as Markdown: ratios to the floor of the same round, and the bounds they are held to."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from statistics import median

from load import Measured
from reading_bound import Alone

Cells = Mapping[tuple[str, str, int], Sequence[Measured]]
BOUNDS = (  # target, Observations, connections, most times the floor
    ("store off", "50", 1, 1.5),
    ("store off", "50, no therapy", 1, 1.5),
    ("store off", "300", 1, 2.0),  # with five drafts
    ("store off", "1000", 1, 2.0),
    ("SQLite", "50", 1, 2.5),
    ("SQLite", "50, no therapy", 1, 2.5),
    ("SQLite", "1000", 1, 2.0),
    ("SQLite", "50", 16, 2.0),
    ("SQLite", "50, no therapy", 16, 2.0),
)


def text(cells: Cells, alone: Sequence[Alone], seconds: float, rounds: int) -> str:
    parts = [_head(seconds, rounds), _table(cells), _bounds(cells), _alone(alone)]
    return "\n\n".join(parts) + "\n"


def _head(seconds: float, rounds: int) -> str:
    return f"""# Benchmarks

Written by `make bench` on {datetime.now(UTC):%Y-%m-%d}: {os.cpu_count()} cores, Python {platform.python_version()}, {platform.machine()}; load average at the end {os.getloadavg()[1]:.1f} (about 1.5 is
the bench itself; more is other work on the machine, which shows in latencies more than in CPU).

The *floor* is a bare Starlette endpoint that decodes the JSON and answers a canned card. Every server is one
uvicorn process (uvloop, httptools) on one core; wrk posts from the other. {rounds} rounds of {seconds:g} s a cell,
the servers taking turns within a round, in turned order every second round. Figures are medians; a ratio is the
median of the ratios to the floor *of the same round*. CPU is that of the server process a request (PostgreSQL's
own processes not counted). The request is a published case with a grade, five cards and suggestions (20 kB), filled up
with routine Observations of about 850 bytes, one in 25 an ICE score: every request is graded, no answer is kept. That of 300
Observations holds five drafts. *No therapy*: a patient who never had one, so no card, as for most calls of a hospital. *Tokens*: the same service where each request carries a new client token (ES384).
*HealthChain* is a generic CDS Hooks framework from PyPI with a hand rule on the ICE score: it decodes and
answers, it does not map, grade, cite or record."""


def _table(cells: Cells) -> str:
    lines = [
        "| Observations | clients | server | p50 ms | p99 ms | requests/s | CPU ms | p50 × | CPU × |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for size, connections in dict.fromkeys(key[1:] for key in cells):
        for name in dict.fromkeys(key[0] for key in cells):
            runs = cells[name, size, connections]
            figures = (f"{median(getattr(run, what) for run in runs):.2f}" for what in ("p50", "p99", "per_second", "cpu"))
            ratios = (f"{ratio(cells, name, size, connections, what):.2f}" for what in ("p50", "cpu"))
            failed = sum(run.errors for run in runs)
            lines.append(f"| {size} | {connections} | {name}{f' ({failed} errors)' if failed else ''} | " + " | ".join((*figures, *ratios)) + " |")
    return "\n".join(lines)


def ratio(cells: Cells, name: str, size: str, connections: int, what: str) -> float:
    """The median over the rounds of what it takes, against the floor of the same round."""
    pairs = zip(cells[name, size, connections], cells["floor", size, connections], strict=True)
    return median(getattr(one, what) / getattr(floor, what) for one, floor in pairs)


def _bounds(cells: Cells) -> str:
    lines = ["## Bounds", "", "| server | Observations | clients | bound | p50 × | CPU × | held |", "|---|---|---|---|---|---|---|"]
    for name, size, connections, most in BOUNDS:
        if (name, size, connections) in cells:
            p50, cpu = (ratio(cells, name, size, connections, what) for what in ("p50", "cpu"))
            held = "yes" if max(p50, cpu) <= most else "**no**"
            lines.append(f"| {name} | {size} | {connections} | {most} | {p50:.2f} | {cpu:.2f} | {held} |")
    return "\n".join(lines)


def _alone(alone: Sequence[Alone]) -> str:
    lines = [
        "## Without HTTP",
        "",
        "Milliseconds, best of many. *Decode*: msgspec on the whole body. *Reading*: the strict checks and typed views",
        "of every record. *Mapping*: views to the clinical snapshot. *Assess*: grade, facts, protocol. *Decide*: all",
        "but parsing, with cards and record.",
        "",
        "| Observations | decode | reading | reading × decode | mapping | assess | decide |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in alone:
        lines.append(
            f"| {one.size} | {one.decode:.2f} | {one.reading:.2f} | {one.reading / one.decode:.2f} "
            f"| {one.mapping:.2f} | {one.assess:.2f} | {one.decide:.2f} |"
        )
    return "\n".join(lines)
