"""Headless Chromium that reaches this machine only, and the accessibility checker of axe-core.

No request is intercepted: with a route set, Playwright answers preflights itself.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).parents[2]
ARTIFACTS = ROOT / "artifacts"
NODE = ROOT / "tests" / "tools" / "node"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]


@contextlib.contextmanager
def launched() -> Iterator[Browser]:
    """Chromium from PATH. Fails with how to get it."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    assert path is not None, "Chromium was not found. Run: apt-get update && apt-get install -y chromium fonts-dejavu"
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()


def watched(page: Page, complaints: list[str], *hosts: str) -> Page:
    """A page whose errors, and requests to other hosts than these URLs', are collected."""
    allowed = {urlsplit(host).netloc for host in hosts}
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: _host(request.url, allowed, complaints))
    return page


def _host(url: str, allowed: set[str], complaints: list[str]) -> None:
    if urlsplit(url).scheme in ("http", "https") and urlsplit(url).netloc not in allowed:
        complaints.append(f"request to another host: {url}")


def npm_packages() -> Path:
    """The folder of the npm packages, installed from their lock when they are not there."""
    subprocess.run(["sh", str(ROOT / "tests/tools/ensure-npm.sh")], check=True)
    return NODE / "node_modules"


def violations(page: Page) -> list[str]:
    """What axe-core finds on the page as it is: rule, and the elements."""
    page.evaluate((npm_packages() / "axe-core" / "axe.min.js").read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = page.evaluate("axe.run().then((result) => result.violations)")
    return [f"{one['id']}: {[node['target'] for node in one['nodes']]}" for one in found]


def incomplete(page: Page) -> list[str]:
    """What axe-core could not decide: a person looks at these."""
    found: list[dict[str, Any]] = page.evaluate("axe.run().then((result) => result.incomplete)")
    return [f"{one['id']}: {[node['target'] for node in one['nodes']]}" for one in found]
