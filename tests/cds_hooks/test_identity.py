"""Card and suggestion uuids are those of RFC 9562, version 5, in the namespace of the decision."""

from __future__ import annotations

from uuid import UUID, uuid5

from hypothesis import given
from hypothesis import strategies as st

from cds_hooks.identity import derived


@given(st.uuids(), st.text(st.characters(exclude_categories=["Cs"])))
def test_a_derived_identity_is_the_uuid5_of_the_library(decision_id: UUID, name: str) -> None:
    assert derived(decision_id, name) == str(uuid5(decision_id, name))
