"""What reading a damaged gzip raises, and the words for it: one place for every reader."""

from __future__ import annotations

import gzip
import zlib

DAMAGE = (gzip.BadGzipFile, EOFError, zlib.error)


def damaged(problem: Exception) -> str:
    """What is wrong with a gzip, for a message that names the file."""
    return f"its gzip is damaged ({str(problem)[:80]})"
