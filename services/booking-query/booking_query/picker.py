"""The calendar a start is chosen from: which month and day it shows, which times, and where its arrows lead.

Pure but for `offer`, which tells the free slots between two days of a zone. What a visitor asks for comes from the
address; whatever makes no sense there is passed over, so that every address shows a calendar.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from rebook.moments import format_moment, parse_moment, zone
from rebook.times import clock, day_name, offset

from booking_query.calendar import Month, Week, choose_day, parse_day, weeks
from booking_query.presentation import count

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date
    from zoneinfo import ZoneInfo

    from rebook.availability import Slot

    Offer = Callable[[date, date, ZoneInfo], Mapping[date, Sequence[Slot]]]

NOON = time(12)
_LOOK_AHEAD_MONTHS = 14  # where the first months are full, the first free day is looked for this far


@dataclass(frozen=True)
class Wanted:
    """What the address asks for."""

    month: Month | None = None
    day: date | None = None
    starts_at: datetime | None = None

    @classmethod
    def read(cls, parameters: Mapping[str, str]) -> Wanted:
        day = parse_day(parameters.get("date", ""))
        month = Month.parse(parameters.get("month", "")) or (Month.of(day) if day else None)
        return cls(month, day, parse_start(parameters.get("starts_at", "")))

    def with_day_of_start(self, where: ZoneInfo) -> Wanted:
        """Where a start is asked for, its day is the one to show."""
        if self.starts_at is None:
            return self
        day = self.starts_at.astimezone(where).date()
        return Wanted(Month.of(day), day, self.starts_at)


@dataclass(frozen=True)
class Picker:
    """Everything the calendar shows, in one zone."""

    where: ZoneInfo
    month: Month
    weeks: list[Week]
    day: date | None
    times: Sequence[Slot]
    previous: Month | None
    following: Month | None
    next_free: date | None
    zone_parameter: str = ""

    @property
    def day_name(self) -> str:
        """The shown day; its year stands over the month."""
        return day_name(self.day).removesuffix(f" {self.day.year}") if self.day else ""

    @property
    def next_free_name(self) -> str:
        return day_name(self.next_free) if self.next_free else ""

    @property
    def offset(self) -> str:
        """How far the zone is from UTC on the day that is shown."""
        return offset(datetime.combine(self.day or self.month.first, NOON, self.where), self.where)

    @property
    def summary(self) -> str:
        """What a screen reader is told once the month or the day has changed."""
        if not self.day:
            return f"{self.month.name}: no free times"
        days = sum(1 for week in self.weeks for day in week if day and day.free)
        times = count(len(self.times), "free time", "free times")
        return f"{self.month.name}: {count(days, 'day', 'days')} with free times. {self.day_name}: {times}"

    @property
    def kept_fields(self) -> list[tuple[str, str]]:
        """What the form that changes the zone sends along, so that the shown day stays."""
        return [("date", self.day.isoformat())] if self.day else [("month", str(self.month))]

    def slot(self, starts_at: datetime) -> Slot | None:
        """The free slot of the shown day that starts then."""
        return next((slot for slot in self.times if slot.starts_at == starts_at), None)

    @property
    def link_to_day(self) -> str:
        """Back to this calendar, without a start chosen."""
        return self.link(date=self.day or self.month.first)

    def clock(self, slot: Slot) -> str:
        """The start on this zone's clock; where a clock change repeats an hour, with its offset."""
        shown = clock(slot.starts_at.astimezone(self.where))
        twice = [other for other in self.times if clock(other.starts_at.astimezone(self.where)) == shown]
        return shown if len(twice) == 1 else f"{shown} ({offset(slot.starts_at, self.where)})"

    def link(self, **parameters: object) -> str:
        """The address of this page with other parameters; the chosen zone stays."""
        zone_chosen = {"timezone": self.zone_parameter} if self.zone_parameter else {}
        return "?" + urlencode({**zone_chosen, **{name: str(value) for name, value in parameters.items()}})

    def start_link(self, slot: Slot) -> str:
        return self.link(starts_at=format_moment(slot.starts_at))


def pick(
    offer: Offer,
    wanted: Wanted,
    where: ZoneInfo,
    *,
    now: datetime,
    last_start: datetime | None,
    withdrawn: frozenset[datetime] = frozenset(),
    zone_parameter: str = "",
) -> Picker:
    """Draw the wanted month, or the first that has a free day.

    Args:
        last_start: the latest moment that can be on offer; None where there is no horizon.
        withdrawn: starts that were refused a moment ago and are not offered again.
    """
    today = now.astimezone(where).date()
    shown = _Offered(offer, where, withdrawn)
    limit = Month.of(last_start.astimezone(where).date()) if last_start else None
    month = max(wanted.month or _first_free_month(shown, Month.of(today), limit), Month.of(today))
    month = min(month, max(limit, Month.of(today))) if limit else month
    slots = shown.month(month)
    day = choose_day(month, slots, wanted.day)
    following = month.next()
    return Picker(
        where,
        month,
        weeks(month, slots, chosen=day, today=today),
        day,
        slots.get(day, ()) if day else (),
        previous=month.previous() if month > Month.of(today) else None,
        following=following if following and (limit is None or following <= limit) else None,
        next_free=None if day else shown.first_day(following, limit),
        zone_parameter=zone_parameter,
    )


def _first_free_month(shown: _Offered, this_month: Month, limit: Month | None) -> Month:
    day = shown.first_day(this_month, limit)
    return Month.of(day) if day else this_month


class _Offered:
    """What is on offer month by month, without the starts that were withdrawn; each month is asked for once."""

    def __init__(self, offer: Offer, where: ZoneInfo, withdrawn: frozenset[datetime]) -> None:
        self._offer = offer
        self._where = where
        self._withdrawn = withdrawn
        self._months: dict[Month, Mapping[date, Sequence[Slot]]] = {}

    def month(self, month: Month) -> Mapping[date, Sequence[Slot]]:
        if month not in self._months:
            offered = self._offer(month.first, month.last, self._where)
            self._months[month] = {day: self._left(slots) for day, slots in offered.items()}
        return self._months[month]

    def first_day(self, start: Month | None, limit: Month | None) -> date | None:
        month = start
        for _ in range(_LOOK_AHEAD_MONTHS):
            if month is None or (limit is not None and month > limit):
                return None
            day = choose_day(month, self.month(month), None)
            if day:
                return day
            month = month.next()
        return None

    def _left(self, slots: Sequence[Slot]) -> list[Slot]:
        return [slot for slot in slots if slot.starts_at not in self._withdrawn]


def parse_start(text: str) -> datetime | None:
    """Read a start from the address or from a draft; None for what is no moment near enough to draw."""
    try:
        start = parse_moment(text)
    except ValueError:
        return None
    return start if parse_day(start.date().isoformat()) else None


def shown_zone(*names: str | None) -> ZoneInfo:
    """The first of these that names a zone; UTC if none does."""
    for name in names:
        try:
            return zone(name or "")
        except ValueError:
            continue
    return zone("UTC")
