"""How letters write times."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rebook.moments import zone
from rebook.times import When, clock, day_name

if TYPE_CHECKING:
    from datetime import datetime

    from rebook.availability import Slot


def in_full(slot: Slot, zone_name: str) -> str:
    """`Tuesday, 5 November 2030, 15:00-15:30 (Europe/Berlin, UTC+1)`."""
    return str(When.of(*slot, zone(zone_name)))


def in_short(moment: datetime, zone_name: str) -> str:
    """`Tue 5 Nov 2030, 15:00`, for subject lines."""
    local = moment.astimezone(zone(zone_name))
    weekday, day, month, year = day_name(local.date()).split()
    return f"{weekday[:3]} {day} {month[:3]} {year}, {clock(local)}"


def in_words(minutes: int) -> str:
    """`2 days`, `90 minutes`: the largest unit that divides it."""
    for unit, size in (("day", 24 * 60), ("hour", 60), ("minute", 1)):
        if minutes % size == 0:
            count = minutes // size
            return f"{count} {unit}{'' if count == 1 else 's'}"
    raise AssertionError("one divides everything")
