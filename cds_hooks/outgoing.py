"""The one door outwards: a request with a deadline and a byte limit, that follows nothing and keeps no secret.

A server that drips its answer byte by byte is cut off at the deadline too: `Call.abort` shuts its socket.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from cds_hooks.settings import is_loopback

T = TypeVar("T")

LATE = "did not answer in time"
_CHUNK = 65_536  # bytes
_IN_USE = threading.local()


class NotHad(Exception):  # noqa: N818  (a value for the answer, in words that name no patient and no token)
    """Why nothing was had, as it may be said: "did not answer in time"."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered: status, headers (case does not matter) and the whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Call:
    """One fetch of possibly several requests, all within some seconds."""

    def __init__(self, seconds: float) -> None:
        self._deadline = monotonic() + seconds
        self._aborted = False
        self._socket: Any = None

    @property
    def left(self) -> float:
        """Seconds. Raises NotHad when there are none."""
        left = self._deadline - monotonic()
        if left <= 0 or self._aborted:
            raise NotHad(LATE)
        return left

    def uses(self, connected: Any) -> None:
        self._socket = connected
        if self._aborted:
            self.abort()

    def abort(self) -> None:
        """From another thread: whatever waits on the socket fails at once."""
        self._aborted = True
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


class _Http(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return _noted(super()._new_conn())

    def request(self, *given: Any, **named: Any) -> None:
        _noted(self.sock)
        super().request(*given, **named)


class _Https(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return _noted(super()._new_conn())

    def request(self, *given: Any, **named: Any) -> None:
        if self.sock is None:
            self.connect()
        _noted(self.sock)
        super().request(*given, **named)


def _noted(connected: T) -> T:
    call = getattr(_IN_USE, "call", None)
    if call is not None and connected is not None:
        call.uses(connected)
    return connected


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *given: Any, **named: Any) -> None:
        super().init_poolmanager(*given, **named)
        manager: PoolManager = self.poolmanager
        manager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}


def session(connections: int) -> requests.Session:
    """A session that reads nothing from the environment but proxies and certificates (no .netrc: it would
    replace the token), keeps no cookies and retries nothing by itself."""
    made = requests.Session()
    made.trust_env = False
    made.verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE") or True
    made.cookies.set_policy(_NoCookies())
    made.headers = requests.structures.CaseInsensitiveDict({"Accept-Encoding": "identity", "User-Agent": "icans-cds"})
    for scheme in ("http://", "https://"):
        made.mount(scheme, _Adapter(pool_connections=connections, pool_maxsize=connections))
    return made


class _NoCookies(requests.cookies.cookielib.DefaultCookiePolicy):  # type: ignore[name-defined, misc]  # not in its stubs
    def set_ok(self, *_: Any) -> bool:
        return False


def proxies_for(host: str, url: str) -> dict[str, str]:
    """The proxies of the environment; none towards this machine."""
    return {} if is_loopback(host) else dict(get_environ_proxies(url))


def is_transport_error(problem: BaseException) -> bool:
    """Whether a request failed on its way, or was answered with an error status."""
    return isinstance(problem, requests.RequestException | HTTPError | OSError)


def get(using: requests.Session, url: str, headers: Mapping[str, str], call: Call, limit: int) -> Answer:
    """One GET. Raises NotHad: not reachable, too late, redirected, too long, encoded."""
    return _exchanged(using, "GET", url, headers, call, limit, None)


def post(
    using: requests.Session, url: str, headers: Mapping[str, str], call: Call, limit: int, body: bytes
) -> Answer:
    """One POST. Raises NotHad as `get` does: whether it was taken is then not known."""
    return _exchanged(using, "POST", url, headers, call, limit, body)


def _exchanged(
    using: requests.Session,
    method: str,
    url: str,
    headers: Mapping[str, str],
    call: Call,
    limit: int,
    body: bytes | None,
) -> Answer:
    proxies = proxies_for(urlsplit(url).hostname or "", url)
    _IN_USE.call = call
    try:
        with using.request(
            method,
            url,
            headers=headers,
            data=body,
            timeout=call.left,
            allow_redirects=False,
            stream=True,
            proxies=proxies,
        ) as answer:
            call.left  # noqa: B018  (an aborted read looks like the end of the answer)
            if 300 <= answer.status_code < 400:
                raise NotHad("answered with a redirect, which is not followed")
            if answer.headers.get("content-encoding", "identity").lower() not in ("", "identity"):
                raise NotHad("answered in an encoding that was not asked for")
            return Answer(answer.status_code, answer.headers, _body(answer, call, limit))
    except requests.Timeout:
        raise NotHad(LATE) from None
    except (requests.RequestException, HTTPError, OSError, ValueError):  # their texts name the URL
        call.left  # noqa: B018  (raises when the reason is the deadline)
        raise NotHad("could not be reached") from None
    finally:
        _IN_USE.call = None


def _body(answer: requests.Response, call: Call, limit: int) -> bytes:
    announced = answer.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise NotHad(f"answered with more than {limit} bytes")
    found = bytearray()
    while chunk := answer.raw.read1(_CHUNK):
        call.left  # noqa: B018  (raises when there is none)
        found += chunk
        if len(found) > limit:
            raise NotHad(f"answered with more than {limit} bytes")
    call.left  # noqa: B018
    return bytes(found)
