"""The translators: FHIR R4 in and out. Exports are loaded when they are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fhir_mappers.reading import unwrap
    from fhir_mappers.snapshot import snapshot_from

__all__ = ["snapshot_from", "unwrap"]
_PLACES = {"snapshot_from": "fhir_mappers.snapshot", "unwrap": "fhir_mappers.reading"}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_PLACES[name]), name)
