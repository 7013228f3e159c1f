"""The month that people choose a day from, as rows of weeks: pure, from free slots to cells."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, date
from typing import TYPE_CHECKING, NamedTuple

from rebook.times import MONTHS, day_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rebook.availability import Slot

_WEEKS_FROM_MONDAY = calendar.Calendar(firstweekday=calendar.MONDAY)


class Month(NamedTuple):
    """A month of a year; sorts by time."""

    year: int
    month: int

    @classmethod
    def of(cls, day: date) -> Month:
        return cls(day.year, day.month)

    @classmethod
    def parse(cls, text: str) -> Month | None:
        """Read `2030-11`; None for anything else."""
        day = parse_day(f"{text}-01")
        return cls.of(day) if day else None

    @property
    def first(self) -> date:
        return date(self.year, self.month, 1)

    @property
    def last(self) -> date:
        return date(self.year, self.month, calendar.monthrange(self.year, self.month)[1])

    @property
    def name(self) -> str:
        return f"{MONTHS[self.month - 1]} {self.year}"

    def next(self) -> Month | None:
        return self._moved(1)

    def previous(self) -> Month | None:
        return self._moved(-1)

    def __str__(self) -> str:
        return f"{self.year:04}-{self.month:02}"

    def _moved(self, months: int) -> Month | None:
        year, index = divmod(self.year * 12 + self.month - 1 + months, 12)
        return Month(year, index + 1) if MINYEAR < year < MAXYEAR else None


@dataclass(frozen=True)
class Day:
    """One cell of the grid."""

    date: date
    free: int
    is_today: bool
    is_chosen: bool

    @property
    def label(self) -> str:
        """What a screen reader says: the whole date, and whether anything is free."""
        free = {0: "no free times", 1: "1 free time"}.get(self.free, f"{self.free} free times")
        today = "today, " if self.is_today else ""
        return f"{today}{day_name(self.date)}, {free}"


Week = tuple[Day | None, ...]


def weeks(
    month: Month, slots: Mapping[date, Sequence[Slot]], *, chosen: date | None, today: date
) -> list[Week]:
    """The month's weeks from Monday; cells outside the month are None."""
    return [
        tuple(
            Day(day, len(slots.get(day, ())), day == today, day == chosen) if Month.of(day) == month else None
            for day in week
        )
        for week in _WEEKS_FROM_MONDAY.monthdatescalendar(month.year, month.month)
    ]


def choose_day(month: Month, slots: Mapping[date, Sequence[Slot]], wanted: date | None) -> date | None:
    """The day whose times are shown: the wanted one if it has any, else the next that does, else the first."""
    free = sorted(day for day in slots if slots[day] and Month.of(day) == month)
    later = [day for day in free if wanted and day >= wanted]
    return next(iter(later or free), None)


def parse_day(text: str) -> date | None:
    """Read `2030-11-05`; None for anything else, and for years no month grid can be drawn around."""
    try:
        day = date.fromisoformat(text) if len(text) == len("2030-11-05") else None
    except ValueError:
        return None
    return day if day and MINYEAR < day.year < MAXYEAR else None
