"""`icans-cds synth`: a ward of synthetic patients as a Bulk Data export, and the true grades beside it.

The same seed and options give the same bytes, whatever the number of processes. Every resource says that
it is synthetic (meta.security HTEST and a tag).
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from cds_hooks.cohort.synthetic_course import Course, Seen, Ward, course
from cds_hooks.cohort.synthetic_records import KINDS, Chart, site_map

BLOCK = 250
"""Patients a file holds at most."""
TRUTH = "truth.csv"
SITE_MAP = "site-codes.json"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be written: how many patients, from which seed, where, and how the files look."""

    patients: int
    seed: int
    out: Path
    ward: Ward
    compressed: bool = False


def write(plan: Plan, jobs: int = 1) -> int:
    """Writes the export, `truth.csv` and the site's map; returns the number of resources. Raises OSError."""
    plan.out.mkdir(parents=True, exist_ok=True)
    blocks = range(0, plan.patients, BLOCK)
    write_block = partial(_write_block, plan)
    if jobs == 1 or len(blocks) == 1:
        written = [write_block(first) for first in blocks]
    else:
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
            written = list(pool.map(write_block, blocks))
    with (plan.out / TRUTH).open("w", encoding="utf-8", newline="") as file:
        file.write("patient,time,grade,ice_charted,charted_grade\n")
        file.writelines(rows for _, rows in written)
    (plan.out / SITE_MAP).write_text(json.dumps(site_map(), indent=1) + "\n", encoding="utf-8")
    about = {"patients": plan.patients, "seed": plan.seed, "synthetic": True, **asdict(plan.ward)}
    (plan.out / "ward.txt").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    return sum(count for count, _ in written)


def _write_block(plan: Plan, first: int) -> tuple[int, str]:
    """One file a resource type for a block of patients; returns the count and the rows of the truth."""
    lines: dict[str, list[bytes]] = {kind: [] for kind in KINDS}
    truth = io.StringIO()
    rows = csv.writer(truth, lineterminator="\n")
    for number in range(first, min(first + BLOCK, plan.patients)):
        random = Random(f"{plan.seed}/{number}")
        found = course(random, plan.ward)
        chart = Chart(f"s{plan.seed}-{number:07d}", random, plan.ward)
        for resource in chart.resources(found):
            lines[resource["resourceType"]].append(msgspec.json.encode(resource))
        rows.writerows(_truth(chart.patient, found))
    ending = "ndjson.gz" if plan.compressed else "ndjson"
    for kind, content in lines.items():
        if content:
            body = b"\n".join(content) + b"\n"
            name = f"{kind}.{first // BLOCK:05d}.{ending}"
            (plan.out / name).write_bytes(gzip.compress(body, 6, mtime=0) if plan.compressed else body)
    return sum(map(len, lines.values())), truth.getvalue()


def _truth(patient: str, found: Course) -> Iterator[tuple[Any, ...]]:
    for seen in found.seen:
        yield patient, time(seen), seen.grade, int("ice" in seen.charted), "" if seen.charted_grade is None else seen.charted_grade


def time(seen: Seen, plus: timedelta = timedelta()) -> str:
    """The time of an assessment as FHIR writes it."""
    return (seen.at + plus).isoformat()
