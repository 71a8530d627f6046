"""Pages from templates, escaped by Jinja; what a browser may load for them: our own files, nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

PAGE_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
    "referrer-policy": "same-origin",  # so that a posted form names its origin
    "x-content-type-options": "nosniff",
}
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def page(template: str, status: int = 200, **shown: Any) -> Response:
    """A page by the name of its template."""
    return HTMLResponse(_TEMPLATES.get_template(f"{template}.html").render(**shown), status, headers=PAGE_HEADERS)


def problem(status: int, title: str, text: str) -> Response:
    """A page that says what is wrong and what to do."""
    return page("problem", status, title=title, text=text, visit=None, who=None)


def static(path: Path) -> Callable[[Request], Response]:
    """A file of ours, read once."""
    content = path.read_bytes()
    headers = PAGE_HEADERS | {"cache-control": "no-cache"}

    def send(_: Request) -> Response:
        return Response(content, media_type=_TYPES[path.suffix], headers=headers)

    return send
