"""The results on disk: one Parquet row an evaluation, and the codes that nothing read. docs/cohort.md says what is in it."""

from __future__ import annotations

from pathlib import Path

import duckdb

from cds_hooks.cohort.scanning import path_sql, quoted
from cds_hooks.cohort.work_folder import WorkFolder

COLUMNS = {
    "patient": "VARCHAR",
    "time": "TIMESTAMPTZ",
    "trigger": "VARCHAR",
    "order": "VARCHAR",
    "applicable": "BOOLEAN",
    "presumed": "BOOLEAN",
    "exposure": "VARCHAR",
    "exposure_started": "TIMESTAMPTZ",
    "at_least": "TINYINT",
    "at_most": "TINYINT",
    "status": "VARCHAR",
    "tool": "VARCHAR",
    "determining": "VARCHAR[]",
    "assessed": "VARCHAR[]",
    "fresh": "VARCHAR[]",
    "unassessed": "VARCHAR[]",
    "charted_grade": "TINYINT",
    "charted_time": "TIMESTAMPTZ",
    "cards": 'STRUCT(topic VARCHAR, "row" VARCHAR, indicator VARCHAR)[]',
    "issues": "INTEGER",
    "notes": "INTEGER",
}
"""Name and DuckDB type of each column of the results."""


def beside(results: Path, ending: str) -> Path:
    """A file that belongs to the results: the same name with another ending."""
    return results.with_name(f"{results.name.removesuffix('.parquet')}.{ending}")


def write_results(con: duckdb.DuckDBPyConnection, folder: WorkFolder, results: Path) -> tuple[int, int]:
    """The rows of all parts by patient, time and order, as one Parquet file. Returns how many, and of how many patients."""
    con.execute("SET TimeZone = 'UTC'")
    con.execute("SET preserve_insertion_order = true")
    parts = [path for path in sorted(folder.parts.glob("rows-*.jsonl")) if path.stat().st_size]
    names = ", ".join(path_sql(path) for path in parts)
    shape = ", ".join(f"{quoted(name)}: {quoted(kind)}" for name, kind in COLUMNS.items())
    source = f"read_json([{names}], columns={{{shape}}}, format='newline_delimited', maximum_object_size=64000000)"
    if not parts:
        empty = ", ".join(f'NULL::{kind} AS "{name}"' for name, kind in COLUMNS.items())
        source = f"(SELECT {empty} WHERE false)"
    passing = results.with_name(results.name + ".half")
    con.execute(
        f'COPY (SELECT * FROM {source} ORDER BY patient, time, "order") TO {quoted(str(passing))} (FORMAT parquet, COMPRESSION zstd)'
    )
    passing.replace(results)
    ((rows, patients),) = con.execute(f"SELECT count(*), count(DISTINCT patient) FROM read_parquet({path_sql(results)})").fetchall()
    return rows, patients


def write_codes(con: duckdb.DuckDBPyConnection, folder: WorkFolder, to: Path) -> None:
    """The codes of the records that did not leave the scan, by how often they came."""
    unread = sorted((folder.stage / "bucket=-1").glob("*.parquet"))
    counted = folder.stage / "codes.jsonl"
    shape = "{'kind': 'VARCHAR', 'system': 'VARCHAR', 'code': 'VARCHAR', 'display': 'VARCHAR', 'count': 'BIGINT'}"
    if counted.exists() and counted.stat().st_size:
        source = f"SELECT * FROM read_json({path_sql(counted)}, columns={shape}, format='newline_delimited')"
    elif unread:
        names = ", ".join(path_sql(path) for path in unread)
        told = f"SELECT json_extract_string(raw, ['/kind', '/system', '/code', '/display']) AS x FROM read_parquet([{names}])"
        source = f"SELECT x[1] AS kind, x[2] AS system, x[3] AS code, min(x[4]) AS display, count(*) AS count FROM ({told}) GROUP BY ALL"
    else:
        source = "SELECT '' AS kind, '' AS system, '' AS code, '' AS display, 0 AS count WHERE false"
    ordered = f"SELECT * FROM ({source}) ORDER BY count DESC, kind, system, code"
    con.execute(f"COPY ({ordered}) TO {quoted(str(to))} (FORMAT csv, HEADER)")
