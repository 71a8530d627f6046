"""A feedback body is taken as real clients send it, or refused whole."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cds_hooks.feedback import parse
from cds_hooks.refusal import Refusal

ACCEPTED = {
    "card": "c1638776-0000-4000-8000-000000000000",
    "outcome": "accepted",
    "acceptedSuggestions": [{"id": "8608c9df-0000-4000-8000-000000000000"}],
    "outcomeTimestamp": "2026-11-22T21:24:59.853Z",
}
OVERRIDDEN = {"card": "c", "outcome": "overridden", "outcomeTimestamp": "2026-11-22T21:25:04.047Z"}


def body(*items: Any) -> bytes:
    return json.dumps({"feedback": items}).encode()


@pytest.mark.parametrize(
    "item",
    [
        ACCEPTED,
        OVERRIDDEN,
        OVERRIDDEN | {"outcomeTimestamp": "2026-11-22T22:25:04+01:00"},
        OVERRIDDEN | {"overrideReason": {"reason": {"code": "not-icans", "system": "http://example.org/o"}}},
        OVERRIDDEN | {"overrideReason": {"userComment": "in words"}},
        OVERRIDDEN | {"overrideReasons": {"extension": {"com.epic": {"id": "1"}}}},
        OVERRIDDEN | {"overrideReasons": [{"reason": {"code": "a"}}, {"userComment": ""}]},
        OVERRIDDEN | {"card": "not a uuid", "extension": {"x": 1}, "unknown": []},
    ],
)
def test_what_real_clients_send_is_taken(item: dict[str, Any], valid: Any) -> None:
    assert parse(body(item)) == [item]
    if not isinstance(item.get("overrideReasons"), list):
        valid("feedback.lenient", {"feedback": [item]})


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"card": None}, "card"),
        ({"card": ""}, "card"),
        ({"card": 1}, "card"),
        ({"card": "x" * 1001}, "card"),
        ({"outcome": None}, "outcome"),
        ({"outcome": "ignored"}, "outcome"),
        ({"outcome": ["accepted"]}, "outcome"),
        ({"outcomeTimestamp": None}, "outcomeTimestamp"),
        ({"outcomeTimestamp": "2026-11-22"}, "outcomeTimestamp"),
        ({"outcomeTimestamp": "2026-11-22T21:24:59"}, "outcomeTimestamp"),
        ({"outcomeTimestamp": "2026-13-22T21:24:59Z"}, "outcomeTimestamp"),
        ({"acceptedSuggestions": None}, "acceptedSuggestions"),
        ({"acceptedSuggestions": []}, "acceptedSuggestions"),
        ({"acceptedSuggestions": {}}, "acceptedSuggestions"),
        ({"acceptedSuggestions": ["x"]}, "acceptedSuggestions[0]"),
        ({"acceptedSuggestions": [{}]}, "acceptedSuggestions[0].id"),
        ({"overrideReason": {}}, "overrideReason"),
        ({"overrideReason": "text"}, "overrideReason"),
        ({"overrideReason": {"reason": {}}}, "overrideReason.reason.code"),
        ({"overrideReason": {"reason": "x"}}, "overrideReason.reason"),
        ({"overrideReasons": {"userComment": 1}}, "overrideReasons.userComment"),
    ],
)
def test_a_malformed_item_refuses_the_body(changes: dict[str, Any], place: str) -> None:
    with pytest.raises(Refusal) as refusal:
        parse(body(ACCEPTED, ACCEPTED | changes))
    assert refusal.value.status == 400
    assert refusal.value.expression == f"feedback[1].{place}"


@pytest.mark.parametrize(
    "sent",
    [b"", b"[]", b"{}", b'{"feedback": null}', b'{"feedback": {}}', b'{"feedback": []}', b'{"feedback": [1]}',
     b'{"feedback": [], "feedback": []}', b'{"feedback": [{"card": "a", "card": "b"}]}'],
)  # fmt: skip
def test_another_shape_is_refused(sent: bytes) -> None:
    with pytest.raises(Refusal) as refusal:
        parse(sent)
    assert refusal.value.status == 400


def test_more_items_than_are_taken_at_once_are_413() -> None:
    with pytest.raises(Refusal) as refusal:
        parse(body(*[OVERRIDDEN] * 10_001))
    assert refusal.value.status == 413
    assert "10001 items; at most 10000" in str(refusal.value.outcome())
