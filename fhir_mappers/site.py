"""What a site sets: the zone of times without one, its own codes read, and its own codes of what is suggested."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import tzinfo

from fhir_mappers.codes import Terminology
from fhir_mappers.resources_out import SiteCodes


@dataclass(frozen=True, slots=True)
class Site:
    """`zone` None: a time without an offset is refused. `codes` None: the terminology as it ships.

    `orders` are the site's preference-list codes, by the id of a dose, a drug or a request. `smart_launch` is
    the launch URL that cards link to; None: no link.
    """

    zone: tzinfo | None = None
    codes: Terminology | None = None
    orders: SiteCodes = field(default_factory=dict)
    smart_launch: str | None = None


ANYWHERE = Site()
"""No zone and no maps: what is read everywhere alike."""
