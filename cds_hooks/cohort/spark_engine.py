"""The same run on Apache Spark: the same lines chosen, the same grading, the same files written by the driver.

pyspark is an extra of its own. The machines of the cluster need this package in their Python; the files may
lie on any path that Hadoop reads. The driver needs what DuckDB needs to write the results.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import msgspec
import pyspark.errors
from py4j.protocol import Py4JError
from pyspark.sql import SparkSession

from cds_hooks.cohort import choosing, duckdb_engine, running
from cds_hooks.cohort.grading import Grader
from cds_hooks.cohort.running import Outcome, Task, Told
from cds_hooks.cohort.scanning import DamagedExport, NoExport
from cds_hooks.cohort.work_folder import Failure, WorkFolder, put
from fhir_mappers.codes import load_terminology

_LINE, _BAD, _CODE, _DRUG, _WANTS, _DAMAGED = "line", "bad", "code", "medication", "wants", "damaged"


def run(task: Task, master: str | None, told: Told) -> Outcome:
    """Runs on the cluster named, else on this machine. Never resumes. Raises NoExport, DamagedExport, OSError, duckdb.Error.

    What Spark or the cluster says comes as an OSError, in short.
    """
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    folder = running.work_folder(task)
    with folder.alone():
        return _run(task, folder, master, told)


def _run(task: Task, folder: WorkFolder, master: str | None, told: Told) -> Outcome:
    outcome = Outcome()
    folder.open(f"spark {time.time_ns()}", resume=False)
    began = time.perf_counter()
    told("grading", 0, 1)
    try:
        with _session(master or f"local[{task.jobs}]") as spark:
            _collect(spark, task, folder, outcome)
    except pyspark.errors.AnalysisException as problem:
        raise NoExport(f"{task.export}: {_in_short(problem)}") from None
    except (pyspark.errors.PySparkException, Py4JError) as problem:
        raise OSError(errno.EIO, f"Spark: {_in_short(problem)}") from None
    told("grading", 1, 1)
    outcome.seconds["spark"] = time.perf_counter() - began
    con = duckdb_engine.connect(folder, duckdb_engine.SCAN_MEMORY, task.jobs)
    running.finish(task, con, folder, outcome)
    con.close()
    folder.remove()
    return outcome


@contextmanager
def _session(master: str) -> Iterator[SparkSession]:
    spark = SparkSession.builder.appName("icans-cds cohort").master(master).getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    try:
        yield spark
    finally:
        spark.stop()


def _in_short(problem: Exception) -> str:
    return " ".join(str(problem).split("\n\t")[0].split())[:300]


def _collect(spark: SparkSession, task: Task, folder: WorkFolder, outcome: Outcome) -> None:
    context = spark.sparkContext
    grader = context.broadcast(replace(task.grader))
    path = str(task.export)
    lines = _lines(spark, path)
    judged = lines.mapPartitions(lambda rows: _judged(rows, grader.value)).persist()
    damaged = sorted(judged.filter(lambda one: one[0] == _DAMAGED).map(lambda one: one[1]).collect())
    if damaged:
        raise DamagedExport("\n".join(damaged))
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
    found = files.load(names)
    if found.select("path").isEmpty():
        raise NoExport(f"{path}: holds no *.ndjson or *.jsonl (or either with .gz); Spark reads no bundles")
    return found.select("path", "content").rdd.flatMap(lambda row: _lines_of(row[0], bytes(row[1])))


def _lines_of(file: str, content: bytes) -> Iterator[tuple[str, int, bytes]]:
    """The lines of a file; of a damaged one its damage as line 0."""
    try:
        yield from choosing.lines_of(file, content)
    except OSError as problem:
        yield file, 0, str(problem.strerror).encode()


def _judged(rows: Iterable[tuple[str, int, bytes]], grader: Grader) -> Iterator[tuple[Any, ...]]:
    chooser = choosing.Chooser(grader.site.codes or load_terminology())
    for file, number, line in rows:
        if number == 0:
            yield _DAMAGED, f"{file.removeprefix('file:')}: {line.decode()}"
            continue
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


