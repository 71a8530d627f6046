"""What may come in: a JSON content type, no content encoding, and a bounded number of bytes."""

from __future__ import annotations

from starlette.requests import Request

from cds_hooks.refusal import Refusal


async def read(request: Request, limit: int) -> bytes:
    """The body, read up to `limit` bytes. Raises Refusal (413, 415)."""
    _readable(request)
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
    return b"".join(chunks)


def _readable(request: Request) -> None:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise Refusal(415, "not-supported", "Content-Type must be application/json.", "http.content-type")
    if request.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise Refusal(
            415, "not-supported", "Send the body without Content-Encoding.", "http.content-encoding"
        )


def _too_long(limit: int) -> Refusal:
    return Refusal(413, "too-long", f"The body is longer than {limit} bytes.")
