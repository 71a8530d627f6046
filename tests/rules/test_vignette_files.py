"""A site's vignettes are read as they stand, or refused by name."""

from __future__ import annotations

import pytest
from snapshots import KNOWLEDGE

from rules.vignettes import VignetteError, failures, snapshot_of


def test_unable_and_full_codes_are_read() -> None:
    assert list(failures({"vignette": "a", "ice": "unable", "expect_at_least": "4"}, KNOWLEDGE)) == []
    assert list(failures({"vignette": "a", "age": "5", "capd": "unable", "expect_at_least": "4"}, KNOWLEDGE)) == []
    assert list(failures({"vignette": "a", "consciousness": "loc-alert", "expect_at_least": "0"}, KNOWLEDGE)) == []


def test_without_an_exposure_no_row_holds() -> None:
    assert snapshot_of({"exposure": "none"}, KNOWLEDGE).administrations == ()
    (failed,) = failures({"vignette": "a", "exposure": "none", "expect_rows": "agent-none"}, KNOWLEDGE)
    assert str(failed) == "a: expected row agent-none, found no row"


@pytest.mark.parametrize(("row", "expected"), [({"mood": "good"}, "found 'mood'"), ({"age": "old"}, "found 'old'"), ({"exposure": "x"}, "found 'x'")])
def test_what_cannot_be_read_is_named(row: dict[str, str], expected: str) -> None:
    with pytest.raises(VignetteError, match=expected):
        list(failures(row, KNOWLEDGE))
