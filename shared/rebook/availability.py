"""Which slots a meeting type offers: decided here alone, for what is shown and for what is accepted.

Pure: no clock, no store. Hours are wall-clock times in the type's zone; steps, durations, buffers and
notice are elapsed time. An edge of the hours that falls into a gap of the clock is the moment of the
change; one that happens twice opens at the first and closes at the last occurrence.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from datetime import time as wall_time
from typing import TYPE_CHECKING, NamedTuple

from rebook.moments import zone

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from rebook.meeting_types import MeetingType

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
YEARS = range(2, 9_999)  # in which every day has some before and some after it
_DAY = timedelta(days=1)


class Slot(NamedTuple):
    """A start and an end, aware UTC; the end is excluded."""

    starts_at: datetime
    ends_at: datetime

    def overlaps(self, other: Slot) -> bool:
        return self.starts_at < other.ends_at and other.starts_at < self.ends_at


class Span(NamedTuple):
    """Opening hours of one day: seconds of wall-clock time since midnight, 86,400 for 24:00."""

    opens: int
    closes: int


@dataclass(frozen=True)
class Schedule:
    """What decides a meeting type's slots, its times in elapsed minutes and its hours in `zone`."""

    zone: ZoneInfo
    weekly_hours: Mapping[str, Sequence[Span]]
    date_overrides: Mapping[date, Sequence[Span]]
    duration: timedelta
    step: timedelta
    buffer_before: timedelta
    buffer_after: timedelta
    minimum_notice: timedelta
    horizon: timedelta

    @classmethod
    def of(cls, meeting_type: MeetingType) -> Schedule:
        terms = meeting_type
        return cls(
            zone=zone(terms.timezone),
            weekly_hours={day: spans(hours) for day, hours in terms.weekly_hours.items()},
            date_overrides={
                date.fromisoformat(day): spans(hours) for day, hours in terms.date_overrides.items()
            },
            duration=timedelta(minutes=terms.duration_minutes),
            step=timedelta(minutes=terms.slot_step_minutes or terms.duration_minutes),
            buffer_before=timedelta(minutes=terms.buffer_before_minutes),
            buffer_after=timedelta(minutes=terms.buffer_after_minutes),
            minimum_notice=timedelta(minutes=terms.minimum_notice_minutes),
            horizon=timedelta(days=terms.horizon_days),
        )

    def lasting(self, duration_minutes: int) -> Schedule:
        """The same hours for a booking that moves and brings its own frozen duration; the step stays."""
        return replace(self, duration=timedelta(minutes=duration_minutes))

    def slot(self, starts_at: datetime) -> Slot:
        return Slot(starts_at, starts_at + self.duration)

    def hold(self, slot: Slot) -> Slot:
        """What the host cannot give to anyone else: the slot with its buffers on both sides."""
        return Slot(slot.starts_at - self.buffer_before, slot.ends_at + self.buffer_after)

    def hours_on(self, day: date) -> Sequence[Span]:
        return self.date_overrides.get(day, self.weekly_hours.get(WEEKDAYS[day.weekday()], ()))

    def lies_in_hours(self, starts_at: datetime) -> bool:
        """Whether a start lies on a step from an opening and its slot ends before that opening closes."""
        if starts_at.year not in YEARS:
            return False
        local_day = starts_at.astimezone(self.zone).date()
        days = _days(local_day - _DAY, local_day + _DAY)
        return any(self._fits(starts_at, opening) for day in days for opening in self._openings(day))

    def is_bookable_at(self, starts_at: datetime, now: datetime) -> bool:
        """Whether notice and horizon allow it; the team is bound by neither, only by the present."""
        return now + self.minimum_notice <= starts_at <= now + self.horizon

    def slots(
        self, first: date, last: date, shown_in: ZoneInfo, *, now: datetime, taken: Iterable[Slot], team: bool
    ) -> dict[date, list[Slot]]:
        """Every slot on offer that starts from `first` to `last` (days in `shown_in`, both included).

        Args:
            taken: the host's holds, buffers included; the moving booking's own left out.
            team: the team is bound by hours and holds, not by notice or horizon.
        """
        window = Slot(edge(first, 0, shown_in, closing=False), edge(last + _DAY, 0, shown_in, closing=False))
        free = _Free(taken)
        offered: dict[date, list[Slot]] = {}
        for starts_at in self._starts_within(window):
            allowed = now <= starts_at if team else self.is_bookable_at(starts_at, now)
            slot = self.slot(starts_at)
            if allowed and free.has(self.hold(slot)):
                offered.setdefault(starts_at.astimezone(shown_in).date(), []).append(slot)
        return offered

    def _starts_within(self, window: Slot) -> list[datetime]:
        first = window.starts_at.astimezone(self.zone).date() - _DAY
        last = window.ends_at.astimezone(self.zone).date() + _DAY
        return sorted(
            {
                starts_at
                for day in _days(first, last)
                for starts_at in self._starts(day)
                if window.starts_at <= starts_at < window.ends_at
            }
        )

    def _starts(self, day: date) -> list[datetime]:
        return [start for opening in self._openings(day) for start in self._steps(opening)]

    def _openings(self, day: date) -> Iterator[Slot]:
        for span in self.hours_on(day):
            yield Slot(
                edge(day, span.opens, self.zone, closing=False),
                edge(day, span.closes, self.zone, closing=True),
            )

    def _fits(self, starts_at: datetime, opening: Slot) -> bool:
        into = starts_at - opening.starts_at
        return into >= timedelta() and not into % self.step and starts_at + self.duration <= opening.ends_at

    def _steps(self, opening: Slot) -> list[datetime]:
        room = opening.ends_at - opening.starts_at - self.duration
        return [opening.starts_at + index * self.step for index in range(room // self.step + 1)]


class _Free:
    """Answers whether a hold fits between holds that never overlap one another."""

    def __init__(self, taken: Iterable[Slot]) -> None:
        self._taken = sorted(taken)
        self._ends = [slot.ends_at for slot in self._taken]

    def has(self, hold: Slot) -> bool:
        index = bisect_left(self._ends, hold.starts_at)
        return not any(hold.overlaps(other) for other in self._taken[index : index + 2])


def spans(hours: Sequence[Sequence[str]]) -> tuple[Span, ...]:
    """`[["09:00", "17:00"]]` as spans."""
    return tuple(Span(_seconds(opens), _seconds(closes)) for opens, closes in hours)


def edge(day: date, seconds: int, where: ZoneInfo, *, closing: bool) -> datetime:
    """The moment at which hours open or close: `seconds` of wall-clock time after midnight of `day`."""
    wall = datetime.combine(day, wall_time()) + timedelta(seconds=seconds)
    first = wall.replace(tzinfo=where, fold=0).astimezone(UTC)
    last = wall.replace(tzinfo=where, fold=1).astimezone(UTC)
    if first > last:  # the clock jumped over this time
        return _change_between(last, first, where)
    return last if closing else first


def _change_between(before: datetime, after: datetime, where: ZoneInfo) -> datetime:
    old = before.astimezone(where).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        if middle.astimezone(where).utcoffset() == old:
            before = middle
        else:
            after = middle
    return after


def _seconds(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 3600 + int(minutes) * 60


def _days(first: date, last: date) -> Iterator[date]:
    for offset in range((last - first).days + 1):
        yield first + timedelta(days=offset)
