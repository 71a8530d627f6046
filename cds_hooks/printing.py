"""Text on the terminal, whatever characters a chart or a document holds."""

from __future__ import annotations

import sys


def printable(text: str) -> str:
    """One line that any output can print: control characters and what its encoding lacks are escaped."""
    encoding = sys.stdout.encoding or "utf-8"
    plain = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return plain.encode(encoding, "backslashreplace").decode(encoding)


def say(text: str) -> None:
    """One line on standard output."""
    print(printable(text))
