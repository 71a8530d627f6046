"""Names that derive from the decision: the same decision gives the same cards, so that feedback joins."""

from __future__ import annotations

import hashlib
from uuid import UUID

_VARIANTS = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


def derived(decision_id: UUID, name: str) -> str:
    """The text of uuid5(decision_id, name) (RFC 9562), without the UUID between: a card has a dozen of them."""
    found = hashlib.sha1(decision_id.bytes + name.encode(), usedforsecurity=False).hexdigest()
    return f"{found[:8]}-{found[8:12]}-5{found[13:16]}-{_VARIANTS[found[16]]}{found[17:20]}-{found[20:32]}"
