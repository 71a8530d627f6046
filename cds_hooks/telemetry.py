"""Log lines: JSON on stderr, with ids and durations of requests, never content of patients."""

from __future__ import annotations

import sys
from collections.abc import MutableMapping
from pathlib import Path
from traceback import extract_tb
from typing import Any

import msgspec
import structlog

LOG = structlog.stdlib.get_logger()


def _json(event: Any, **_: Any) -> str:
    return msgspec.json.encode(event, enc_hook=str).decode()


def configure(shadow: bool = False) -> None:
    """One JSON object a line, on the stderr of the moment; in shadow mode every line says so (H50)."""

    def mode(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {**event, "shadow": True} if shadow else event

    structlog.configure(
        processors=[
            mode,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(_json),
        ],
        logger_factory=lambda *_: structlog.WriteLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )


def crash(error: BaseException) -> dict[str, Any]:
    """What may be logged of an exception: its kind and where, not its text, which may quote the chart."""
    frames = extract_tb(error.__traceback__)
    told = {
        "error": type(error).__name__,
        "at": [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames[-12:]],
    }
    cause = error.__cause__ or error.__context__
    return told if cause is None else {**told, "cause": type(cause).__name__}
