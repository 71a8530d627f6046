"""One run from an export to its results: staged, graded in parallel, merged, with the errors in a file beside it."""

from __future__ import annotations

import csv
import errno
import gzip
import json
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from cds_hooks.cohort import bundles, duckdb_engine
from cds_hooks.cohort.grading import Grader
from cds_hooks.cohort.results import beside, write_codes, write_results
from cds_hooks.cohort.scanning import DamagedExport, bad_lines, files_of, path_sql
from cds_hooks.cohort.work_folder import Failure, WorkFolder, fingerprint, put
from cds_hooks.files import damage
from fhir_mappers.codes import load_terminology

Told = Callable[[str, float, float], None]
"""Told of a step: its name, how much is done, of how much."""


@dataclass(slots=True)
class Outcome:
    """What a run did: patients, rows, failures, seconds a step; whether it resumed an earlier one.

    `timeless` are the patients whose chart holds no time: there is no instant to evaluate them at.
    """

    patients: int = 0
    timeless: int = 0
    rows: int = 0
    failures: int = 0
    resumed: bool = False
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Task:
    """What was asked for."""

    export: Path
    results: Path
    grader: Grader
    jobs: int = 2
    resume: bool = True
    keep: bool = False


def run(task: Task, told: Told) -> Outcome:
    """Runs or resumes. Raises NoExport, DamagedExport, OSError and duckdb.Error when files cannot be read or written."""
    folder = work_folder(task)
    lines, files = files_of(task.export, (folder.folder, beside(task.results, "run.json")))
    with folder.alone():
        return _run(task, folder, lines, files, told)


def work_folder(task: Task) -> WorkFolder:
    """Beside the results, which must be a file. Raises OSError."""
    if task.results.is_dir():
        raise OSError(errno.EISDIR, "is a folder; the name of a file was expected", str(task.results))
    return WorkFolder(task.results)


def _run(task: Task, folder: WorkFolder, lines: Sequence[Path], files: Sequence[Path], told: Told) -> Outcome:
    outcome = Outcome(resumed=folder.open(fingerprint([*lines, *files], "duckdb", task.grader), task.resume))
    with _processes(task, folder) as pool:  # before DuckDB starts threads
        con = duckdb_engine.connect(folder, duckdb_engine.SCAN_MEMORY, task.jobs)
        began = time.perf_counter()
        staged = folder.done("stage")
        if not staged.exists():
            _refuse_damaged(pool, lines, told)
            folder.empty()
            put(folder.failures(0), map(msgspec.json.encode, _stage(task, con, folder, lines, files, told)))
            staged.touch()
        outcome.seconds["scan"] = time.perf_counter() - began
        began = time.perf_counter()
        _grade(pool, con, folder, outcome, told)
        outcome.seconds["grade"] = time.perf_counter() - began
    began = time.perf_counter()
    finish(task, con, folder, outcome)
    outcome.seconds["write"] = time.perf_counter() - began
    con.close()
    if not task.keep:
        folder.remove()
    return outcome


def _processes(task: Task, folder: WorkFolder) -> ProcessPoolExecutor:
    """The processes that grade, started now.

    They are copies of this one, which has read code and documents already, as long as it has no other thread:
    a copy may wait forever for a lock that another thread held. Otherwise each starts anew.
    """
    threads = Path("/proc/self/task")
    alone = threads.is_dir() and len(list(threads.iterdir())) == 1
    context = get_context("fork" if alone else "spawn")
    pool = ProcessPoolExecutor(task.jobs, mp_context=context, initializer=duckdb_engine.begin, initargs=(task.grader, folder))
    pool.submit(int)  # with the first task all of them start
    return pool


def _stage(
    task: Task, con: duckdb.DuckDBPyConnection, folder: WorkFolder, lines: Sequence[Path], files: Sequence[Path], told: Told
) -> list[Failure]:
    codes = task.grader.site.codes or load_terminology()
    buckets = duckdb_engine.buckets_for([*lines, *files], task.jobs)
    if not lines:
        return _stage_bundles(con, folder, files, buckets, told)
    watching(con, told, lambda: duckdb_engine.stage(con, lines, buckets, codes, folder.stage))
    failures = duckdb_engine.rejected(con)
    listed = folder.stage / "bucket=-2"
    if listed.exists():
        about = "json_extract_string(raw, ['/file', '/md5', '/id', '/reason'])"
        failures += _numbered([row for (row,) in con.execute(f"SELECT {about} FROM read_parquet({path_sql(listed, '*.parquet')})").fetchall()])
    return failures


def _refuse_damaged(pool: ProcessPoolExecutor, lines: Sequence[Path], told: Told) -> None:
    """DuckDB does not look at the check sum of a gzip file: it would take changed bytes for data."""
    packed = [path for path in lines if path.suffix == ".gz"]
    found = []
    for number, (path, problem) in enumerate(zip(packed, pool.map(damage, packed), strict=True), 1):
        found += [f"{path}: {problem}"] if problem is not None else []
        told("checking", number, len(packed))
    if found:
        raise DamagedExport("\n".join(found))


def _numbered(rows: Sequence[tuple[str, str, str | None, str]]) -> list[Failure]:
    """The bad lines with their numbers: only the files that hold any are read again."""
    failures: list[Failure] = []
    by_file: dict[str, dict[str, tuple[str | None, str]]] = {}
    for file, md5, identity, reason in rows:
        by_file.setdefault(file, {})[md5] = (identity, reason)
    for file, wanted in sorted(by_file.items()):
        opened = gzip.open if file.endswith(".gz") else open
        with opened(file, "rb") as content:
            for number, md5 in bad_lines(iter(content), frozenset(wanted)):
                failures.append(Failure(file, number, wanted[md5][0] or "", wanted[md5][1]))
    return failures


def _stage_bundles(con: duckdb.DuckDBPyConnection, folder: WorkFolder, files: Sequence[Path], buckets: int, told: Told) -> list[Failure]:
    records = folder.spill / "records"
    records.mkdir()
    failures: list[Failure] = []
    for number, path in enumerate(files, 1):
        failures += bundles.unbundle(path, records / f"{number:07d}.jsonl")
        told("reading", number, len(files))
    duckdb_engine.add_records(con, records, buckets, folder.stage)
    return failures


def watching(con: duckdb.DuckDBPyConnection, told: Told, work: Callable[[], None]) -> None:
    """Does the work, telling how far DuckDB is."""
    finished = threading.Event()

    def tell() -> None:
        while not finished.wait(0.5):
            told("reading", max(0.0, con.query_progress()), 100)

    watcher = threading.Thread(target=tell, daemon=True)
    watcher.start()
    try:
        work()
    finally:
        finished.set()
        watcher.join()
    told("reading", 100, 100)


def _grade(pool: ProcessPoolExecutor, con: duckdb.DuckDBPyConnection, folder: WorkFolder, outcome: Outcome, told: Told) -> None:
    buckets = duckdb_engine.staged_buckets(folder.stage)
    patients = duckdb_engine.patients_in(con, folder.stage, buckets)
    outcome.patients = sum(patients.values())
    left = [number for number in buckets if not folder.part(number + 1).exists()]
    done = outcome.patients - sum(patients[number] for number in left)
    told("grading", done, outcome.patients)
    for one in as_completed([pool.submit(duckdb_engine.grade_bucket, folder, number) for number in left]):
        done += one.result()[0]
        told("grading", done, outcome.patients)


def finish(task: Task, con: duckdb.DuckDBPyConnection, folder: WorkFolder, outcome: Outcome) -> None:
    """Merges the parts: the rows by patient and time, the errors, the codes that nothing read."""
    failures = list(_failures(folder))
    outcome.failures = len(failures)
    with beside(task.results, "errors.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("file", "line", "id", "reason"))
        rows.writerows((f.file, f.line or "", f.id, f.reason) for f in failures)
    write_codes(con, folder, beside(task.results, "codes.csv"))
    outcome.rows, with_rows = write_results(con, folder, task.results)
    # a failure that names no file is that of a patient who could not be graded
    outcome.timeless = outcome.patients - with_rows - sum(not failure.file for failure in failures)
    about: dict[str, Any] = {
        "export": str(task.export),
        "at": task.grader.at,
        "patients": outcome.patients,
        "timeless": outcome.timeless,
        "rows": outcome.rows,
        "errors": outcome.failures,
        "knowledge": [[ref.id, ref.version, ref.sha256] for ref in task.grader.knowledge.refs],
    }
    beside(task.results, "run.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


def _failures(folder: WorkFolder) -> Iterable[Failure]:
    found = [
        msgspec.json.decode(line, type=Failure)
        for path in sorted(folder.parts.glob("failures-*.jsonl"))
        for line in path.read_bytes().splitlines()
    ]
    return sorted(found, key=lambda f: (f.file, f.line, f.id, f.reason))


def complain(text: str) -> None:
    print(f"icans-cds cohort: {text}", file=sys.stderr)
