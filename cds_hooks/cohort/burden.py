"""`icans-cds burden`: what the replayed service would have shown, how often, how early, and whether it was right.

Every figure is worked out from the rows of results.parquet; docs/cohort.md defines each.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from cds_hooks.cohort.results import beside
from cds_hooks.cohort.scanning import path_sql
from cds_hooks.map_command import hint

MOST_CODES = 25
GRADES = (0, 1, 2, 3, 4)


@dataclass(frozen=True, slots=True)
class Alert:
    """Cards of one topic and indicator. `repeats` say the same row as the evaluation before, within 24 h."""

    topic: str
    indicator: str
    cards: int
    patients: int
    repeats: int
    at_orders: int
    per_100_days: float | None


@dataclass(frozen=True, slots=True)
class Agreement:
    """Computed `at_least` (row) against a charted or true grade (column). `excluded`: outside the interval."""

    name: str
    matrix: tuple[tuple[int, ...], ...]
    kappa: float | None
    excluded: int
    pairs: int


@dataclass(frozen=True, slots=True)
class Burden:
    """Everything the report says. Days are patient-days at risk; hours are from the first sign to the first card."""

    rows: int
    patients: int
    exposed: int
    days: int
    silent_rows: int
    cards_without_exposure: int
    alerts: tuple[Alert, ...]
    orders: tuple[int, int]
    hours_to_card: tuple[float, ...]
    never_shown: int
    agreement: tuple[Agreement, ...]
    completeness: tuple[tuple[str, int, int, int], ...]
    grades: tuple[tuple[str, int], ...]
    unread: tuple[tuple[str, str, str, str, int, str], ...]


def burden(results: Path, truth: Path | None = None) -> Burden:
    """Reads the results, the codes beside them, and a file of true grades. Raises duckdb.Error or OSError."""
    con = duckdb.connect(":memory:")
    con.execute("SET TimeZone = 'UTC'")
    con.execute(f"CREATE VIEW r AS SELECT * FROM read_parquet({path_sql(results)})")
    days = _one(con, "SELECT count(DISTINCT struct_pack(p := patient, d := time::DATE)) FROM r WHERE applicable")
    hours = [h for (h,) in con.execute(_FIRST_CARD).fetchall()]
    agreement = [_agreement(con, "charted by clinicians within an hour", _CHARTED)]
    if truth is not None:
        con.execute(f"CREATE VIEW t AS SELECT * FROM read_csv({path_sql(truth)}, header=true)")
        agreement.append(_agreement(con, "known to be true at the time", _TRUE))
    return Burden(
        rows=_one(con, "SELECT count(*) FROM r"),
        patients=_one(con, "SELECT count(DISTINCT patient) FROM r"),
        exposed=_one(con, "SELECT count(DISTINCT patient) FROM r WHERE applicable"),
        days=days,
        silent_rows=_one(con, "SELECT count(*) FROM r WHERE len(cards) = 0"),
        cards_without_exposure=_one(con, "SELECT coalesce(sum(len(cards)), 0) FROM r WHERE NOT applicable"),
        alerts=tuple(_alert(row, days) for row in con.execute(_ALERTS).fetchall()),
        orders=(
            _one(con, "SELECT count(*) FROM r WHERE trigger = 'order'"),
            _one(con, "SELECT count(*) FROM r WHERE trigger = 'order' AND len(cards) > 0"),
        ),
        hours_to_card=tuple(float(h) for h in hours if h is not None),
        never_shown=sum(h is None for h in hours),
        agreement=tuple(agreement),
        completeness=tuple(con.execute(_COMPLETENESS).fetchall()),
        grades=tuple(con.execute(_GRADES).fetchall()),
        unread=_unread(results),
    )


_ALERTS = """
WITH shown AS (SELECT patient, time, trigger, card.topic AS topic, card."row" AS "row", card.indicator AS indicator
               FROM (SELECT patient, time, trigger, unnest(cards) AS card FROM r)),
     marked AS (SELECT *, lag(time) OVER (PARTITION BY patient, topic, "row", indicator ORDER BY time) AS earlier FROM shown)
SELECT topic, indicator, count(*), count(DISTINCT patient), count(*) FILTER (time - earlier <= INTERVAL 24 HOUR),
       count(*) FILTER (trigger = 'order')
FROM marked GROUP BY ALL ORDER BY count(*) DESC, topic, indicator"""
_FIRST_CARD = """
WITH sign AS (SELECT patient, exposure_started, min(time) AS first_sign FROM r WHERE applicable AND at_least >= 1 GROUP BY ALL),
     card AS (SELECT s.patient, s.exposure_started, s.first_sign, min(r.time) AS shown FROM sign s
              LEFT JOIN r ON r.patient = s.patient AND r.exposure_started IS NOT DISTINCT FROM s.exposure_started
                AND r.time >= s.first_sign AND len(r.cards) > 0 GROUP BY ALL)
SELECT epoch(shown - first_sign) / 3600 FROM card ORDER BY patient, exposure_started"""
_CHARTED = """
SELECT at_least, at_most, charted_grade AS other FROM r
WHERE charted_grade IS NOT NULL AND abs(epoch(time - charted_time)) <= 3600 AND at_least IS NOT NULL"""
_TRUE = "SELECT at_least, at_most, t.grade AS other FROM r JOIN t ON r.patient = t.patient AND r.time = t.time::TIMESTAMPTZ WHERE at_least IS NOT NULL"
_COMPLETENESS = """
WITH asked AS (SELECT unnest(list_distinct(list_concat(assessed, unassessed))) AS domain, assessed, fresh FROM r WHERE applicable)
SELECT domain, count(*), count(*) FILTER (list_contains(assessed, domain)), count(*) FILTER (list_contains(fresh, domain))
FROM asked GROUP BY domain ORDER BY domain"""
_GRADES = """
SELECT CASE WHEN at_least IS NULL THEN 'not gradable' WHEN at_least = at_most THEN 'grade ' || at_least
       ELSE 'grade ' || at_least || ' to ' || at_most END AS said, count(*) FROM r WHERE applicable GROUP BY said ORDER BY said"""


def _one(con: duckdb.DuckDBPyConnection, query: str) -> int:
    return int(con.execute(query).fetchall()[0][0])


def _alert(row: Sequence[Any], days: int) -> Alert:
    topic, indicator, cards, patients, repeats, at_orders = row
    return Alert(topic, indicator, cards, patients, repeats, at_orders, 100 * cards / days if days else None)


def _agreement(con: duckdb.DuckDBPyConnection, name: str, query: str) -> Agreement:
    counted: Mapping[tuple[int, int], int] = {
        (low, other): count
        for low, other, count in con.execute(f"SELECT at_least, other, count(*) FROM ({query}) GROUP BY ALL").fetchall()
    }
    matrix = tuple(tuple(counted.get((low, other), 0) for other in GRADES) for low in GRADES)
    excluded = _one(con, f"SELECT count(*) FROM ({query}) WHERE other IN {GRADES} AND other NOT BETWEEN at_least AND at_most")
    return Agreement(name, matrix, weighted_kappa(matrix), excluded, sum(map(sum, matrix)))


def weighted_kappa(matrix: Sequence[Sequence[int]]) -> float | None:
    """Cohen's kappa with quadratic weights; None without pairs, or when chance alone agrees wholly (Cohen 1968)."""
    total, size = sum(map(sum, matrix)), len(matrix)
    if total == 0:
        return None
    rows = [sum(row) for row in matrix]
    columns = [sum(row[j] for row in matrix) for j in range(size)]
    weight = [[(i - j) ** 2 for j in range(size)] for i in range(size)]
    seen = sum(weight[i][j] * matrix[i][j] for i in range(size) for j in range(size))
    chance = sum(weight[i][j] * rows[i] * columns[j] / total for i in range(size) for j in range(size))
    return None if chance == 0 else 1 - seen / chance


def _unread(results: Path) -> tuple[tuple[str, str, str, str, int, str], ...]:
    """The codes that nothing read, those first whose text hints at something that is graded by."""
    listed = beside(results, "codes.csv")
    if not listed.exists():
        return ()
    with listed.open(encoding="utf-8", newline="") as file:
        found = [
            (r["kind"], r["system"], r["code"], r["display"], int(r["count"]), hint(r["kind"], r["display"]))
            for r in csv.DictReader(file)
        ]
    found.sort(key=lambda row: (not row[5], -row[4], row[:3]))
    return tuple(found[:MOST_CODES])
