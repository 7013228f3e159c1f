"""How people read times, on pages and in letters alike: English, 24-hour clock, the zone always named."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date
    from zoneinfo import ZoneInfo

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


@dataclass(frozen=True)
class When:
    """A slot in a zone, in the parts that pages set apart; together they are one sentence.

    `Tuesday, 5 November 2030, 15:00-15:30 (Europe/Berlin, UTC+1)`.
    """

    starts_at: datetime
    day: str
    hours: str
    zone: str

    @classmethod
    def of(cls, starts_at: datetime, ends_at: datetime, where: ZoneInfo) -> When:
        start, end = starts_at.astimezone(where), ends_at.astimezone(where)
        same_day = end.date() == start.date()
        until = f"-{clock(end)}" if same_day else f" - {day_name(end.date())}, {clock(end)}"
        return cls(starts_at, day_name(start.date()), clock(start) + until, _zone(starts_at, ends_at, where))

    def __str__(self) -> str:
        return f"{self.day}, {self.hours} ({self.zone})"


def day_name(day: date) -> str:
    """`Tuesday, 5 November 2030`."""
    return f"{WEEKDAYS[day.weekday()]}, {day.day} {MONTHS[day.month - 1]} {day.year}"


def clock(moment: datetime) -> str:
    """`15:00`, in the moment's own zone."""
    return f"{moment.hour:02}:{moment.minute:02}"


def offset(at: datetime, where: ZoneInfo) -> str:
    """`UTC+1`, `UTC-3:30`: how far the zone's clocks are from UTC at that moment."""
    ahead = at.astimezone(where).utcoffset() or timedelta()
    hours, minutes = divmod(round(abs(ahead) / timedelta(minutes=1)), 60)
    return f"UTC{'-' if ahead < timedelta() else '+'}{hours}{f':{minutes:02}' if minutes else ''}"


def _zone(starts_at: datetime, ends_at: datetime, where: ZoneInfo) -> str:
    """The zone's name with its offset, or with both where the clock changes during the meeting."""
    offsets = dict.fromkeys((offset(starts_at, where), offset(ends_at, where)))
    return where.key if where.key in {"UTC", "Etc/UTC"} else f"{where.key}, {' to '.join(offsets)}"
