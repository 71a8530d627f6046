"""`icans-cds validate`: files and folders in, one line a file out (JSON) or text grouped by file."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from fhir_mappers.validation.files import FileOutcome, validate_file, validate_stream
from fhir_mappers.validation.issues import SEVERITIES, Issue, Severity, printable
from fhir_mappers.validation.validating import Fitness

Format = Literal["text", "json"]
SUFFIXES = (".json", ".ndjson", ".json.gz", ".ndjson.gz")
STANDARD_INPUT = "-"
MOST_SHOWN = 100  # issues of one file in text; JSON shows all
_COLOURS = {"fatal": "bold red", "error": "red", "warning": "yellow", "information": "cyan"}


@dataclass(slots=True)
class _Tally:
    files: int = 0
    invalid: int = 0
    resources: int = 0
    issues: Counter[Severity] = field(default_factory=Counter)
    unopened: list[str] = field(default_factory=list)

    def exit_code(self) -> int:
        return 2 if self.unopened else 1 if self.invalid else 0


def run(
    paths: Sequence[str | Path], format: Format = "text", jobs: int = 1, *, fitness: Fitness | None = None
) -> int:
    """Validate and print. Returns 0 (all valid), 1 (an error was found), 2 (a path that cannot be opened,
    nothing to do, jobs below 1). `fitness` must be a module-level function when jobs is above 1."""
    if jobs < 1 or not paths or format not in ("text", "json"):
        _complain("expected at least one path, --jobs of 1 or more, and --format text or json")
        return 2
    tally = _Tally()
    files = _find(paths, tally)
    if not files and not tally.unopened:
        _complain("no *.json or *.ndjson file (or either with .gz) found")
    try:
        _print_all(files, format, jobs, fitness, tally)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader went away (`| head`): stop, and keep Python from saying so at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    for text in tally.unopened:
        _complain(text)
    return tally.exit_code()


def _find(paths: Sequence[str | Path], tally: _Tally) -> list[str]:
    found: set[str] = set()
    for given in map(str, paths):
        path = Path(given)
        if given == STANDARD_INPUT or path.is_file() or (path.exists() and not path.is_dir()):
            found.add(given)
        elif path.is_dir():
            found.update(_in_folder(path, tally))
        else:
            tally.unopened.append(f"{given}: no such file or folder")
    return sorted(found)


def _in_folder(folder: Path, tally: _Tally) -> Iterator[str]:
    """Regular files below the folder; a link that leads out of it is left alone."""
    inside = folder.resolve()
    walk = os.walk(folder, onerror=lambda e: tally.unopened.append(f"{e.filename}: {e.strerror}"))
    for place, _, names in walk:
        for name in names:
            path = Path(place, name)
            if name.lower().endswith(SUFFIXES) and path.is_file() and path.resolve().is_relative_to(inside):
                yield str(path)


def _print_all(files: list[str], format: Format, jobs: int, fitness: Fitness | None, tally: _Tally) -> None:
    out = Console(file=sys.stdout, soft_wrap=True, highlight=False, markup=False, emoji=False)
    with _progress(out) as progress:
        task = progress.add_task("validating", total=len(files)) if progress else None
        for outcome in _validated(files, jobs, fitness, tally):
            tally.files += 1
            tally.invalid += not outcome.valid
            tally.resources += outcome.resources
            tally.issues.update(outcome.counts)
            _print_json(out, outcome) if format == "json" else _print_text(out, outcome)
            if progress and task is not None:
                progress.advance(task)
    if format == "text":
        out.print(_summary(tally))


def _progress(out: Console) -> AbstractContextManager[Progress | None]:
    """A bar only on a terminal: above it goes the output when that is the terminal, else it stands on stderr."""
    if out.is_terminal:
        return Progress(console=out, transient=True)
    if sys.stderr.isatty():
        return Progress(console=Console(file=sys.stderr), transient=True)
    return nullcontext()


def _validated(files: list[str], jobs: int, fitness: Fitness | None, tally: _Tally) -> Iterator[FileOutcome]:
    """The outcomes in the order of the files; at most a few files a process are under way or waiting."""
    if jobs == 1 or len(files) < 2:
        for file in files:
            yield _opened(file, _one(file, fitness), tally)
        return
    with ProcessPoolExecutor(min(jobs, len(files)), mp_context=get_context("spawn")) as pool:
        waiting: deque[tuple[str, Future[FileOutcome | str] | None]] = deque()
        for file in files:
            waiting.append((file, None if file == STANDARD_INPUT else _submit(pool, file, fitness)))
            if len(waiting) >= 4 * jobs:
                yield _result(*waiting.popleft(), fitness, tally)
        while waiting:
            yield _result(*waiting.popleft(), fitness, tally)


def _submit(pool: ProcessPoolExecutor, file: str, fitness: Fitness | None) -> Future[FileOutcome | str]:
    try:
        return pool.submit(_one, file, fitness)
    except BrokenProcessPool as e:
        failed: Future[FileOutcome | str] = Future()
        failed.set_exception(e)
        return failed


def _result(
    file: str, future: Future[FileOutcome | str] | None, fitness: Fitness | None, tally: _Tally
) -> FileOutcome:
    try:
        return _opened(file, _one(file, fitness) if future is None else future.result(), tally)
    except BrokenProcessPool:
        return _opened(file, "the validating process ended (out of memory?)", tally)


def _one(file: str, fitness: Fitness | None) -> FileOutcome | str:
    """The outcome of one file, or why it could not be opened. Runs in a process of the pool."""
    try:
        if file == STANDARD_INPUT:
            return validate_stream(sys.stdin.buffer, file, fitness=fitness)
        return validate_file(file, fitness=fitness)
    except OSError as e:
        return e.strerror or type(e).__name__


def _opened(file: str, result: FileOutcome | str, tally: _Tally) -> FileOutcome:
    if isinstance(result, FileOutcome):
        return result
    tally.unopened.append(f"{file}: {result}")
    outcome = FileOutcome(file)
    outcome.add([Issue("fatal", "exception", "", f"could not be read: {result}")])
    return outcome


def _print_json(out: Console, outcome: FileOutcome) -> None:
    line = json.dumps(outcome.as_json(), separators=(",", ":"))
    if out.is_terminal:
        out.print(Text(line))
    else:
        sys.stdout.write(line + "\n")


def _print_text(out: Console, outcome: FileOutcome) -> None:
    issues = outcome.all_issues()
    lines = [_headline(outcome), *map(_issue_line, issues[:MOST_SHOWN])]
    if len(issues) > MOST_SHOWN:
        lines.append(Text(f"  and {len(issues) - MOST_SHOWN} more (--format json shows them)"))
    out.print(Text("\n").join(lines))


def _issue_line(issue: Issue) -> Text:
    place = " ".join(filter(None, (f"line {issue.line}" if issue.line else "", issue.location)))
    line = Text("  ").append(issue.severity.ljust(12), style=_COLOURS[issue.severity])
    return line.append(f"{place}: " if place else "", style="bold").append(issue.text)


def _headline(outcome: FileOutcome) -> Text:
    line = Text(printable(outcome.file), style="bold")
    line.append(": valid" if outcome.valid else ": INVALID", style="green" if outcome.valid else "red")
    return line.append(
        f" ({_counted(outcome.resources, 'resource')}{_severities(outcome.counts)})", style="not bold"
    )


def _summary(tally: _Tally) -> Text:
    valid = tally.files - tally.invalid
    text = f"{_counted(tally.files, 'file')}: {valid} valid, {tally.invalid} invalid"
    return Text(f"{text}; {_counted(tally.resources, 'resource')}{_severities(tally.issues)}")


def _severities(counts: Counter[Severity]) -> str:
    return "".join(f", {counts[s]} {s}" for s in SEVERITIES if counts[s])


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _complain(text: str) -> None:
    sys.stderr.write(f"icans-cds validate: {printable(text)}\n")
