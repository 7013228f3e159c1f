"""The topics by name, without the prefix that a setting gives them all."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

BOOKINGS, MEETING_TYPES, TEAM, DELIVERIES, DEAD_LETTERS = (
    "bookings",
    "meeting-types",
    "team",
    "deliveries",
    "dead-letters",
)
PARTITIONS: Mapping[str, int] = {BOOKINGS: 12, MEETING_TYPES: 1, TEAM: 1, DELIVERIES: 12, DEAD_LETTERS: 1}
