"""What checking a client token costs, in a process of its own: CPU milliseconds a request, with cached keys."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from clients import BASE, ISS, KEYS, clients_file, token  # noqa: E402
from cryptography.hazmat.primitives import hashes  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402

from cds_hooks.settings import Settings  # noqa: E402
from cds_hooks.trust.guard import Door, door  # noqa: E402

PATH = "/cds-services/icans-order-sign"


async def cost(opened: Door, algorithm: str) -> float:
    """The tenth percentile of 200 checks of fresh tokens, in milliseconds of this process's CPU."""
    tokens = [f"Bearer {token(BASE + PATH, algorithm)}" for _ in range(201)]
    spent = []
    for shown in tokens:
        began = time.process_time_ns()
        caller = await opened.caller([shown], PATH)
        spent.append((time.process_time_ns() - began) / 1e6)
        assert caller.iss == ISS
    return sorted(spent[1:])[20]


def arithmetic() -> float:
    """What OpenSSL takes for one ES384 signature alone: the tenth percentile of 200, in milliseconds of CPU."""
    signature, public = KEYS["ES384"].sign(b"x" * 400, ec.ECDSA(hashes.SHA384())), KEYS["ES384"].public_key()
    spent = []
    for _ in range(200):
        began = time.process_time_ns()
        public.verify(signature, b"x" * 400, ec.ECDSA(hashes.SHA384()))
        spent.append((time.process_time_ns() - began) / 1e6)
    return sorted(spent)[20]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        opened = door(
            Settings(trust="jwt", clients=clients_file(here), base_url=BASE, database_url=f"sqlite:///{here / 'a.db'}", rate_limit=0)
        )
        for algorithm in ("RS384", "ES256", "RS256", "ES384"):
            best = min(asyncio.run(cost(opened, algorithm)) for _ in range(5))
            print(f"{algorithm} {best:.3f} ms")
        print(f"P-384 {arithmetic():.3f} ms")


if __name__ == "__main__":
    main()
