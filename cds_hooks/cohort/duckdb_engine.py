"""The embedded engine: DuckDB scans, filters and spreads the patients over buckets on disk; processes grade them.

Memory is bounded by the settings below, not by the number of patients: DuckDB spills, a worker holds one
patient at a time.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Sequence
from itertools import groupby
from multiprocessing import parent_process
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import duckdb
import msgspec

from cds_hooks.cohort.grading import Grader, Lines, graded
from cds_hooks.cohort.scanning import NOT_UTF8, TOO_LONG, kept_sql, lines_sql, path_sql, quoted
from cds_hooks.cohort.work_folder import Failure, WorkFolder, put

if TYPE_CHECKING:
    from fhir_mappers.codes import Terminology

SCAN_MEMORY, WORKER_MEMORY = "1GB", "192MB"
BUCKET_BYTES = 48_000_000
MOST_BUCKETS = 512
AT_ONCE = 2_000
STAGED_ROWS = 2_048
"""Rows that a thread gathers before they go to their buckets, and rows of a group on disk.

One vector of DuckDB. By default it gathers so many that the pages and the spilling cost more than the scan.
"""
_GZIP_RATIO = 10


def connect(folder: WorkFolder, memory: str, threads: int) -> duckdb.DuckDBPyConnection:
    """A DuckDB that spills into the work folder."""
    found = duckdb.connect(":memory:")
    found.execute(f"SET threads = {threads}")
    found.execute(f"SET memory_limit = '{memory}'")
    found.execute(f"SET temp_directory = {quoted(str(folder.spill))}")
    found.execute("SET preserve_insertion_order = false")
    return found


def buckets_for(files: Sequence[Path], jobs: int) -> int:
    """So many parts that each is small, and every process has several."""
    size = sum(path.stat().st_size * (_GZIP_RATIO if path.suffix == ".gz" else 1) for path in files)
    return max(4 * jobs, min(MOST_BUCKETS, size // BUCKET_BYTES + 1))


def stage(con: duckdb.DuckDBPyConnection, files: Sequence[Path], buckets: int, codes: Terminology, to: Path) -> None:
    """One pass over the files: the kept lines by bucket, what was not read by code, the bad lines."""
    _copy(con, kept_sql(lines_sql(files), codes, buckets), to, "lines")
    con.execute("CREATE OR REPLACE TABLE rejected AS SELECT file_path, line, error_type FROM reject_errors JOIN reject_scans USING (scan_id, file_id)")
    _medications(con, to)


def add_records(con: duckdb.DuckDBPyConnection, records: Path, buckets: int, to: Path) -> None:
    """Stages records that were taken out of bundles: patient, raw and url, one JSON a line."""
    shape = "{'patient': 'VARCHAR', 'raw': 'VARCHAR', 'url': 'VARCHAR'}"
    names = path_sql(records, "*.jsonl")
    source = (
        f"SELECT (hash(patient) % {buckets})::INTEGER AS bucket, patient, raw, url "
        f"FROM read_json({names}, columns={shape}, format='newline_delimited', maximum_object_size=64000000)"
    )
    _copy(con, source, to, "bundles")


def _copy(con: duckdb.DuckDBPyConnection, source: str, to: Path, name: str) -> None:
    con.execute(f"SET partitioned_write_flush_threshold = {STAGED_ROWS}")
    con.execute(
        f"COPY ({source}) TO {quoted(str(to))} (FORMAT parquet, PARTITION_BY (bucket), COMPRESSION zstd, "
        f"ROW_GROUP_SIZE {STAGED_ROWS}, OVERWRITE_OR_IGNORE, FILENAME_PATTERN '{name}_{{i}}')"
    )


def _medications(con: duckdb.DuckDBPyConnection, to: Path) -> None:
    """Gives each patient the Medications its records refer to: a Bulk export keeps them in a file of their own."""
    if not any((to / "bucket=-3").glob("*.parquet")):
        return
    every = path_sql(to, "bucket=*/lines_*.parquet")
    listed = path_sql(to, "bucket=-3/lines_*.parquet")
    wanted = f"SELECT DISTINCT bucket, patient, medication FROM read_parquet({every}, hive_partitioning=true) WHERE bucket >= 0 AND medication <> ''"
    source = (
        "SELECT w.bucket, w.patient, m.raw, NULL::VARCHAR AS medication "
        f"FROM ({wanted}) w JOIN read_parquet({listed}) m ON m.patient = w.medication"
    )
    _copy(con, source, to, "medications")


def staged_buckets(stage_folder: Path) -> list[int]:
    """The buckets that hold patients."""
    numbers = (int(one.name.removeprefix("bucket=")) for one in stage_folder.glob("bucket=*"))
    return sorted(number for number in numbers if number >= 0)


def patients_in(con: duckdb.DuckDBPyConnection, stage_folder: Path, buckets: Sequence[int]) -> dict[int, int]:
    """How many patients each bucket holds."""
    if not buckets:
        return {}
    every = path_sql(stage_folder, "bucket=*/*.parquet")
    rows = con.execute(
        f"SELECT bucket, count(DISTINCT patient) FROM read_parquet({every}, hive_partitioning=true) WHERE bucket >= 0 GROUP BY bucket"
    ).fetchall()
    return dict(rows)


_held: list[tuple[Grader, duckdb.DuckDBPyConnection]] = []
"""What a process of the pool keeps from part to part."""


def begin(grader: Grader, folder: WorkFolder) -> None:
    """Prepares a process of the pool. What a patient leaves is freed by counting: the cycle collector may come seldom."""
    _end_with_parent()
    reader = connect(folder, WORKER_MEMORY, 1)
    reader.execute("SET preserve_insertion_order = true")
    _held[:] = [(grader, reader)]
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)


def _end_with_parent() -> None:
    """A run that is killed takes its processes along: they would wait for their next part forever."""
    parent = parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def grade_bucket(folder: WorkFolder, number: int) -> tuple[int, int]:
    """Grades the patients of one bucket and writes its part (0 is the scan's). Returns patients and rows."""
    ((grader, reader),) = _held
    patients, failures = 0, []
    rows: list[bytes] = []
    for patient, lines in _patients(reader, folder, number):
        patients += 1
        found, failure = attempt(patient, lines, grader)
        rows += found
        if failure is not None:
            failures.append(msgspec.json.encode(failure))
    put(folder.failures(number + 1), failures)
    put(folder.part(number + 1), rows)
    return patients, len(rows)


def attempt(patient: str, lines: Lines, grader: Grader) -> tuple[list[bytes], Failure | None]:
    """The rows of one patient; a patient that cannot be graded is told, and never stops the run."""
    try:
        return [msgspec.json.encode(row) for row in graded(patient, lines, grader)], None
    except Exception as problem:  # noqa: BLE001 - one patient of a million must not cost the others
        return [], Failure("", 0, f"Patient/{patient}", f"could not be graded: {type(problem).__name__}: {problem}"[:300])


def _patients(reader: duckdb.DuckDBPyConnection, folder: WorkFolder, number: int) -> Iterator[tuple[str, Lines]]:
    staged = sorted((folder.stage / f"bucket={number}").glob("*.parquet"))
    url = "url" if any(path.name.startswith("bundles_") for path in staged) else "NULL"
    files = ", ".join(path_sql(path) for path in staged)
    found = reader.execute(f"SELECT patient, encode(raw), {url} FROM read_parquet([{files}]) ORDER BY patient")
    for patient, rows in groupby(_fetched(found), key=lambda row: row[0]):
        yield patient, [(raw, url) for _, raw, url in rows]


def _fetched(found: Any) -> Iterator[tuple[str, bytes, str | None]]:
    while rows := found.fetchmany(AT_ONCE):
        yield from rows


def rejected(con: duckdb.DuckDBPyConnection) -> list[Failure]:
    """The lines that the scan could not even take as text."""
    rows = con.execute("SELECT file_path, line, error_type FROM rejected").fetchall()
    return [Failure(file, line, "", TOO_LONG if "LINE" in str(kind) else NOT_UTF8) for file, line, kind in rows]
