"""A key twice is found however a record is written; the quick look and the slow one say the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_mappers.quirks import DoubledKey, parsed


def doubled_key(raw: bytes) -> str | None:
    try:
        parsed(raw)
    except DoubledKey as doubled:
        return str(doubled)
    return None


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
LAYOUTS = ({"separators": (",", ":")}, {"indent": 2}, {"ensure_ascii": False}, {})


@given(VALUES, st.sampled_from(LAYOUTS))
def test_no_key_is_doubled_in_what_a_dictionary_gave(value: Any, layout: dict[str, Any]) -> None:
    text = json.dumps({"id": "a", "x": value}, **layout)
    assert doubled_key(text.encode("utf-8", "surrogatepass")) is None


@given(VALUES, VALUES, st.sampled_from(LAYOUTS))
def test_a_doubled_key_is_named_wherever_it_stands(one: Any, two: Any, layout: dict[str, Any]) -> None:
    doubled = f'{{"k": {json.dumps(one, **layout)}, "\\u006b": {json.dumps(two, **layout)}}}'
    for text in (doubled, f'{{"id": "a", "list": [1, {doubled}]}}'):
        assert doubled_key(text.encode()) == "k"


@pytest.mark.parametrize("number", ["1.50", "1e3", "1.0", "-0", "1E400", "12345678901234567890123"])
def test_numbers_written_another_way_are_no_doubles(number: str) -> None:
    assert doubled_key(f'{{"a": {number}, "b": {number}}}'.encode()) is None
    assert doubled_key(f'{{"a": {number}, "a": {number}}}'.encode()) == "a"
