"""validate_file and validate_stream: JSON documents, NDJSON in constant memory, both also gzipped."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from io import BufferedIOBase, BytesIO
from pathlib import Path
from typing import IO, Any, cast

from fhir_mappers.gzipped import DAMAGE, damaged
from fhir_mappers.validation.issues import SEVERITIES, Issue, Severity, operation_outcome, warning
from fhir_mappers.validation.parsing import BOM, parse
from fhir_mappers.validation.validating import Fitness, validate_resource

LARGEST_DOCUMENT = 128 * 1024 * 1024  # bytes of one JSON document, after gunzip
LONGEST_LINE = 16 * 1024 * 1024  # bytes of one NDJSON line
MOST_ISSUES = 10_000  # kept for one file; the rest are counted
_GZIP = b"\x1f\x8b"


@dataclass(slots=True)
class FileOutcome:
    """The result for one file: its issues (all counted, at most MOST_ISSUES kept) and its number of resources."""

    file: str
    issues: list[Issue] = field(default_factory=list)
    counts: Counter[Severity] = field(default_factory=Counter)
    resources: int = 0
    _left_out: Counter[Severity] = field(default_factory=Counter)

    @property
    def valid(self) -> bool:
        return not (self.counts["fatal"] or self.counts["error"])

    def add(self, issues: Iterable[Issue]) -> None:
        for issue in issues:
            self.counts[issue.severity] += 1
            if len(self.issues) < MOST_ISSUES:
                self.issues.append(issue)
            else:
                self._left_out[issue.severity] += 1

    def as_json(self) -> dict[str, Any]:
        """`valid` is false exactly when the outcome holds an error or a fatal issue."""
        return {"file": self.file, "valid": self.valid, "outcome": operation_outcome(self.all_issues())}

    def all_issues(self) -> list[Issue]:
        if not self._left_out:
            return self.issues
        worst = next(s for s in SEVERITIES if self._left_out[s])
        text = ", ".join(f"{n} {s}" for s, n in self._left_out.items())
        return [*self.issues, Issue(worst, "incomplete", "", f"{self._left_out.total()} more issues: {text}")]


def validate_file(
    path: str | Path, *, name: str | None = None, fitness: Fitness | None = None
) -> FileOutcome:
    """Validate one file by its name: .json, .ndjson, either with .gz; any other name is read as it looks.

    Raises OSError when the file cannot be opened or read; a broken gzip stream is an issue of the file."""
    path = Path(path)
    suffixes = [s.lower() for s in path.suffixes]
    packed = suffixes[-1:] == [".gz"]
    kind = (suffixes[:-1] if packed else suffixes)[-1:]
    outcome = FileOutcome(name if name is not None else str(path))
    with path.open("rb") as file:
        stream = cast("IO[bytes]", gzip.GzipFile(fileobj=file)) if packed else file
        if kind == [".ndjson"]:
            _guarded(outcome, _lines(stream), fitness)
        elif kind == [".json"]:
            _guarded(outcome, _document(stream), fitness)
        else:
            _guarded(outcome, _as_it_looks(stream), fitness)
    return outcome


def validate_stream(stream: IO[bytes], name: str, *, fitness: Fitness | None = None) -> FileOutcome:
    """Validate standard input or another nameless stream: gzip, NDJSON or one JSON document, by its content."""
    outcome = FileOutcome(name)
    _guarded(outcome, _as_it_looks(stream), fitness)
    return outcome


_Piece = tuple[int | None, bytes | None]
"""A line number (None: the whole document) and its bytes (None: longer than allowed)."""


def _guarded(outcome: FileOutcome, pieces: Iterator[_Piece], fitness: Fitness | None) -> None:
    try:
        for line, data in pieces:
            if data is None:
                limit = LARGEST_DOCUMENT if line is None else LONGEST_LINE
                outcome.add(
                    [Issue("fatal", "too-long", "", f"larger than the limit of {limit:,} bytes", line)]
                )
                continue
            outcome.resources += 1
            issues = validate_resource(data, fitness=fitness if line is None else None).issues
            outcome.add(issues if line is None else [issue.on_line(line) for issue in issues])
    except DAMAGE as problem:
        outcome.add([Issue("fatal", "structure", "", damaged(problem))])
    if not outcome.resources and outcome.valid:
        outcome.add([warning("informational", "", "no resource in this file")])


def _document(stream: IO[bytes]) -> Iterator[_Piece]:
    data = stream.read(LARGEST_DOCUMENT + 1)
    yield None, data if len(data) <= LARGEST_DOCUMENT else None


def _lines(stream: IO[bytes]) -> Iterator[_Piece]:
    number = 0
    while line := stream.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE and not line.endswith(b"\n"):
            while (rest := stream.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
                pass
            yield number, None
        elif line.removeprefix(BOM).strip():
            yield number, line


def _as_it_looks(stream: IO[bytes]) -> Iterator[_Piece]:
    """More than one line, and the first a whole JSON object: NDJSON. Otherwise one document."""
    start = stream.read(2)
    stream = cast("IO[bytes]", _Joined(start, stream))
    if start == _GZIP:
        yield from _as_it_looks(cast("IO[bytes]", gzip.GzipFile(fileobj=stream)))
        return
    first = stream.readline(LONGEST_LINE + 1)
    second = stream.read(1)
    rest = cast("IO[bytes]", _Joined(first + second, stream))
    yield from _lines(rest) if second and isinstance(parse(first).value, dict) else _document(rest)


class _Joined(BufferedIOBase):
    """Bytes already read, then the rest of the stream they came from."""

    def __init__(self, start: bytes, stream: IO[bytes]) -> None:
        self._start, self._stream = BytesIO(start), stream

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            return self._start.read() + self._stream.read()
        found = self._start.read(size)
        return found + self._stream.read(size - len(found)) if len(found) < size else found

    def readline(self, size: int | None = -1, /) -> bytes:
        found = self._start.readline(size)
        if found.endswith(b"\n") or (size is not None and 0 <= size <= len(found)):
            return found
        left = -1 if size is None or size < 0 else size - len(found)
        return found + self._stream.readline(left)
