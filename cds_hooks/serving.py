"""Runs the service under uvicorn, and says in one line why it cannot."""

from __future__ import annotations

import errno
import os
import socket
import sys
import tempfile
from typing import Any

import uvicorn
from starlette.applications import Starlette
from uvicorn.supervisors import Multiprocess

from cds_hooks.app import create_app
from cds_hooks.settings import PREFIX, Settings, SettingsError, is_loopback, load
from cds_hooks.store import StoreError
from cds_hooks.store.engine import embedded_file
from rules import KnowledgeError

DRAIN = 30  # seconds for requests that were begun when the service is stopped


class CannotServe(Exception):  # noqa: N818  (said to the operator, with what to do)
    """Why the service does not start."""


def serve(settings: Settings, host: str, port: int, workers: int = 1) -> int:
    """Serve until SIGTERM or SIGINT, then finish what was begun.

    Raises CannotServe: port taken, bad document, database not to be opened.
    """
    if workers > 1 and settings.smart_servers is not None:
        raise CannotServe("SMART logins live in the memory of one process: serve with --workers 1, or leave ICANS_SMART_SERVERS out.")
    with _listening(host, port) as listener:
        settings = placed(settings, host, listener.getsockname()[1])
        try:
            app = create_app(settings)
        except (KnowledgeError, StoreError, SettingsError) as error:
            raise CannotServe(str(error)) from error
        if not is_loopback(host) and not settings.tokens_checked:
            _warn(host)
        _announce(settings, host, listener.getsockname()[1])
        if workers == 1:
            uvicorn.Server(_config(app)).run(sockets=[listener])
        else:
            app.state.store.close()  # each worker opens its own
            _several(settings, listener, workers)
    return 0


def worker() -> Starlette:
    """The service in a process of its own, by the settings of the environment."""
    return create_app(load())


def _several(settings: Settings, listener: socket.socket, workers: int) -> None:
    """Processes on one socket. The parent answers nothing: it restarts a worker that died."""
    if settings.database_url.startswith("sqlite") and embedded_file(settings.database_url) is None:
        raise CannotServe("Several workers cannot share a database in memory: set ICANS_DATABASE_URL.")
    with tempfile.TemporaryDirectory(prefix="icans-metrics-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        os.environ[f"{PREFIX}TRUST"] = settings.trust or "jwt"
        if settings.base_url is not None:
            os.environ[f"{PREFIX}BASE_URL"] = settings.base_url
        config = _config("cds_hooks.serving:worker", workers=workers, factory=True)
        Multiprocess(config, sockets=[listener]).run()


def _config(app: Any, **more: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        lifespan="on",
        server_header=False,
        timeout_graceful_shutdown=DRAIN,
        **more,
    )


def placed(settings: Settings, host: str, port: int) -> Settings:
    """The settings with what follows from the address: tokens are checked unless only this machine can reach it."""
    local = is_loopback(host)
    trust = settings.trust or ("open" if local else "jwt")
    return settings.model_copy(
        update={"trust": trust, "base_url": settings.base_url or (_base(host, port) if local else None)}
    )


def _base(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CannotServe(f"Port {port} on {host} is in use: choose another with --port.") from None
        why = error.strerror or str(error)
        raise CannotServe(f"Cannot listen on {host} port {port}: {why}.") from None


def _announce(settings: Settings, host: str, port: int) -> None:
    base = _base(host, port)
    print(f"icans-cds: {base}/cds-services", file=sys.stderr)
    if settings.demo:
        print(f"icans-cds: demo page {base}/demo", file=sys.stderr)


def _warn(host: str) -> None:
    print(
        f"icans-cds: WARNING: ICANS_TRUST=open on {host}: every client that reaches this address is answered, "
        "unauthenticated. Use 127.0.0.1, or keep it behind a proxy that authenticates.",
        file=sys.stderr,
    )
