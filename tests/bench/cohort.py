"""The cohort beside DuckDB alone on the same files: speed, growth with the number of patients, peak memory.

    python tests/bench/cohort.py [--patients 100,1000,10000] [--jobs 2] [--rounds 3] [--write docs/benchmarks-cohort.md]

DuckDB alone reads the same lines, takes the reference to the patient out of each and groups the lines by it: once with
as much memory as it likes, once with the 1 GB that the cohort's DuckDB gets, where it spills as the cohort must.
Each runs in a process of its own, in turn; seconds are of the wall, CPU seconds of all their processes, each the
median of the rounds with the least and the most beside it: what DuckDB alone takes varies by half from run to run.
Memory is the highest sum over a process and its children. The export is synthetic, 300 resources a patient, one
evaluation each. All start a Python: the cohort reads its knowledge and code in about 0.7 s, DuckDB alone starts in 0.15 s.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from cds_hooks.cohort.duckdb_engine import SCAN_MEMORY
from cds_hooks.cohort.scanning import lines_sql

ROOT = Path(__file__).parents[2]
LEAST_SHARE = 0.25  # of the speed of DuckDB alone (plan, step 8)
ALONE = """
import sys, duckdb
con = duckdb.connect()
con.execute(f"SET threads = {sys.argv[2]}"); con.execute("SET preserve_insertion_order = false")
if len(sys.argv) > 3: con.execute(f"SET memory_limit = '{sys.argv[3]}'"); con.execute(f"SET temp_directory = '{sys.argv[4]}'")
print(con.execute(sys.argv[1]).fetchall())
"""
PATIENT = "coalesce(json_extract_string(line, '/subject/reference'), 'Patient/' || json_extract_string(line, '/id'))"
COHORT = "from cds_hooks.cli import main\nif __name__ == '__main__': main()"


@dataclass(frozen=True, slots=True)
class Run:
    """What one process with its children took: seconds of the wall and of the CPU, MB at the highest."""

    wall: float
    cpu: float
    memory: float
    said: str


def run(command: list[str]) -> Run:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    peak = [0.0]
    watcher = threading.Thread(target=_watch, args=(process, peak), daemon=True)
    watcher.start()
    said, _ = process.communicate()
    wall = time.perf_counter() - began
    watcher.join()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode:
        raise SystemExit(f"{command[-3:]} ended with {process.returncode}")
    return Run(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, peak[0], said)


def alone(export: Path, jobs: str, *bounded: str) -> list[str]:
    """The command of DuckDB alone: it is given the SQL, and reads nothing of ours. `bounded`: memory, folder to spill to."""
    lines = lines_sql(sorted(export.glob("*.ndjson")))
    groups = f"SELECT {PATIENT} AS patient, len(list(line)) AS n FROM {lines} GROUP BY patient"
    return [sys.executable, "-c", ALONE, f"SELECT count(*), sum(n) FROM ({groups})", jobs, *bounded]


@dataclass(frozen=True, slots=True)
class Rounds:
    """What several runs of one command took: the median, and the least and the most beside it."""

    runs: list[Run]

    @property
    def wall(self) -> float:
        return median(one.wall for one in self.runs)

    @property
    def cpu(self) -> float:
        return median(one.cpu for one in self.runs)

    @property
    def memory(self) -> float:
        return max(one.memory for one in self.runs)

    def __str__(self) -> str:
        walls = [one.wall for one in self.runs]
        return f"{self.wall:.1f} s ({min(walls):.1f} to {max(walls):.1f}; {self.cpu:.1f} s CPU)"


def _watch(process: subprocess.Popen[str], peak: list[float]) -> None:
    while process.poll() is None:
        peak[0] = max(peak[0], sum(_memory(one) for one in _family(process.pid)))
        time.sleep(0.1)


def _family(pid: int) -> list[int]:
    found = [pid]
    for one in found:
        try:
            tasks = Path(f"/proc/{one}/task").iterdir()
            found += [int(child) for task in tasks for child in (task / "children").read_text().split()]
        except OSError:
            continue
    return found


def _memory(pid: int) -> float:
    """Megabytes held alone, plus a share of what is shared."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1000 for line in lines if line.startswith("Pss:")), 0.0)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--patients", default="100,1000,10000")
    parser.add_argument("--jobs", default="2")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", type=Path)
    asked = parser.parse_args()
    head = f"| patients | DuckDB alone | in {SCAN_MEMORY} | cohort | share of its speed | in {SCAN_MEMORY} | patients/s | peak memory | where the time went |"
    said = (__doc__ or "").strip()
    lines = ["# The cohort beside DuckDB alone", "", said, "", head, "|---|---|---|---|---|---|---|---|---|"]
    taken: dict[int, float] = {}
    shares: dict[str, list[tuple[int, float]]] = {"with as much memory as it likes": [], f"in {SCAN_MEMORY}": []}
    for count in map(int, asked.patients.split(",")):
        with tempfile.TemporaryDirectory(prefix="icans-bench-") as name:
            export, out = Path(name) / "export", Path(name) / "results.parquet"
            run([sys.executable, "-c", COHORT, "synth", "--patients", str(count), "--out", str(export), "--jobs", asked.jobs])
            ours = [sys.executable, "-c", COHORT, "cohort", str(export), "--out", str(out), "--jobs", asked.jobs, "--fresh"]
            within = (SCAN_MEMORY, str(Path(name) / "spill"))
            commands = (alone(export, asked.jobs), alone(export, asked.jobs, *within), ours)
            rounds = [[run(command) for command in commands] for _ in range(asked.rounds)]
        duck, bounded, cohort = (Rounds(list(runs)) for runs in zip(*rounds, strict=True))
        taken[count] = cohort.wall
        for found, beside in zip(shares.values(), (duck, bounded), strict=True):
            found.append((count, beside.wall / cohort.wall))
        where = cohort.runs[-1].said.strip().rsplit(": ", 1)[-1]
        lines.append(
            f"| {count} | {duck} | {bounded} | {cohort} | {duck.wall / cohort.wall:.0%} | {bounded.wall / cohort.wall:.0%} "
            f"| {count / cohort.wall:.0f} | {cohort.memory:.0f} MB | {where} |"
        )
        print(lines[-1], flush=True)
    for how, found in shares.items():
        missed = [str(count) for count, share in found if share < LEAST_SHARE]
        said = f"missed at {', '.join(missed)} patients" if missed else "held"
        lines.append(f"\nThe bound, {LEAST_SHARE:.0%} of the speed of DuckDB alone {how}: {said}.")
        print(lines[-1])
    if len(taken) > 1:
        least, most = min(taken), max(taken)
        lines.append(f"\n{most / least:.0f} times the patients: {taken[most] / taken[least]:.0f} times the time.")
        print(lines[-1])
    if asked.write is not None:
        asked.write.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
