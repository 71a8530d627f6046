"""`icans-cds cohort`: an export in, results.parquet out, with what could not be used beside it."""

from __future__ import annotations

import sys
import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import duckdb

from cds_hooks.cohort import running
from cds_hooks.cohort.grading import BadTimesError, times
from cds_hooks.cohort.results import beside
from cds_hooks.cohort.running import Outcome, Task
from cds_hooks.cohort.scanning import DamagedExport, NoExport

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

DONE, FAILED, WRONG_USAGE = 0, 1, 2


@dataclass(slots=True)
class _Shown:
    """Progress on a terminal, else a line every ten seconds. Drawn when told: a run begins without a second thread."""

    progress: Progress | None
    steps: dict[str, TaskID] = field(default_factory=dict)
    began: dict[str, tuple[float, float]] = field(default_factory=dict)
    last: float = 0.0

    def told(self, step: str, done: float, of: float) -> None:
        now = time.monotonic()
        first_at, first = self.began.setdefault(step, (now, done))
        rate = (done - first) / (now - first_at) if now > first_at else 0.0
        said = f"{rate:.0f} patients/s" if step == "grading" and rate else ""
        if self.progress is not None:
            if step not in self.steps:
                self.steps[step] = self.progress.add_task(step, total=of, rate="")
            self.progress.update(self.steps[step], completed=done, total=of, rate=said)
            if now - self.last >= 0.1 or done >= of:
                self.last = now
                self.progress.refresh()
        elif now - self.last >= 10 or (done >= of and step == "grading"):
            self.last = now
            left = f", {(of - done) / rate:.0f} s left" if rate else ""
            print(f"icans-cds cohort: {step} {done:.0f} of {of:.0f}{', ' if said else ''}{said}{left}", file=sys.stderr)


def run(task: Task, engine: str, master: str | None) -> int:
    """Runs and says what came out. Exit code: 0 done (errors are counted and kept), 1 failed, 2 wrong usage."""
    try:
        times(task.grader.at)
    except BadTimesError as problem:
        running.complain(str(problem))
        return WRONG_USAGE
    try:
        with _bars() if sys.stderr.isatty() else nullcontext() as progress:
            shown = _Shown(progress)
            if engine == "spark":
                from cds_hooks.cohort import spark_engine

                outcome = spark_engine.run(task, master, shown.told)
            else:
                outcome = running.run(task, shown.told)
    except NoExport as problem:
        running.complain(str(problem))
        return WRONG_USAGE
    except ImportError as problem:
        running.complain(f"{problem.name} is not installed: pip install 'icans-cds[spark]' was expected for --engine spark")
        return WRONG_USAGE
    except DamagedExport as problem:
        for line in str(problem).splitlines():
            running.complain(line)
        running.complain("nothing was graded, as what these files lost would be missing without a word: get them again")
        return FAILED
    except OSError as problem:
        running.complain(f"{problem.filename}: {problem.strerror}" if problem.filename else problem.strerror or str(problem))
        return FAILED
    except duckdb.Error as problem:
        running.complain(str(problem).splitlines()[0])
        return FAILED
    _say(task, outcome)
    return DONE


def _bars() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:.0f}/{task.total:.0f}"), TextColumn("{task.fields[rate]}"))
    return Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), auto_refresh=False)


def _say(task: Task, outcome: Outcome) -> None:
    spent = ", ".join(f"{step} {seconds:.1f} s" for step, seconds in outcome.seconds.items())
    again = " (resumed)" if outcome.resumed else ""
    print(f"{outcome.rows} evaluations of {outcome.patients} patients in {task.results}{again}: {spent}")
    if outcome.timeless:
        print(f"patients without a row, as their charts hold no time to evaluate at: {outcome.timeless}")
    if outcome.failures:
        print(f"{outcome.failures} lines or patients could not be used: {beside(task.results, 'errors.csv')} names file, line, id and reason")


