"""Runs the service under uvicorn, and says in one line why it cannot."""

from __future__ import annotations

import errno
import socket
import sys

import uvicorn

from cds_hooks.app import create_app
from cds_hooks.settings import Settings, is_loopback
from cds_hooks.store import StoreError
from rules import KnowledgeError


class CannotServe(Exception):  # noqa: N818  (said to the operator, with what to do)
    """Why the service does not start."""


def serve(settings: Settings, host: str, port: int) -> int:
    """Serve until interrupted. Raises CannotServe: port taken, bad document, database not to be opened."""
    with _listening(host, port) as listener:
        try:
            app = create_app(settings)
        except (KnowledgeError, StoreError) as error:
            raise CannotServe(str(error)) from error
        if not is_loopback(host):
            _warn(host)
        _announce(settings, host, listener.getsockname()[1])
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, lifespan="on", server_header=False
        )
        uvicorn.Server(config).run(sockets=[listener])
    return 0


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
    base = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    print(f"icans-cds: {base}/cds-services", file=sys.stderr)
    if settings.demo:
        print(f"icans-cds: demo page {base}/demo", file=sys.stderr)


def _warn(host: str) -> None:
    print(
        f"icans-cds: WARNING: ICANS_TRUST=open on {host}: every client that reaches this address is answered, "
        "unauthenticated. Use 127.0.0.1, or keep it behind a proxy that authenticates.",
        file=sys.stderr,
    )
