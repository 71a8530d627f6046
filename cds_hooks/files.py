"""Files that a command is given, plain or gzip. A damaged gzip is refused whole: what it still gives may be wrong."""

from __future__ import annotations

import errno
import gzip
import sys
from pathlib import Path

from fhir_mappers.gzipped import DAMAGE, damaged

_AT_ONCE = 1 << 20


def content_of(name: str) -> bytes:
    """What a file holds, or standard input for "-", unpacked. Raises OSError, its `strerror` says what is wrong."""
    return unpacked(sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes(), name)


def unpacked(content: bytes, name: str) -> bytes:
    """Gzip unpacked, by its content or its name; anything else as it is. Raises OSError when it is damaged."""
    if content[:2] != b"\x1f\x8b" and not name.endswith(".gz"):
        return content
    try:
        _refuse_empty(len(content))
        return gzip.decompress(content)
    except DAMAGE as problem:
        raise OSError(errno.EIO, damaged(problem), name) from None


def damage(path: Path) -> str | None:
    """Why a gzip file cannot be used; None for a whole one. Reads it to its end, 1 MiB at a time.

    For readers that do not look at the check sum at the end, and would take what is wrong as it comes.
    """
    try:
        _refuse_empty(path.stat().st_size)
        with gzip.open(path, "rb") as file:
            while file.read(_AT_ONCE):
                pass
    except DAMAGE as problem:
        return damaged(problem)
    except OSError as problem:
        return problem.strerror or str(problem)
    return None


def _refuse_empty(size: int) -> None:
    """Python takes no bytes at all for gzip of nothing."""
    if size == 0:
        raise EOFError("the file is empty")
