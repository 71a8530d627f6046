"""One thread that writes. Callers that wait at the same time share a commit; each is told when it is on disk."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, Full, Queue
from typing import Any, Generic, TypeVar

from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from cds_hooks.store import failures
from cds_hooks.store.failures import StoreUnavailable

MOST_TOGETHER = 256  # of one commit
MOST_WAITING = 2_000

T = TypeVar("T")


class Waiting(Generic[T]):
    """What is to be written, and who waits for it."""

    __slots__ = ("future", "work")

    def __init__(self, work: T) -> None:
        self.work = work
        self.future: Future[Any] = Future()


class Writer(Generic[T]):
    """Hands what waits to `commit`, together; `commit` returns a result for each, or raises and nothing is kept."""

    def __init__(self, commit: Callable[[Sequence[T]], Sequence[Any]]) -> None:
        self._commit = commit
        self._queue: Queue[Waiting[T] | None] = Queue(MOST_WAITING)
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._closed = False

    def submit(self, work: T) -> Future[Any]:
        """A future that is done when `work` is on disk. Fails with StoreUnavailable; nothing is lost silently."""
        waiting = Waiting(work)
        if self._thread is None:
            self._start()
        try:
            if self._closed:
                raise StoreUnavailable(failures.CLOSED)
            self._queue.put_nowait(waiting)
        except Full:
            waiting.future.set_exception(StoreUnavailable(failures.BUSY))
        except StoreUnavailable as closed:
            waiting.future.set_exception(closed)
        return waiting.future

    def close(self) -> None:
        """Write what waits, then stop."""
        with self._starting:
            self._closed = True
            if self._thread is not None and self._thread.is_alive():
                self._queue.put(None)
                self._thread.join()
            while not self._queue.empty():  # handed in while closing
                with suppress(Empty):
                    late = self._queue.get_nowait()
                    if late is not None:
                        late.future.set_exception(StoreUnavailable(failures.CLOSED))

    def _start(self) -> None:
        with self._starting:
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._run, name="records", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        last = False
        while not last:
            first = self._queue.get()
            together = [] if first is None else [first]
            last = first is None
            while not last and len(together) < MOST_TOGETHER:
                try:
                    following = self._queue.get_nowait()
                except Empty:
                    break
                if following is None:
                    last = True
                else:
                    together.append(following)
            asked = [one for one in together if one.future.set_running_or_notify_cancel()]
            if asked:
                self._write(asked)

    def _write(self, asked: Sequence[Waiting[T]]) -> None:
        try:
            results = self._commit([one.work for one in asked])
        except (IntegrityError, DataError) as error:
            if len(asked) == 1:
                asked[0].future.set_exception(error)
                return
            for one in asked:  # the fault of one is not the fault of the others
                self._write([one])
        except (SQLAlchemyError, OSError) as error:
            for one in asked:
                one.future.set_exception(_unavailable(error))
        except Exception as error:  # noqa: BLE001 - each caller answers 500; the writer goes on
            for one in asked:
                one.future.set_exception(error)
        else:
            for one, result in zip(asked, results, strict=True):
                one.future.set_result(result)


def _unavailable(error: SQLAlchemyError | OSError) -> StoreUnavailable:
    found = StoreUnavailable(failures.why(error))
    found.__cause__ = error
    return found
