"""A cohort from synth to burden: the same rows however the export is cut, by whatever engine, killed or not."""

from __future__ import annotations

import gzip
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from charts import ITEM, RXNORM, concept

from cds_hooks.cohort import bundles, choosing, command, duckdb_engine, scanning
from cds_hooks.cohort.burden import burden, weighted_kappa
from cds_hooks.cohort.burden_html import html
from cds_hooks.cohort.grading import BadTimesError, Grader, graded, times
from cds_hooks.cohort.running import Outcome, Task, run
from cds_hooks.cohort.synthetic import Plan, write
from cds_hooks.cohort.synthetic_course import Ward
from fhir_mappers.codes import load_terminology
from fhir_mappers.concept_maps import with_site_maps
from fhir_mappers.site import ANYWHERE, Site
from rules import load_knowledge

ROOT = Path(__file__).parents[2]
BULK = ROOT.parent / "shared" / "corpus" / "dev" / "bulk"
KNOWLEDGE = load_knowledge()
SMALL = Ward(days=6, resources=120, missing_ice=0.1, quirks=0.3)


def graded_cohort(export: Path, out: Path, at: str = "every-assessment", site: Site = ANYWHERE, **more: Any) -> Outcome:
    return run(Task(export, out, Grader(KNOWLEDGE, site, at), jobs=2, **more), lambda *_: None)


def rows(results: Path) -> list[tuple[Any, ...]]:
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    times_as_text = ", ".join(f"{name}::VARCHAR AS {name}" for name in ("time", "exposure_started", "charted_time"))
    return con.execute(f"SELECT * REPLACE ({times_as_text}) FROM '{results}' ORDER BY ALL").fetchall()


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("ward")
    write(Plan(40, 7, out, SMALL))
    return out


@pytest.fixture(scope="module")
def results(ward: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("results") / "results.parquet"
    graded_cohort(ward, out)
    return out


def test_the_same_seed_gives_the_same_bytes_and_says_that_it_is_synthetic(ward: Path, tmp_path: Path) -> None:
    write(Plan(40, 7, tmp_path, SMALL), jobs=2)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {p.name: p.read_bytes() for p in ward.iterdir()}
    for path in ward.glob("*.ndjson"):
        for line in path.read_text(encoding="utf-8").splitlines():
            meta = json.loads(line)["meta"]
            assert meta["security"][0]["code"] == "HTEST"
            assert meta["tag"][0]["code"] == "synthetic"


def test_the_ward_is_valid_r4(ward: Path) -> None:
    from cds_hooks import validate_command

    assert validate_command.run([str(p) for p in sorted(ward.glob("*.ndjson"))], "json") == 0


def test_no_interval_excludes_the_true_grade(results: Path, ward: Path) -> None:
    found = burden(results, ward / "truth.csv")
    true = found.agreement[1]
    assert true.pairs > 300
    assert true.excluded == 0
    assert found.cards_without_exposure == 0
    assert sum(true.matrix[4]) > 0
    assert true.kappa is not None
    assert true.kappa > 0.9


def test_a_site_code_is_read_by_its_map_only(tmp_path: Path) -> None:
    write(Plan(12, 3, tmp_path / "ward", Ward(days=4, resources=80, unexposed=0, site_codes=1)))
    mapped = Site(None, with_site_maps(load_terminology(), [tmp_path / "ward" / "site-codes.json"]))
    graded_cohort(tmp_path / "ward", tmp_path / "without.parquet")
    graded_cohort(tmp_path / "ward", tmp_path / "with.parquet", site=mapped)
    without, having = burden(tmp_path / "without.parquet"), burden(tmp_path / "with.parquet")
    assert {d: n for d, _, n, _ in without.completeness}["ice"] == 0
    assert {d: n for d, _, n, _ in having.completeness}["ice"] > 100
    assert without.unread[0][2:] == ("4711", "ICE total", without.unread[0][4], "ice-score")


def cut(ward: Path, to: Path, files: int, seed: int) -> None:
    """The same lines over another number of files, some gzipped, some with CRLF, some lines twice."""
    lines = [line for path in sorted(ward.glob("*.ndjson")) for line in path.read_bytes().splitlines()]
    chance = random.Random(seed)
    chance.shuffle(lines)
    lines += lines[::97]
    for number in range(files):
        body = (b"\r\n" if number % 3 == 1 else b"\n").join(lines[number::files]) + b"\n\n"
        folder = to / str(number % 4)
        folder.mkdir(parents=True, exist_ok=True)
        if number % 2:
            (folder / f"part{number}.ndjson.gz").write_bytes(gzip.compress(body))
        else:
            (folder / f"Observation.{number:03d}.ndjson").write_bytes(body)


def test_the_rows_do_not_depend_on_how_the_export_is_cut(ward: Path, results: Path, tmp_path: Path) -> None:
    expected = rows(results)
    assert len(expected) > 400
    for files, seed in ((1, 1), (23, 2)):
        cut(ward, tmp_path / str(files), files, seed)
        outcome = graded_cohort(tmp_path / str(files), tmp_path / f"{files}.parquet")
        assert outcome.failures == 0
        assert rows(tmp_path / f"{files}.parquet") == expected


def test_a_folder_of_bundles_gives_the_same_rows(ward: Path, results: Path, tmp_path: Path) -> None:
    people: dict[str, list[Any]] = {}
    for path in ward.glob("*.ndjson"):
        for line in path.read_text(encoding="utf-8").splitlines():
            resource = json.loads(line)
            name = resource["subject"]["reference"].split("/")[1] if "subject" in resource else resource["id"]
            people.setdefault(name, []).append({"resource": resource})
    (tmp_path / "bundles").mkdir()
    for name, entries in people.items():
        body = json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}, indent=2)
        (tmp_path / "bundles" / f"{name}.json").write_text(body, encoding="utf-8")
    (tmp_path / "bundles" / "broken.json").write_text('{"resourceType": "Bundle", "entry": [', encoding="utf-8")
    outcome = graded_cohort(tmp_path / "bundles", tmp_path / "b.parquet")
    # records that nothing reads stay in a bundle, so that more of them are named: issues and notes may be more
    keep = slice(0, 19)
    assert [row[keep] for row in rows(tmp_path / "b.parquet")] == [row[keep] for row in rows(results)]
    assert outcome.failures == 1
    assert "broken.json" in (tmp_path / "b.errors.csv").read_text(encoding="utf-8")


def test_bad_lines_and_patients_are_told_and_stop_nothing(
    ward: Path, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut(ward, tmp_path / "export", 5, 3)
    bad = [b'{"resourceType": "Observation",', b"[1]", b'{"id": "x"}', b'{"resourceType":"Condition","id":"c","subject":{"identifier":{"value":"1"}}}']
    bad += [b'{"resourceType":"Observation","id":"o","note":"\xff"}', b"null", b'"text"']
    (tmp_path / "export" / "bad.ndjson").write_bytes(b"\n".join(bad) + b"\n")
    outcome = graded_cohort(tmp_path / "export", tmp_path / "r.parquet")
    assert rows(tmp_path / "r.parquet") == rows(results)
    told = (tmp_path / "r.errors.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert outcome.failures == len(bad) == len(told)
    for number in range(1, len(bad) + 1):
        assert any(f"bad.ndjson,{number}," in line for line in told), number
    assert any(",4,c,names no patient" in line for line in told)

    def crash(*_: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(duckdb_engine, "graded", crash)
    found, failure = duckdb_engine.attempt("p", [], Grader(KNOWLEDGE, ANYWHERE))
    assert found == []
    assert failure is not None
    assert failure.id == "Patient/p"
    assert "RuntimeError: a bug" in failure.reason


def test_the_choice_of_lines_is_the_same_in_sql_and_in_python(ward: Path, tmp_path: Path) -> None:
    odd: list[dict[str, Any]] = [
        {"resourceType": "Observation", "id": str(n), "subject": {"reference": reference}, "code": code, **more}
        for n, (reference, code, more) in enumerate(
            (reference, code, more)
            for reference in ("Patient/p", "http://h/fhir/Patient/p/_history/2", "urn:uuid:p", "#p", "")
            for code in (
                concept(ITEM, "ice-score"), concept("x", "unknown"), {"text": "ICE"}, {"coding": {"code": "9"}}, {}, {"coding": [None]},
                {"coding": [{"code": "a"}, {"code": "b"}, {"code": "c"}, {"code": "ice-score"}]}, {"coding": [{"code": str(i)} for i in range(6)]},
            )
            for more in ({}, {"component": [{"code": {}}]}, {"component": []})
        )
    ]  # fmt: skip
    odd += [
        {"resourceType": kind, "id": "d", where: {"reference": "Patient/q"}, name: drug}
        for kind, where in (("MedicationRequest", "subject"), ("MedicationAdministration", "subject"), ("AllergyIntolerance", "patient"))
        for name, drug in (
            ("medicationCodeableConcept", concept(RXNORM, "3264")), ("medicationCodeableConcept", {"text": "Dexamethasone 4 mg"}),
            ("medicationCodeableConcept", concept(RXNORM, "1")), ("medicationReference", {"reference": "Medication/m"}),
            ("medicationReference", {"reference": "#m"}), ("code", concept(RXNORM, "3264")), ("code", {"text": "penicillin"}),
        )
    ]  # fmt: skip
    odd += [{"resourceType": "Patient", "id": "p"}, {"resourceType": "Patient"}, {"resourceType": "Encounter"}, {"resourceType": "Medication", "id": "m"}]
    odd += [{"resourceType": "QuestionnaireResponse", "subject": {"reference": "Patient/p"}}, {"resourceType": "Procedure", "code": concept("x", "y")}]
    lines = [json.dumps(one) for one in odd] + ['{"a"', "[]", '{"resourceType": null}'] + (ward / "Observation.00000.ndjson").read_text().splitlines()[:500]
    path = tmp_path / "odd.ndjson"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    codes = load_terminology()
    con = duckdb.connect()
    con.execute("SET threads = 1")
    sql = scanning.kept_sql(scanning.lines_sql([path]), codes, 1)
    by_sql = [_sql_row(*row) for row in con.execute(sql).fetchall() if row[0] > -4]
    assert sorted(by_sql, key=repr) == sorted(_python_rows(choosing.Chooser(codes), lines), key=repr)


def _sql_row(bucket: int, patient: str | None, raw: str, medication: str | None) -> tuple[Any, ...]:
    told = json.loads(raw) if bucket in (-1, -2) else {}
    unread = tuple(told[name] for name in ("system", "code", "display")) if bucket == -1 else ()
    return bucket, patient or "", "" if told else raw, medication or "", unread, told.get("reason", "")


def _python_rows(chooser: choosing.Chooser, lines: list[str]) -> Iterator[tuple[Any, ...]]:
    for line in lines:
        found = chooser.judge(line.encode())
        if found.reason is not None:
            yield -2, found.patient, "", "", (), found.reason
        elif found.kind == "Medication":
            yield -3, found.patient, found.raw, "", (), ""
        elif found.unread is not None:
            yield -1, found.patient, "", "", found.unread, ""
        elif found.raw is not None:
            yield 0, found.patient, found.raw, found.medication, (), ""


def test_a_medication_in_a_file_of_its_own_reaches_its_patient(tmp_path: Path) -> None:
    given = {"resourceType": "MedicationAdministration", "id": "a", "status": "completed", "subject": {"reference": "Patient/p"}}
    given |= {"medicationReference": {"reference": "Medication/m"}, "effectiveDateTime": "2026-01-01T08:00:00Z"}
    score = {"resourceType": "Observation", "id": "o", "status": "final", "subject": {"reference": "Patient/p"}, "code": concept(ITEM, "ice-score")}
    score |= {"valueInteger": 8, "effectiveDateTime": "2026-01-01T20:00:00Z"}
    (tmp_path / "in").mkdir()
    for name, body in (("a", given), ("o", score), ("m", {"resourceType": "Medication", "id": "m", "code": concept(RXNORM, "1597258")})):
        (tmp_path / "in" / f"{name}.ndjson").write_text(json.dumps(body) + "\n", encoding="utf-8")
    graded_cohort(tmp_path / "in", tmp_path / "r.parquet", "last")
    con = duckdb.connect()
    assert con.execute(f"SELECT patient, exposure, at_least FROM '{tmp_path / 'r.parquet'}'").fetchall() == [("p", "blinatumomab", 1)]


START = "from cds_hooks.cli import main\nif __name__ == '__main__': main()"


def _lives(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_killed_run_resumes_to_the_same_rows(ward: Path, results: Path, tmp_path: Path) -> None:
    out = tmp_path / "killed.parquet"
    command = [sys.executable, "-c", START, "cohort", str(ward), "--out", str(out), "--at", "every-assessment", "--jobs", "1"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)
    parts = tmp_path / "killed.parquet.work" / "parts"
    until = time.monotonic() + 120
    while len(list(parts.glob("rows-*.jsonl"))) < 2 and time.monotonic() < until and process.poll() is None:
        time.sleep(0.005)
    helpers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.kill()  # it alone: the processes that grade have to end by themselves
    process.wait(timeout=10)
    assert helpers
    while any(_lives(pid) for pid in helpers):
        assert time.monotonic() < until, "a killed run left its processes behind"
        time.sleep(0.01)
    done = {path.name: path.stat().st_mtime_ns for path in parts.glob("rows-*.jsonl")}
    assert done
    assert not out.exists()
    again = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=True)
    assert "(resumed)" in again.stdout
    assert rows(out) == rows(results)
    assert not parts.exists()


HOLD = """
import sys
from pathlib import Path
from cds_hooks.cohort.work_folder import WorkFolder
with WorkFolder(Path(sys.argv[1])).alone():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_two_runs_do_not_take_each_others_parts_away(ward: Path, results: Path, tmp_path: Path) -> None:
    """The one that comes second is refused; after a kill of the first it is not."""
    out = tmp_path / "r.parquet"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(out)], env=os.environ | {"PYTHONPATH": str(ROOT)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"held\n"
        with pytest.raises(OSError, match="another run works here"):
            graded_cohort(ward, out)
        first.kill()
    graded_cohort(ward, out)
    assert rows(out) == rows(results)


def test_results_that_are_a_folder_are_refused_before_anything_is_read(ward: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run(Task(ward, tmp_path, Grader(KNOWLEDGE, ANYWHERE)), "duckdb", None) == command.FAILED
    assert capsys.readouterr().err == f"icans-cds cohort: {tmp_path}: is a folder; the name of a file was expected\n"


def test_orders_and_a_grid_are_asked(ward: Path, tmp_path: Path) -> None:
    graded_cohort(ward, tmp_path / "orders.parquet", "every-order")
    graded_cohort(ward, tmp_path / "grid.parquet", "grid:12h")
    asked, shown = burden(tmp_path / "orders.parquet").orders
    orders = [line for path in ward.glob("MedicationRequest*") for line in path.read_text(encoding="utf-8").splitlines()]
    assert asked == sum('"acetaminophen"' not in line for line in orders) > 40
    assert 0 < shown <= asked
    con = duckdb.connect()
    gaps = con.execute(
        f"SELECT DISTINCT time - lag(time) OVER (PARTITION BY patient ORDER BY time) AS gap FROM '{tmp_path / 'grid.parquet'}' WHERE trigger = 'grid'"
    ).fetchall()
    assert {gap.total_seconds() / 3600 for (gap,) in gaps if gap is not None} == {12}
    for wrong in ("grid:0h", "grid:6", "daily", "grid:-1h"):
        with pytest.raises(BadTimesError, match="was expected"):
            times(wrong)


def test_a_chart_as_it_stood_knows_nothing_of_later(ward: Path) -> None:
    """Whatever is charted after an instant changes nothing of the row at that instant."""
    lines = [line for path in ward.glob("*.ndjson") for line in path.read_text(encoding="utf-8").splitlines()]
    patient = next(json.loads(line)["subject"]["reference"] for line in lines if '"MedicationAdministration"' in line)
    own = [line for line in lines if f'"{patient}"' in line or f'"{patient[8:]}"' in line]
    grader = Grader(KNOWLEDGE, ANYWHERE, "every-assessment")
    whole = graded(patient[8:], [(line.encode(), None) for line in own], grader)
    middle = whole[len(whole) // 2]["time"]
    earlier = [line for line in own if (json.loads(line).get("effectiveDateTime") or json.loads(line).get("authoredOn") or "") <= middle]
    assert len(earlier) < len(own)
    assert graded(patient[8:], [(line.encode(), None) for line in earlier], grader) == whole[: len(whole) // 2 + 1]


def test_a_first_card_is_of_its_course_and_only_grades_of_the_table_are_compared(tmp_path: Path) -> None:
    day = "2026-01-{:02d}T08:00:00Z"
    sql = []
    for start, at, cards in ((1, 2, 0), (15, 16, 1)):
        card = "{'topic': 't', 'row': 'r', 'indicator': 'warning'}" if cards else ""
        sql.append(
            f"SELECT 'p' AS patient, '{day.format(at)}'::TIMESTAMPTZ AS time, 'assessment' AS trigger, true AS applicable, '{day.format(start)}'::TIMESTAMPTZ AS exposure_started, "
            f"1 AS at_least, 1 AS at_most, NULL::TINYINT AS charted_grade, NULL::TIMESTAMPTZ AS charted_time, ['ice'] AS assessed, ['ice'] AS fresh, []::VARCHAR[] AS unassessed, "
            f"[{card}]::STRUCT(topic VARCHAR, \"row\" VARCHAR, indicator VARCHAR)[] AS cards"
        )
    duckdb.sql(f"COPY ({' UNION ALL '.join(sql)}) TO '{tmp_path / 'r.parquet'}' (FORMAT parquet)")
    truth = tmp_path / "truth.csv"
    truth.write_text(f"patient,time,grade\np,{day.format(2)},5\np,{day.format(16)},3\n", encoding="utf-8")
    found = burden(tmp_path / "r.parquet", truth)
    assert (found.hours_to_card, found.never_shown) == ((0.0,), 1)
    assert [(one.pairs, one.excluded) for one in found.agreement] == [(0, 0), (1, 1)]


def test_kappa_is_cohens() -> None:
    assert weighted_kappa([[10, 0], [0, 10]]) == 1
    assert weighted_kappa([[5, 5], [5, 5]]) == 0
    assert weighted_kappa([[0, 0], [0, 0]]) is None
    # by hand: rows 3, 3, 4 and columns 3, 3, 4 of 10; seen 1 + 1 + 4 = 6; chance (9 + 9 + 12 + 12 + 4 x 24) / 10 = 13.8
    assert weighted_kappa([[2, 1, 0], [0, 2, 1], [1, 0, 3]]) == pytest.approx(1 - 6 / 13.8)


def test_the_page_asks_no_other_host(results: Path, ward: Path) -> None:
    page = html(burden(results, ward / "truth.csv"), "<ward>")
    assert page.count("<svg") >= 3
    assert "&lt;ward&gt;" in page
    assert "<script" not in page
    for loading in ("src=", "@import", "url(http", "<link"):
        assert loading not in page


def test_nobody_without_exposure_gets_a_card(tmp_path: Path) -> None:
    write(Plan(20, 9, tmp_path / "ward", Ward(days=3, resources=60, unexposed=1)))
    for export, patients, rows_, told in ((tmp_path / "ward", 20, 20, 0), *(((BULK, 149, 138, 4),) if BULK.is_dir() else ())):
        outcome = graded_cohort(export, tmp_path / "r.parquet", "last")
        assert (outcome.patients, outcome.rows, outcome.timeless, outcome.failures) == (patients, rows_, patients - rows_, told)
        con = duckdb.connect()
        assert con.execute(f"SELECT sum(len(cards)) FROM '{tmp_path / 'r.parquet'}'").fetchall() == [(0,)]
        errors = (tmp_path / "r.errors.csv").read_text(encoding="utf-8").splitlines()[1:]
        assert len(errors) == told
        assert all("log.ndjson.gz" in line and "has no resourceType" in line for line in errors)


def test_a_patient_without_any_time_has_no_row_and_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seen = {"resourceType": "Observation", "id": "o", "subject": {"reference": "Patient/seen"}, "effectiveDateTime": "2026-01-01T20:00:00Z"}
    charts = ({"resourceType": "Patient", "id": "timeless"}, seen | {"status": "final", "code": concept(ITEM, "ice-score"), "valueInteger": 9})
    (tmp_path / "all.ndjson").write_text("\n".join(map(json.dumps, charts)), encoding="utf-8")
    task = Task(tmp_path / "all.ndjson", tmp_path / "r.parquet", Grader(KNOWLEDGE, ANYWHERE))
    assert command.run(task, "duckdb", None) == 0
    said = capsys.readouterr().out
    assert said.startswith("1 evaluations of 2 patients")
    assert "no time to evaluate at: 1\n" in said
    assert json.loads((tmp_path / "r.run.json").read_text(encoding="utf-8"))["timeless"] == 1


@pytest.mark.parametrize("how", ["one byte changed", "cut short", "check sum lost", "deflate broken", "no gzip", "empty"])
def test_a_damaged_gzip_stops_the_run_and_is_named(ward: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], how: str) -> None:
    """DuckDB takes changed bytes as they come: one digit of a score, and the grade is another."""
    export = tmp_path / "export"
    export.mkdir()
    for path in ward.glob("*.ndjson"):
        (export / path.name).write_bytes(path.read_bytes())
    body = (export / "Observation.00000.ndjson").read_bytes()
    (export / "Observation.00000.ndjson").unlink()
    stored, packed = gzip.compress(body, 0), gzip.compress(body)
    at = stored.index(b'"value":') + len(b'"value":')
    middle = len(packed) // 2
    damaged = {
        "one byte changed": stored[:at] + b"9" + stored[at + 1 :],
        "cut short": packed[:-2000],
        "check sum lost": packed[:-8],
        "deflate broken": packed[:middle] + bytes(one ^ 0x5A for one in packed[middle : middle + 200]) + packed[middle + 200 :],
        "no gzip": body,
        "empty": b"",
    }[how]
    assert damaged not in (stored, packed)
    (export / "Observation.00000.ndjson.gz").write_bytes(damaged)
    task = Task(export, tmp_path / "r.parquet", Grader(KNOWLEDGE, ANYWHERE))
    assert command.run(task, "duckdb", None) == command.FAILED
    said = capsys.readouterr().err
    assert f"{export / 'Observation.00000.ndjson.gz'}: its gzip is damaged (" in said
    assert "nothing was graded" in said
    assert not (tmp_path / "r.parquet").exists()
    with pytest.raises(OSError, match="damaged"):
        list(choosing.lines_of("Observation.00000.ndjson.gz", damaged))
    (export / "Observation.00000.ndjson.gz").write_bytes(packed)  # got again: the same command goes on
    assert command.run(task, "duckdb", None) == command.DONE


def test_a_bundle_file_that_is_none_is_counted(tmp_path: Path) -> None:
    packed = gzip.compress(b'{"resourceType":"Bundle","type":"collection","entry":[]}' * 9)
    for name, content, problem in (
        ("damaged.json.gz", packed[:20] + b"\xff\xff\xff" + packed[23:], "its gzip is damaged"),
        ("request.json", b'{"request":{"prefetch":{"a":{"resourceType":"Patient","id":"p"}}}}', "has no resourceType"),
    ):
        (tmp_path / name).write_bytes(content)
        (failure,) = bundles.unbundle(tmp_path / name, tmp_path / "to.jsonl")
        assert failure.file == str(tmp_path / name)
        assert problem in failure.reason


@pytest.mark.parametrize("name", ["year[2025]", "a*b?", "it's [1]"])
def test_a_path_means_itself_whatever_its_characters(ward: Path, results: Path, tmp_path: Path, name: str) -> None:
    """DuckDB takes *, ? and [ for a pattern: another folder was graded, and said so nowhere."""
    for twin in ("year2", "axbx", "it's 1"):
        (tmp_path / twin / "0").mkdir(parents=True)
        (tmp_path / twin / "0" / "Observation.000.ndjson").write_text('{"resourceType":"Patient","id":"of-another"}\n', encoding="utf-8")
        (tmp_path / f"{twin}.parquet").write_bytes(b"another")
    cut(ward, tmp_path / name, 5, 3)
    out = tmp_path / f"{name}.parquet"
    graded_cohort(tmp_path / name, out)
    assert burden(out).rows == len(rows(results))
    out.rename(tmp_path / "plain.parquet")
    assert rows(tmp_path / "plain.parquet") == rows(results)


def test_a_folder_that_may_not_be_read_is_said(ward: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may read all, so that the refusal is made here."""
    cut(ward, tmp_path / "export" / "a", 2, 1)
    (tmp_path / "export" / "b").mkdir()
    scandir = os.scandir

    def refusing(path: Any) -> Any:
        if Path(path).name == "b":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(PermissionError, match="b"):
        graded_cohort(tmp_path / "export", tmp_path / "r.parquet")


def test_results_may_lie_in_the_export(ward: Path, results: Path, tmp_path: Path) -> None:
    """What a killed run left there is no data."""
    cut(ward, tmp_path, 3, 1)
    left = tmp_path / "r.parquet.work" / "parts"
    left.mkdir(parents=True)
    (left / "failures-000001.jsonl").write_text('{"no": "resource"}\n', encoding="utf-8")
    assert graded_cohort(tmp_path, tmp_path / "r.parquet").failures == 0
    assert rows(tmp_path / "r.parquet") == rows(results)


def test_an_export_that_is_not_there_is_said(tmp_path: Path) -> None:
    for given in (tmp_path / "none", tmp_path):
        with pytest.raises(scanning.NoExport, match="was expected"):
            graded_cohort(given, tmp_path / "r.parquet")
    (tmp_path / "x.json").write_bytes(b"\xff")
    assert bundles.unbundle(tmp_path / "x.json", tmp_path / "to.jsonl")[0].file == str(tmp_path / "x.json")
