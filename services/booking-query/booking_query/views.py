"""What the pages say about a booking or a meeting type: pure, from rows to words. Times are aware datetimes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any

from rebook.moments import zone
from rebook.times import When, clock, day_name

from booking_query.presentation import (
    ERASED,
    FILTERS,
    count,
    duration,
    hours_lines,
    length,
    moment,
    relative_day,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date, datetime
    from zoneinfo import ZoneInfo

    from booking_query.rows import Listed


def booking_view(booking: Mapping[str, Any], where: ZoneInfo) -> dict[str, Any]:
    """What the customer's and the team's pages about one booking have in common."""
    customer, host = booking["customer"], booking["host"]
    return {
        **booking,
        "customer_name": customer["name"] or ERASED,
        "customer_email": customer["email"],
        "customer_zone": customer["timezone"],
        "host_name": host["name"],
        "host_email": host["email"],
        "when": When.of(booking["starts_at"], booking["ends_at"], where),
        "length": length(booking["starts_at"], booking["ends_at"]),
    }


def customer_view(booking: Mapping[str, Any], where: ZoneInfo, now: datetime) -> dict[str, Any]:
    """One booking as its customer sees it: what can be done, and why not what cannot."""
    is_over = _is_over(booking, now)
    return {
        **booking_view(booking, where),
        "counterpart": f"With {booking['host']['name']}",
        "not_possible": list(_not_possible_for_customer(booking, where, now)),
        "is_ahead": booking["status"] != "cancelled" and booking["starts_at"] > now,
        "can_rebook": is_over or booking["status"] == "cancelled",
    }


def _not_possible_for_customer(booking: Mapping[str, Any], where: ZoneInfo, now: datetime) -> Iterable[str]:
    finished = _finished(booking, where, now)
    if finished:
        yield finished
        return
    late = [
        f"{doing} (possible until {moment(booking['starts_at'] - timedelta(minutes=minutes), where)})"
        for can, doing, minutes in (
            (booking["can_reschedule"], "reschedule", booking["reschedule_cutoff_minutes"]),
            (booking["can_cancel"], "cancel", booking["cancel_cutoff_minutes"]),
        )
        if not can
    ]
    if late:
        host = booking["host"]["name"]
        yield f"It is too late to {' or '.join(late)} online."
        yield f"Answer your confirmation e-mail: it reaches {host}, who can still change the booking."


def _finished(booking: Mapping[str, Any], where: ZoneInfo, now: datetime) -> str:
    if booking["status"] == "cancelled":
        on = moment(booking["cancelled_at"], where)
        return f"Cancelled on {on}. A cancelled booking stays cancelled: it cannot be moved or brought back."
    if booking["starts_at"] > now:
        return ""
    began = "This meeting is over" if _is_over(booking, now) else "The meeting has begun"
    return f"{began}, so it can no longer be moved or cancelled."


def team_view(booking: Mapping[str, Any], where: ZoneInfo, now: datetime) -> dict[str, Any]:
    """One booking as the team sees it, with every fact."""
    finished = _finished(booking, where, now)
    view = booking_view(booking, where)
    customers = When.of(booking["starts_at"], booking["ends_at"], zone(view["customer_zone"]))
    shown_filter = filter_of(booking, now)
    return {
        **view,
        "customer_when": "" if view["customer_zone"] == where.key else str(customers),
        "counterpart": f"{view['customer_name']} with {view['host_name']}",
        "not_possible": [finished] if finished else [],
        "can_reschedule": not finished,
        "can_cancel": not finished,
        "can_resend": not finished and view["customer_email"] != "",
        "moved": _times(booking["reschedules"]),
        "created": moment(booking["created_at"], where),
        "updated": moment(booking["updated_at"], where),
        "filter": shown_filter,
        "filter_name": FILTERS[shown_filter],
    }


def _times(number: int) -> str:
    return "never" if not number else "once" if number == 1 else count(number, "time", "times")


def filter_of(booking: Mapping[str, Any], now: datetime) -> str:
    """The tab of the list that the booking is under."""
    if booking["status"] == "cancelled":
        return "cancelled"
    return "past" if _is_over(booking, now) else "upcoming"


def _is_over(booking: Mapping[str, Any], now: datetime) -> bool:
    return bool(booking["ends_at"] <= now)


@dataclass(frozen=True)
class DayOfBookings:
    """The bookings of the list that start on one day."""

    name: str
    relative: str
    rows: list[dict[str, str]]


def by_day(bookings: Iterable[Listed], where: ZoneInfo, today: date) -> list[DayOfBookings]:
    """A page of the list, in its order, under the days on which its bookings start."""

    def start_day(booking: Listed) -> date:
        return booking.starts_at.astimezone(where).date()

    return [
        DayOfBookings(day_name(day), relative_day(day, today), [_row(booking, where) for booking in group])
        for day, group in groupby(bookings, start_day)
    ]


def _row(booking: Listed, where: ZoneInfo) -> dict[str, str]:
    start, end = (at.astimezone(where) for at in (booking.starts_at, booking.ends_at))
    return {
        "booking_id": booking.booking_id,
        "title": booking.title,
        "status": booking.status,
        "hours": f"{clock(start)}-{clock(end)}",
        "customer_name": booking.customer.name or ERASED,
        "customer_email": booking.customer.email,
        "host_name": booking.host.name,
    }


def type_view(meeting_type: Mapping[str, Any], public_url: str) -> dict[str, Any]:
    """A meeting type with its words, hours and booking link."""
    return {
        **meeting_type,
        "host_name": meeting_type["host"]["name"],
        "length": duration(meeting_type["duration_minutes"]),
        "hours": hours_lines(meeting_type["weekly_hours"]),
        "link": f"{public_url}/book/{meeting_type['slug']}",
    }
