"""The notifier's own knowledge of bookings: rows that follow each booking's events, one version at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from rebook.availability import Slot
from rebook.moments import parse_moment
from rebook.parking import VersionGap

from notifier.letters import CANCELLED, CONFIRMED, RESCHEDULED, Booking, Change

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg2.extensions import cursor as Cursor  # noqa: N812
    from rebook.cloudevents import Event


BOOKING_COLUMNS = (
    *("booking_id", "meeting_type", "title", "location", "host_name", "host_email", "timezone", "team"),
    *("reminders_minutes_before", "reschedule_cutoff_minutes", "cancel_cutoff_minutes"),
    *("customer_name", "customer_email", "customer_timezone", "notes"),
)
CHANGE_COLUMNS = (
    *("version", "kind", "starts_at", "ends_at", "previous_starts_at", "previous_ends_at"),
    *("actor", "reason", "calendar_sequence", "happened_at"),
)
_STANDING = ("starts_at", "ends_at", "calendar_sequence", "source")

# Calendars ignore what has a lower SEQUENCE than they were told: an event of a store that was restored rises above
# the letters about lost events.
_NEXT_SEQUENCE = """greatest(calendar_sequence, CASE WHEN source IN ('', %(source)s) THEN 0 ELSE (
    SELECT coalesce(max(d.version) - 1, 0) FROM deliveries d WHERE d.booking_id = bookings.booking_id
    AND d.version >= %(sequence)s AND d.source <> %(source)s) END) + 1"""


_CHANGED = f"status = %(status)s, changed_version = %(sequence)s, calendar_sequence = {_NEXT_SEQUENCE}"


class AnotherHistory(Exception):  # noqa: N818 - a fact, told to the operator
    """The store was restored to an earlier point, and this event is not the one of that version that is known."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A booking with its slot and calendar sequence as they stand after an event.

    `booked_by` is the source of the event that confirmed it.
    """

    booking: Booking
    slot: Slot
    calendar_sequence: int
    booked_by: str


def booking_of(row: Sequence[Any]) -> Booking:
    """A booking from a row of `BOOKING_COLUMNS`."""
    facts = dict(zip(BOOKING_COLUMNS, row, strict=True))
    lists = {name: tuple(facts[name]) for name in ("team", "reminders_minutes_before")}
    return Booking(**{**facts, **lists})


def change_of(row: Sequence[Any]) -> Change:
    """A change from a row of `CHANGE_COLUMNS`."""
    version, kind, starts_at, ends_at, previous_starts_at, previous_ends_at, *rest = row
    previous = Slot(previous_starts_at, previous_ends_at) if previous_starts_at else None
    return Change(version, kind, Slot(starts_at, ends_at), previous, *rest)


def confirm(cursor: Cursor, event: Event) -> Standing | None:
    """Take a new booking in; None when it is known already."""
    booking, slot = confirmed_by(event), slot_of(event.data)
    row = {name: getattr(booking, name) for name in BOOKING_COLUMNS}
    row |= {"team": list(booking.team), "reminders_minutes_before": list(booking.reminders_minutes_before)}
    row |= {"starts_at": slot.starts_at, "ends_at": slot.ends_at, "calendar_sequence": 0}
    row |= {"version": event.sequence, "changed_version": event.sequence, "status": CONFIRMED}
    row |= {"source": event.source}
    cursor.execute(
        f"INSERT INTO bookings ({', '.join(row)}) VALUES ({', '.join(['%s'] * len(row))}) "  # noqa: S608
        "ON CONFLICT DO NOTHING",
        list(row.values()),
    )
    return Standing(booking, slot, 0, event.source) if cursor.rowcount else None


def confirmed_by(event: Event) -> Booking:
    """The booking that an event confirms, its terms frozen as they stood."""
    data = event.data
    host, customer = data["host"], data["customer"]
    return Booking(
        booking_id=UUID(event.subject),
        meeting_type=data["meeting_type"],
        title=data["title"],
        location=data["location"],
        host_name=host["name"],
        host_email=host["email"],
        timezone=data["timezone"],
        team=tuple(data["team"]),
        reminders_minutes_before=tuple(data["reminders_minutes_before"]),
        reschedule_cutoff_minutes=data["reschedule_cutoff_minutes"],
        cancel_cutoff_minutes=data["cancel_cutoff_minutes"],
        customer_name=customer["name"],
        customer_email=customer["email"],
        customer_timezone=customer["timezone"],
        notes=data["notes"],
    )


def reschedule(cursor: Cursor, event: Event) -> Standing | None:
    slot = slot_of(event.data)
    changes = "starts_at = %(starts_at)s, ends_at = %(ends_at)s"
    return _advance(cursor, event, f"{_CHANGED}, {changes}", status=RESCHEDULED, **slot._asdict())


def cancel(cursor: Cursor, event: Event) -> Standing | None:
    return _advance(cursor, event, _CHANGED, status=CANCELLED)


def pass_over(cursor: Cursor, event: Event) -> Standing | None:
    """An event that changes nothing the notifier keeps; its version counts all the same."""
    return _advance(cursor, event)


def _advance(cursor: Cursor, event: Event, changes: str = "", **values: Any) -> Standing | None:
    """Move a booking on by one version; None when the event has been applied before.

    Raises:
        VersionGap: an earlier event has not been applied yet.
        AnotherHistory: another event of that version has been applied.
    """
    columns = ", ".join((*BOOKING_COLUMNS, *_STANDING))
    cursor.execute(
        f"UPDATE bookings SET version = version + 1{', ' if changes else ''}{changes} "  # noqa: S608
        f"WHERE booking_id = %(booking_id)s AND version = %(sequence)s - 1 RETURNING {columns}",
        {**values, "booking_id": event.subject, "sequence": event.sequence, "source": event.source},
    )
    row = cursor.fetchone()
    if row is None:
        _must_be_known(cursor, event)
        return None
    *facts, starts_at, ends_at, calendar_sequence, booked_by = row
    return Standing(booking_of(facts), Slot(starts_at, ends_at), calendar_sequence, booked_by)


_KNOWN = """
    SELECT b.version, c.source FROM bookings b
    LEFT JOIN changes c ON c.booking_id = b.booking_id AND c.version = %s WHERE b.booking_id = %s
"""


def _must_be_known(cursor: Cursor, event: Event) -> None:
    cursor.execute(_KNOWN, (event.sequence, event.subject))
    version, source = cursor.fetchone() or (0, None)
    if version < event.sequence:
        raise VersionGap(f"version {event.sequence} came after version {version}")
    if source and source != event.source:
        raise AnotherHistory(f"version {event.sequence} is known from {source}; see `notifier rebuild`")


def record(cursor: Cursor, booking_id: UUID, change: Change, correlation_id: str, source: str = "") -> None:
    """Keep what an event said for the letters about it."""
    previous = change.previous or (None, None)
    cursor.execute(
        f"INSERT INTO changes (booking_id, correlation_id, source, {', '.join(CHANGE_COLUMNS)}) "  # noqa: S608
        "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            *(booking_id, correlation_id, source, change.version, change.kind, *change.slot, *previous),
            *(change.actor, change.reason, change.calendar_sequence, change.happened_at),
        ),
    )


def slot_of(data: dict[str, Any], prefix: str = "") -> Slot:
    return Slot(parse_moment(data[f"{prefix}starts_at"]), parse_moment(data[f"{prefix}ends_at"]))
