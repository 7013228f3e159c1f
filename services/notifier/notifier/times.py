"""How letters write times: English, 24-hour clock, the zone named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rebook.moments import zone

if TYPE_CHECKING:
    from datetime import datetime

    from rebook.availability import Slot

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def in_full(slot: Slot, zone_name: str) -> str:
    """`Tuesday, 5 November 2030, 15:00-15:30 (Europe/Berlin, UTC+1)`."""
    starts_at, ends_at = (moment.astimezone(zone(zone_name)) for moment in slot)
    same_day = starts_at.date() == ends_at.date()
    end = _clock(ends_at) if same_day else f" {_day(ends_at)}, {_clock(ends_at)}"
    dash = "-" if same_day else " -"
    return f"{_day(starts_at)}, {_clock(starts_at)}{dash}{end} ({_zone(starts_at, ends_at, zone_name)})"


def in_short(moment: datetime, zone_name: str) -> str:
    """`Tue 5 Nov 2030, 15:00`, for subject lines."""
    local = moment.astimezone(zone(zone_name))
    return f"{_DAYS[local.weekday()][:3]} {local.day} {_MONTHS[local.month - 1][:3]} {local.year}, {_clock(local)}"


def in_words(minutes: int) -> str:
    """`2 days`, `90 minutes`: the largest unit that divides it."""
    for unit, size in (("day", 24 * 60), ("hour", 60), ("minute", 1)):
        if minutes % size == 0:
            count = minutes // size
            return f"{count} {unit}{'' if count == 1 else 's'}"
    raise AssertionError("one divides everything")


def _day(local: datetime) -> str:
    return f"{_DAYS[local.weekday()]}, {local.day} {_MONTHS[local.month - 1]} {local.year}"


def _clock(local: datetime) -> str:
    return f"{local.hour:02}:{local.minute:02}"


def _zone(starts_at: datetime, ends_at: datetime, name: str) -> str:
    """The zone's name with its offset, or with both where the clock changes during the meeting."""
    offsets = dict.fromkeys((_offset(starts_at), _offset(ends_at)))
    return name if name in {"UTC", "Etc/UTC"} else f"{name}, {' to '.join(offsets)}"


def _offset(local: datetime) -> str:
    offset = local.utcoffset()
    assert offset is not None
    minutes = round(offset.total_seconds() / 60)
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'-' if minutes < 0 else '+'}{hours}{f':{rest:02}' if rest else ''}"
