"""What is on offer now: the read tables' holds and hours, put to the rules that the command side decides by."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from rebook.availability import YEARS, Schedule, Slot
from rebook.meeting_types import DAY_MINUTES, MeetingType

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date
    from zoneinfo import ZoneInfo

    from booking_query.database import Database

Offer = dict["date", list[Slot]]

_HOLD_MAX = timedelta(minutes=3 * DAY_MINUTES)  # a meeting and its two buffers, a day each
_HOLDS = """
    SELECT hold_starts_at, hold_ends_at FROM bookings
    WHERE host = %(host)s AND status <> 'cancelled' AND booking_id <> %(but)s
      AND hold_starts_at > %(earliest)s AND hold_starts_at < %(latest)s
"""
_NOBODY = "00000000-0000-0000-0000-000000000000"


def for_booking(
    database: Database,
    meeting_type: Mapping[str, Any],
    first: date,
    last: date,
    where: ZoneInfo,
    now: datetime,
) -> Offer:
    """The slots that a customer can book."""
    if not _can_be_drawn(first, last):
        return {}
    terms = MeetingType.from_json(meeting_type)
    taken = _holds(database, terms.host.key, first, last)
    return Schedule.of(terms).slots(first, last, where, now=now, taken=taken, team=False)


def for_move(
    database: Database,
    booking: Mapping[str, Any],
    meeting_type: Mapping[str, Any],
    first: date,
    last: date,
    where: ZoneInfo,
    now: datetime,
    *,
    team: bool,
) -> Offer:
    """The slots that a booking can move to, its own among them; none for one that cannot move."""
    if refusal_to_move(booking, now, team=team) or not _can_be_drawn(first, last):
        return {}
    schedule = Schedule.of(MeetingType.from_json(meeting_type)).lasting(booking["duration_minutes"])
    taken = _holds(database, booking["host"]["email"].lower(), first, last, but=booking["booking_id"])
    offered = schedule.slots(first, last, where, now=now, taken=taken, team=team)
    return _with_own(offered, Slot(booking["starts_at"], booking["ends_at"]), first, last, where)


def _with_own(offered: Offer, own: Slot, first: date, last: date, where: ZoneInfo) -> Offer:
    """Moving to where it is already is always accepted, so that is always offered."""
    day = own.starts_at.astimezone(where).date()
    if first <= day <= last:
        offered[day] = sorted({own, *offered.get(day, ())})
    return dict(sorted(offered.items()))


def refusal_to_move(booking: Mapping[str, Any], now: datetime, *, team: bool) -> str | None:
    """The code of the problem that moving it would meet; None where it can be moved."""
    return _refusal(booking, now, 0 if team else booking["reschedule_cutoff_minutes"])


def refusal_to_cancel(booking: Mapping[str, Any], now: datetime, *, team: bool) -> str | None:
    return _refusal(booking, now, 0 if team else booking["cancel_cutoff_minutes"])


def _refusal(booking: Mapping[str, Any], now: datetime, cutoff_minutes: int) -> str | None:
    if booking["status"] == "cancelled":
        return "booking-cancelled"
    if now >= booking["starts_at"]:
        return "meeting-started"
    if now > booking["starts_at"] - timedelta(minutes=cutoff_minutes):
        return "cutoff-passed"
    return None


def _holds(database: Database, host: str, first: date, last: date, but: str = _NOBODY) -> list[Slot]:
    """What is taken on those days, wherever on earth they are; holds of one host never overlap."""
    begin = datetime(first.year, first.month, first.day, tzinfo=UTC)
    end = datetime(last.year, last.month, last.day, tzinfo=UTC)
    values = {"host": host, "but": but, "earliest": begin - 2 * _HOLD_MAX, "latest": end + 2 * _HOLD_MAX}
    return [Slot(*row) for row in database.values(_HOLDS, values)]


def _can_be_drawn(first: date, last: date) -> bool:
    return first.year in YEARS and last.year in YEARS
