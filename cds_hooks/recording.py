"""Waiting for the store: only what is recorded is sent."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import TypeVar

from cds_hooks.store import StoreUnavailable, failures

T = TypeVar("T")

WAIT = 15.0  # seconds for the store to take a record


async def on_disk(kept: Future[T]) -> T:
    """Wait until it is recorded. Raises StoreUnavailable, also when the store does not answer in time."""
    if kept.done():
        return kept.result()
    try:
        return await asyncio.wait_for(asyncio.wrap_future(kept), WAIT)
    except TimeoutError:
        raise StoreUnavailable(failures.SLOW) from None
