"""What a site sets about how its records are read: the zone of times without one, its own codes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo

from fhir_mappers.codes import Terminology


@dataclass(frozen=True, slots=True)
class Site:
    """`zone` None: a time without an offset is refused. `codes` None: the terminology as it ships."""

    zone: tzinfo | None = None
    codes: Terminology | None = None


ANYWHERE = Site()
"""No zone and no maps: what is read everywhere alike."""
