"""The work folder of a run: what was asked, what is staged, which parts are done. A killed run resumes from it.

A part counts only under its final name, and gets it by a rename when it is complete.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cds_hooks.cohort.grading import Grader
from fhir_mappers.codes import load_terminology

VERSION = 2
"""Of the layout of the folder and of the rows: another one never resumes."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A line or a patient that could not be used. `line` counts from 1; 0: a whole file or patient."""

    file: str
    line: int
    id: str
    reason: str


def fingerprint(files: Sequence[Path], engine: str, grader: Grader) -> str:
    """What the rows depend on: the files by size and time, the instants, the documents, the codes."""
    codes = grader.site.codes or load_terminology()
    refs = [*grader.knowledge.refs, *codes.documents, *codes.site_maps]
    asked: dict[str, Any] = {
        "version": VERSION,
        "engine": engine,
        "at": grader.at,
        "zone": str(grader.site.zone),
        "documents": [[ref.id, ref.version, ref.sha256] for ref in refs],
        "files": [[str(path), path.stat().st_size, path.stat().st_mtime_ns] for path in files],
    }
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()


class WorkFolder:
    """`stage/` and `parts/` of one run, in `<results>.work` beside the results."""

    def __init__(self, results: Path) -> None:
        self.folder = results.with_name(results.name + ".work")
        self.stage, self.parts, self.spill = (self.folder / name for name in ("stage", "parts", "spill"))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While it lasts no other run works here: two would take each other's parts away. Raises OSError.

        A record lock: it ends with this process, however that ends, and the processes that grade do not inherit it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w", encoding="ascii") as file:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as problem:
                if problem.errno not in (errno.EACCES, errno.EAGAIN):
                    raise
                words = "another run works here; wait for its end or name other results"
                raise OSError(errno.EBUSY, words, str(self.folder)) from None
            yield

    def open(self, asked: str, resume: bool) -> bool:
        """Makes the folder, emptied unless it belongs to the same run. Whether an earlier run is resumed."""
        mark = self.folder / "asked"
        same = resume and mark.is_file() and mark.read_text(encoding="ascii") == asked
        if not same:
            for done in self.folder.glob("*.done"):
                done.unlink()
            self.empty()
        mark.write_text(asked, encoding="ascii")
        return same

    def empty(self) -> None:
        """Takes away what another run, or a scan that was killed, left behind."""
        for one in (self.stage, self.parts, self.spill):
            shutil.rmtree(one, ignore_errors=True)
            one.mkdir(parents=True)

    def done(self, name: str) -> Path:
        """The mark of a finished step."""
        return self.folder / f"{name}.done"

    def part(self, number: int) -> Path:
        """The rows of one part."""
        return self.parts / f"rows-{number:06d}.jsonl"

    def failures(self, number: int) -> Path:
        """The failures of one part."""
        return self.parts / f"failures-{number:06d}.jsonl"

    def remove(self) -> None:
        shutil.rmtree(self.folder)


def put(path: Path, rows: Iterable[bytes]) -> None:
    """Writes lines under a passing name and renames: there is never half a part."""
    passing = path.with_suffix(".half")
    with passing.open("wb") as file:
        file.writelines(row + b"\n" for row in rows)
    passing.replace(path)
