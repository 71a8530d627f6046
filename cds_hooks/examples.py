"""The worked examples of examples/, their times shifted so that the decision happens now.

Each file holds `title`, `as_of`, `decision_id`, `request` and `response`; the response is what the
service answers to the request at `as_of` (a test replays it byte for byte).
"""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent.parent / "examples"

_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def names() -> list[str]:
    """The names of the examples that are hook requests, in the order of their time."""
    files = sorted(FOLDER.glob("case-*.json"))
    return sorted((file.stem for file in files), key=lambda name: (name[:6], _load(name)["as_of"]))


def example(name: str) -> dict[str, Any]:
    """One example as it stands. Raises LookupError naming the examples there are."""
    known = names()
    if name not in known:
        raise LookupError(f"No example {name!r}; one of {', '.join(known)} was expected.")
    return _load(name)


def shifted(name: str, now: datetime | None = None) -> dict[str, Any]:
    """The request of an example with every date moved so that its `as_of` is now. Raises LookupError."""
    found = example(name)
    by = (now or datetime.now(UTC)) - datetime.fromisoformat(found["as_of"])
    moved = _moved(found["request"], timedelta(seconds=int(by.total_seconds())))
    if not isinstance(moved, dict):
        raise TypeError(f"{name}: request must be a JSON object")
    return moved


def _load(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found


def _moved(value: Any, by: timedelta) -> Any:
    if isinstance(value, dict):
        return {key: _moved(item, by) for key, item in value.items()}
    if isinstance(value, list):
        return [_moved(item, by) for item in value]
    if not isinstance(value, str):
        return value
    if _DATE_TIME.fullmatch(value):
        return (datetime.fromisoformat(value) + by).isoformat()
    if _DATE.fullmatch(value):
        return (date.fromisoformat(value) + by).isoformat()
    return value
