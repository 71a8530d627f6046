"""How many requests a client may make in a minute."""

from __future__ import annotations

import math
from collections.abc import Callable
from time import monotonic

MAX_CLIENTS = 10_000


class Rate:
    """A bucket for each client, which holds a minute's worth and fills evenly. Counts in this process alone."""

    def __init__(self, a_minute: int, clock: Callable[[], float] = monotonic) -> None:
        self._a_second = a_minute / 60
        self._depth = float(max(a_minute, 1))
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}  # what is left, as of when

    def wait(self, client: str) -> int:
        """0 when the request may be answered, else the seconds after which the next may."""
        if not self._a_second:
            return 0
        now = self._clock()
        left, since = self._buckets.pop(client, (self._depth, now))
        left = min(self._depth, left + (now - since) * self._a_second)
        allowed = left >= 1
        if len(self._buckets) >= MAX_CLIENTS:
            self._buckets.pop(next(iter(self._buckets)))  # the one unheard of for longest
        self._buckets[client] = (left - 1 if allowed else left, now)
        return 0 if allowed else max(1, math.ceil((1 - left) / self._a_second))
