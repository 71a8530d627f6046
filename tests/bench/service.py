"""The service under uvicorn as the floor is; with BENCH_STORE=off nothing is recorded."""

from __future__ import annotations

import os
from concurrent.futures import Future
from typing import Any, cast

from cds_hooks.app import create_app
from cds_hooks.settings import load
from cds_hooks.store import Store


class NoStore:
    """Takes everything and keeps nothing."""

    def append(self, *_: Any, **__: Any) -> Future[None]:
        return self.probe()

    def probe(self) -> Future[None]:
        done: Future[None] = Future()
        done.set_result(None)
        return done

    def close(self) -> None:
        pass


off = os.environ.get("BENCH_STORE") == "off"
app = create_app(load(), store=cast(Store, NoStore()) if off else None)
