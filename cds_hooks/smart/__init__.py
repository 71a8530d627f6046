"""The SMART on FHIR app at /smart: launch, the bedside form, the episode. There only with ICANS_SMART_SERVERS."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from starlette.routing import BaseRoute, Route

from cds_hooks.settings import EXPECTED, Settings, SettingsError
from cds_hooks.smart.launching import Launching
from cds_hooks.smart.pages import Pages
from cds_hooks.smart.rendering import PAGE_HEADERS, static
from cds_hooks.smart.servers import load
from cds_hooks.smart.sessions import Sessions
from cds_hooks.store import Store
from rules import Knowledge

STATIC = Path(__file__).parent / "static"


def routes(settings: Settings, knowledge: Knowledge, store: Store, clock: Callable[[], datetime]) -> list[BaseRoute]:
    """The app's routes; none when no server is listed. Raises SettingsError."""
    if settings.smart_servers is None:
        return []
    if settings.base_url is None:
        raise SettingsError(f"ICANS_BASE_URL is not set: the SMART app is sent back to it; expected {EXPECTED['base_url']}")
    servers, sessions = load(settings.smart_servers), Sessions()
    launching = Launching(servers, sessions, settings.base_url)
    pages = Pages(settings, knowledge, store, clock, servers, sessions)
    visit = "/smart/v/{visit}"
    return [
        Route("/smart", launching.choose, methods=["GET"]),
        Route("/smart/launch", launching.launch, methods=["GET"]),
        Route("/smart/callback", launching.callback, methods=["GET"]),
        Route(f"{visit}/form", pages.form, methods=["GET"]),
        Route(f"{visit}/form", pages.save, methods=["POST"]),
        Route(f"{visit}/episode", pages.episode, methods=["GET"]),
        Route(f"{visit}/timeline.svg", pages.timeline, methods=["GET"]),
        Route(f"{visit}/file/{{submission}}", pages.file, methods=["GET"]),
        Route(f"{visit}/end", pages.end, methods=["POST"]),
        *(Route(f"/smart/static/{path.name}", static(path), methods=["GET"]) for path in sorted(STATIC.iterdir())),
    ]


__all__ = ["PAGE_HEADERS", "routes"]
