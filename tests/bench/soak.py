"""A bounded load for many requests on a recording service: does memory grow, is there an error?"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from bodies import body
from load import Target, measure, serving

STEP = 10.0  # seconds between two looks
WARM = 20_000  # requests before memory counts
MOST_GROWTH = 0.05  # of the memory after warming


def run(requests: int) -> int:
    """Post until `requests` were answered. Exit code 1: an error, or memory grew by more than a twentieth."""
    with tempfile.TemporaryDirectory(prefix="icans-soak-") as name:
        folder = Path(name)
        file = folder / "body.json"
        file.write_bytes(body(20))
        settings = {"ICANS_DATABASE_URL": f"sqlite:///{folder / 'soak.db'}", "ICANS_TRUST": "open"}
        answered, errors, seen = 0.0, 0, []
        with serving(Target("soak", "service", settings), folder) as server:
            while answered < requests:
                done = measure(server, file, 16, STEP)
                answered += done.per_second * STEP
                errors += done.errors
                seen.append((answered, server.resident_mb()))
                print(f"{answered:9.0f} requests, {seen[-1][1]:6.1f} MB, p99 {done.p99:6.1f} ms, {errors} errors", flush=True)
    warm = next((mb for count, mb in seen if count >= min(WARM, requests / 2)), seen[0][1])
    growth = seen[-1][1] - warm
    print(f"memory grew by {growth:.1f} MB from {warm:.1f} MB after warming; {errors} errors")
    sys.stdout.flush()
    return 1 if errors or growth > warm * MOST_GROWTH else 0
