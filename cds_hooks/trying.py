"""`icans-cds try`: an example sent to a running service, its cards shown."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import msgspec
import requests
from rich.console import Console, Group
from rich.markdown import Markdown
from rich.panel import Panel
from rich.text import Text

from cds_hooks import examples
from cds_hooks.settings import is_loopback

COLOURS = {"info": "blue", "warning": "yellow", "critical": "red"}
TIMEOUT = 30  # seconds


class UnknownExample(Exception):  # noqa: N818
    """There is no example of this name."""


class NoAnswer(Exception):  # noqa: N818
    """The service did not answer with cards."""


def request(name: str) -> bytes:
    """The example as JSON, its times shifted to now. Raises UnknownExample."""
    try:
        return msgspec.json.encode(examples.shifted(name))
    except LookupError as error:
        raise UnknownExample(str(error.args[0]) if error.args else f"No example {name}.") from None


def call(name: str, url: str) -> list[dict[str, Any]]:
    """The cards the service at `url` answers: a service URL, or the base URL of one. Raises UnknownExample, NoAnswer."""
    body = request(name)
    if "/cds-services" not in url:
        url = f"{url.rstrip('/')}/cds-services/icans-order-sign"
    session = requests.Session()
    session.trust_env = not is_loopback(urlsplit(url).hostname or "")  # a proxy does not reach this machine
    try:
        answer = session.post(url, data=body, headers={"Content-Type": "application/json"}, timeout=TIMEOUT)
    except requests.RequestException as error:
        raise NoAnswer(f"{url} did not answer ({type(error).__name__}). Is the service running?") from None
    if answer.status_code != 200:
        raise NoAnswer(f"{url} answered {answer.status_code}: {_said(answer)}")
    cards: list[dict[str, Any]] = answer.json()["cards"]
    return cards


def show(cards: list[dict[str, Any]]) -> None:
    """Print the cards as a clinician would read them, most urgent first as sent."""
    console = Console()
    if not cards:
        console.print("No cards: nothing to say.")
    for card in cards:
        console.print(_panel(card))


def _panel(card: dict[str, Any]) -> Panel:
    parts: list[Any] = [Text(card["summary"], style="bold")]
    if card.get("detail"):
        parts.append(Markdown(card["detail"]))
    for suggestion in card.get("suggestions", []):
        mark = "recommended" if suggestion.get("isRecommended") else "offered"
        parts.append(Text(f"[{mark}] {suggestion['label']}", style="green"))
    indicator, source = card["indicator"], card["source"]["label"]
    return Panel(Group(*parts), title=indicator, subtitle=Text(source), border_style=COLOURS[indicator])


def _said(answer: requests.Response) -> str:
    try:
        return "; ".join(str(issue.get("diagnostics", issue.get("code"))) for issue in answer.json()["issue"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return answer.reason
