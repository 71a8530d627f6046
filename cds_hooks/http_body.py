"""What may come in: a JSON content type, plain or gzip, and a bounded number of bytes."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from cds_hooks.refusal import Refusal

_PLAIN = ("", "identity")
_GZIP = ("gzip", "x-gzip")
LARGE = 1_000_000  # bytes: what takes long is done aside, so that other requests are answered meanwhile

T = TypeVar("T")


async def aside(size: int, work: Callable[[], T]) -> T:
    """The work on a body of `size` bytes: at once, or in a thread when it is large."""
    return work() if size < LARGE else await run_in_threadpool(work)


async def read(request: Request, limit: int) -> bytes:
    """The body, read up to `limit` bytes as sent and as unpacked. Raises Refusal (413, 415)."""
    encoding = _readable(request)
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise _too_long(limit)
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise _too_long(limit)
        chunks.append(chunk)
    body = b"".join(chunks)
    return _unpacked(body, limit) if encoding in _GZIP else body


def _readable(request: Request) -> str:
    """The content encoding of a body we take."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise Refusal(415, "not-supported", "Content-Type must be application/json.", "http.content-type")
    encoding = ",".join(request.headers.getlist("content-encoding")).strip().lower()
    if encoding not in (*_PLAIN, *_GZIP):
        text = "Send the body without Content-Encoding, or with gzip."
        raise Refusal(415, "not-supported", text, "http.content-encoding")
    return encoding


def _unpacked(body: bytes, limit: int) -> bytes:
    """One gzip member, never more than `limit` bytes of it."""
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        plain = unpacker.decompress(body, limit + 1)
    except zlib.error:
        plain = b""
    if len(plain) > limit:
        raise _too_long(limit)
    if not unpacker.eof or unpacker.unused_data:
        text = "The body is not one complete gzip member, as its Content-Encoding says."
        raise Refusal(415, "not-supported", text, "http.content-encoding")
    return plain


def _too_long(limit: int) -> Refusal:
    return Refusal(413, "too-long", f"The body is longer than {limit} bytes.")
