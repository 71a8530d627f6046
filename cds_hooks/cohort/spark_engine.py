"""The same run on Apache Spark: the same lines chosen, the same grading, the same files written by the driver.

pyspark is an extra of its own. The machines of the cluster need this package in their Python; the files may
lie on any path that Hadoop reads. The driver needs what DuckDB needs to write the results.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import msgspec
from pyspark.sql import SparkSession

from cds_hooks.cohort import choosing, duckdb_engine, running
from cds_hooks.cohort.grading import Grader
from cds_hooks.cohort.running import Outcome, Task, Told
from cds_hooks.cohort.work_folder import Failure, WorkFolder, put
from fhir_mappers.codes import load_terminology

_LINE, _BAD, _CODE, _DRUG, _WANTS = "line", "bad", "code", "medication", "wants"


def run(task: Task, master: str | None, told: Told) -> Outcome:
    """Runs on the cluster named, else on this machine. Never resumes. Raises OSError, duckdb.Error, Py4J's errors."""
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    spark = SparkSession.builder.appName("icans-cds cohort").master(master or f"local[{task.jobs}]").getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    folder, outcome = WorkFolder(task.results), Outcome()
    folder.open(f"spark {time.time_ns()}", resume=False)
    began = time.perf_counter()
    told("grading", 0, 1)
    try:
        _collect(spark, task, folder, outcome)
    finally:
        spark.stop()
    told("grading", 1, 1)
    outcome.seconds["spark"] = time.perf_counter() - began
    con = duckdb_engine.connect(folder, duckdb_engine.SCAN_MEMORY, task.jobs)
    running.finish(task, con, folder, outcome)
    con.close()
    folder.remove()
    return outcome


def _collect(spark: SparkSession, task: Task, folder: WorkFolder, outcome: Outcome) -> None:
    context = spark.sparkContext
    grader = context.broadcast(replace(task.grader))
    path = str(task.export)
    lines = _lines(spark, path)
    judged = lines.mapPartitions(lambda rows: _judged(rows, grader.value)).persist()
    wants = judged.filter(lambda one: one[0] == _WANTS).map(lambda one: (one[1], one[2])).distinct()
    drugs = judged.filter(lambda one: one[0] == _DRUG).map(lambda one: (one[1], one[2]))
    referred = wants.join(drugs).map(lambda one: (one[1][0], one[1][1]))
    kept = judged.filter(lambda one: one[0] == _LINE).map(lambda one: (one[1], one[2])).union(referred)
    graded = kept.groupByKey().mapPartitions(lambda people: _graded(people, grader.value))
    rows, failures, patients = [], [], 0
    for number, (found, failure) in enumerate(graded.toLocalIterator(), 1):
        rows += found
        failures += [failure] if failure is not None else []
        patients = number
        if len(rows) >= 50_000:
            put(folder.part(number), rows)
            rows = []
    put(folder.part(patients + 1), rows)
    bad = judged.filter(lambda one: one[0] == _BAD).map(lambda one: one[1]).collect()
    failures += [Failure(*one) for one in bad]
    put(folder.failures(0), map(msgspec.json.encode, failures))
    counted = judged.filter(lambda one: one[0] == _CODE).map(lambda one: (one[1], (1, one[2]))).reduceByKey(_together)
    _write_codes(folder, counted.toLocalIterator())
    outcome.patients = patients


def _lines(spark: SparkSession, path: str) -> Any:
    """(file, number from 1, line as bytes) of every line; a file is read by one task, as its lines are numbered."""
    names = f"{path.rstrip('/')}"
    files = spark.read.format("binaryFile").option("recursiveFileLookup", "true").option("pathGlobFilter", "*.{ndjson,ndjson.gz,jsonl,jsonl.gz}")
    return files.load(names).select("path", "content").rdd.flatMap(lambda row: choosing.lines_of(row[0], bytes(row[1])))


def _judged(rows: Iterable[tuple[str, int, bytes]], grader: Grader) -> Iterator[tuple[Any, ...]]:
    chooser = choosing.Chooser(grader.site.codes or load_terminology())
    for file, number, line in rows:
        found = chooser.judge(line)
        if found.reason is not None:
            yield _BAD, (file.removeprefix("file:"), number, found.id, found.reason)
        elif found.kind == "Medication":
            yield _DRUG, found.patient, found.raw
        elif found.unread is not None:
            system, code, display = found.unread
            yield _CODE, (found.kind, system, code), display
        elif found.raw is not None:
            yield _LINE, found.patient, found.raw
            if found.medication:
                yield _WANTS, found.medication, found.patient


def _graded(people: Iterable[tuple[str, Iterable[str]]], grader: Grader) -> Iterator[tuple[list[bytes], Failure | None]]:
    for patient, lines in people:
        yield duckdb_engine.attempt(patient, [(raw.encode(), None) for raw in lines], grader)


def _together(one: tuple[int, str | None], other: tuple[int, str | None]) -> tuple[int, str | None]:
    return one[0] + other[0], min(filter(None, (one[1], other[1])), default=None)


def _write_codes(folder: WorkFolder, counted: Iterable[tuple[tuple[str, Any, Any], tuple[int, Any]]]) -> None:
    """The counted codes, laid out as the embedded engine stages them."""
    rows = [
        json.dumps({"kind": kind, "system": system, "code": code, "display": display, "count": count}).encode()
        for (kind, system, code), (count, display) in counted
    ]
    put(folder.stage / "codes.jsonl", rows)


