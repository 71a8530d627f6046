"""`make bench`: the service beside the floor, in one run, in interleaved rounds. Writes docs/benchmarks.md.

`make soak`: a bounded load for a number of requests, reporting memory and errors.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import clients
import postgres
import reading_bound
import report
import soak
from bodies import WORKLOADS
from load import HERE, PATH, Measured, Target, measure, serving

from cds_hooks.store.engine import opened

CONNECTIONS = (1, 16)
Cells = dict[tuple[str, str, int], list[Measured]]


def targets(folder: Path, cluster: postgres.Cluster) -> list[Target]:
    """Every server to measure, the floor first. A target with client tokens sets `tokens` and its settings."""
    url = cluster.create("bench")
    opened(url, upgrade=True).dispose()
    plain = {"ICANS_PATIENT_KEY": "a key of the benchmark only", "ICANS_TRUST": "open"}
    found = [
        Target("floor", "floor"),
        Target("store off", "service", {**plain, "BENCH_STORE": "off", "ICANS_DATABASE_URL": "sqlite://"}),
        Target("store off, tokens", "service", {**plain, **_trusting(folder), "BENCH_STORE": "off"}, tokens=partial(_tokens, folder)),
        Target("SQLite", "service", {**plain, "ICANS_DATABASE_URL": f"sqlite:///{folder / 'bench.db'}"}),
        Target("PostgreSQL", "service", {**plain, "ICANS_DATABASE_URL": url}),
    ]
    peer = HERE.parents[1] / ".venvs" / "healthchain" / "bin" / "python"
    if peer.exists():
        path = "/cds/cds-services/icans-order-sign"
        found.append(Target("HealthChain, hand rule", "healthchain_service", python=str(peer), path=path))
    return found


def _trusting(folder: Path) -> dict[str, str]:
    """Settings under which each request needs a client token."""
    known = {"ICANS_TRUST": "jwt", "ICANS_CLIENTS": str(clients.clients_file(folder)), "ICANS_BASE_URL": clients.BASE}
    return known | {"ICANS_RATE_LIMIT": "0", "ICANS_DATABASE_URL": f"sqlite:///{folder / 'tokens.db'}"}


def _tokens(folder: Path, number: int) -> Path:
    """New tokens for the service's URL, ES384, one a line."""
    path = folder / "tokens.txt"
    path.write_text("\n".join(clients.token(f"{clients.BASE}{PATH}") for _ in range(max(number, 100))))
    return path


def bench(seconds: float, rounds: int) -> Cells:
    cells: Cells = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="icans-bench-", dir=os.environ.get("BENCH_FOLDER"))))
        cluster = stack.enter_context(postgres.running())
        servers = [stack.enter_context(serving(target, folder)) for target in targets(folder, cluster)]
        for workload in WORKLOADS:
            file = folder / "body.json"
            file.write_bytes(workload.made(workload.observations))
            for server in servers:
                measure(server, file, 1, 1)  # warm
            for number in range(rounds):
                for connections in CONNECTIONS:
                    for server in servers if number % 2 == 0 else reversed(servers):
                        done = measure(server, file, connections, seconds)
                        cells.setdefault((server.target.name, workload.name, connections), []).append(done)
                print(f"{workload.name} Observations, round {number + 1} of {rounds}", file=sys.stderr)
    return cells


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3, help="of load a cell and round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--soak", type=int, metavar="REQUESTS", help="soak instead")
    parser.add_argument("--write", type=Path, help="a file for the report")
    chosen = parser.parse_args(arguments)
    if chosen.soak:
        return soak.run(chosen.soak)
    text = report.text(bench(chosen.seconds, chosen.rounds), reading_bound.measured(), chosen.seconds, chosen.rounds)
    print(text)
    if chosen.write:
        chosen.write.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
