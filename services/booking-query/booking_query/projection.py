"""Events become read tables: one function for each type of event.

A row takes the next event of its stream and no other (`version = sequence - 1`): a repeated event changes nothing,
and one that comes before its time is a `VersionGap`, raised before anything has changed.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from rebook import events
from rebook.parking import VersionGap

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg2.extensions import cursor as Cursor  # noqa: N812
    from rebook.cloudevents import Event

    Apply = Callable[[Event, Cursor], None]

NOTIFIER = "notifier"  # in a booking's history, who sends letters

_BY_TYPE: dict[str, Apply] = {}


class Table(NamedTuple):
    """A table with one row for each stream of its kind."""

    version_of: str  # the version of the row of one id
    pass_over: str  # takes an event without any other change


BOOKINGS = Table(
    "SELECT version FROM bookings WHERE booking_id = %(subject)s",
    "UPDATE bookings SET version = %(sequence)s, updated_at = %(time)s "
    "WHERE booking_id = %(subject)s AND version = %(sequence)s - 1",
)
MEETING_TYPES = Table(
    "SELECT version FROM meeting_types WHERE stream_id = %(subject)s",
    "UPDATE meeting_types SET version = %(sequence)s "
    "WHERE stream_id = %(subject)s AND version = %(sequence)s - 1",
)
MEMBERS = Table(
    "SELECT version FROM team_members WHERE member_id = %(subject)s",
    "UPDATE team_members SET version = %(sequence)s "
    "WHERE member_id = %(subject)s AND version = %(sequence)s - 1",
)
TOKENS = Table(
    "SELECT version FROM api_tokens WHERE token_id = %(subject)s",
    "UPDATE api_tokens SET version = %(sequence)s WHERE token_id = %(subject)s AND version = %(sequence)s - 1",
)


def projects(event_type: str) -> Callable[[Apply], Apply]:
    """Register the function that makes the rows of one type of event."""

    def register(apply: Apply) -> Apply:
        _BY_TYPE[event_type] = apply
        return apply

    return register


def project(event: Event, cursor: Cursor) -> None:
    """Make the rows of one event.

    Raises:
        VersionGap: an earlier event of its stream has not been applied yet.
    """
    _BY_TYPE.get(event.type, pass_over)(event, cursor)


def pass_over(event: Event, cursor: Cursor) -> None:
    """An event of a type this version does not know only counts in its stream, whichever that is."""
    if not event.source.startswith("/booking-command/"):
        return
    for table in (BOOKINGS, MEETING_TYPES, MEMBERS, TOKENS):
        cursor.execute(table.version_of, facts_of(event))
        if cursor.fetchone():
            change(event, cursor, table, table.pass_over)
            return


def change(event: Event, cursor: Cursor, table: Table, statement: str, **facts: Any) -> bool:
    """Let the row of the event's stream take it; False where it has done so before.

    Raises:
        VersionGap: the row is not there, or not at the version before this one.
    """
    cursor.execute(statement, facts_of(event) | facts)
    if cursor.rowcount:
        return True
    cursor.execute(table.version_of, facts_of(event))
    row = cursor.fetchone()
    version = row[0] if row else 0
    if event.sequence > version + 1:
        raise VersionGap(f"{event.type} is version {event.sequence}, and the row is at version {version}")
    return False


def facts_of(event: Event) -> dict[str, Any]:
    """What every statement may use: the event's data, and its own place and time."""
    return event.data | {"subject": event.subject, "sequence": event.sequence, "time": event.time}


_CONFIRM = """
    INSERT INTO bookings (
        booking_id, version, status, meeting_type, title, location, host, host_name, host_email, timezone,
        duration_minutes, reschedule_cutoff_minutes, cancel_cutoff_minutes, starts_at, ends_at, hold_starts_at,
        hold_ends_at, customer_name, customer_email, customer_timezone, notes, created_at, updated_at
    ) VALUES (
        %(subject)s, %(sequence)s, 'confirmed', %(meeting_type)s, %(title)s, %(location)s, lower(%(host_email)s),
        %(host_name)s, %(host_email)s, %(timezone)s, %(duration_minutes)s, %(reschedule_cutoff_minutes)s,
        %(cancel_cutoff_minutes)s, %(starts_at)s, %(ends_at)s, %(hold_starts_at)s, %(hold_ends_at)s,
        %(customer_name)s, %(customer_email)s, %(customer_timezone)s, %(notes)s, %(time)s, %(time)s
    ) ON CONFLICT (booking_id) DO NOTHING
"""
_RESCHEDULE = """
    UPDATE bookings SET version = %(sequence)s, status = 'rescheduled', starts_at = %(starts_at)s,
        ends_at = %(ends_at)s, hold_starts_at = %(hold_starts_at)s, hold_ends_at = %(hold_ends_at)s,
        reschedules = reschedules + 1, updated_at = %(time)s
    WHERE booking_id = %(subject)s AND version = %(sequence)s - 1
"""
_CANCEL = """
    UPDATE bookings SET version = %(sequence)s, status = 'cancelled', cancelled_at = %(time)s,
        cancel_reason = %(reason)s, updated_at = %(time)s
    WHERE booking_id = %(subject)s AND version = %(sequence)s - 1
"""
_REMEMBER = """
    INSERT INTO booking_history (booking_id, event_id, at, sequence, type, by, details)
    VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""


@projects(events.BOOKING_CONFIRMED)
def confirmed(event: Event, cursor: Cursor) -> None:
    if change(event, cursor, BOOKINGS, _CONFIRM, **_people(event.data), **_hold(event.data)):
        _remember(event, cursor, "confirmed", event.data["actor"])


@projects(events.BOOKING_RESCHEDULED)
def rescheduled(event: Event, cursor: Cursor) -> None:
    if change(event, cursor, BOOKINGS, _RESCHEDULE, **_hold(event.data)):
        data = event.data
        moved = {
            "from": data["previous_starts_at"],
            "from_ends_at": data["previous_ends_at"],
            "to": data["starts_at"],
            "to_ends_at": data["ends_at"],
            "reason": data.get("reason", ""),
        }
        _remember(event, cursor, "rescheduled", data["actor"], **moved)


@projects(events.BOOKING_CANCELLED)
def cancelled(event: Event, cursor: Cursor) -> None:
    reason = event.data.get("reason", "")
    if change(event, cursor, BOOKINGS, _CANCEL, reason=reason):
        _remember(event, cursor, "cancelled", event.data["actor"], reason=reason)


@projects(events.CONFIRMATION_RESEND_REQUESTED)
def resend_requested(event: Event, cursor: Cursor) -> None:
    if change(event, cursor, BOOKINGS, BOOKINGS.pass_over):
        _remember(event, cursor, "resend-requested", event.data["actor"])


@projects(events.EMAIL_SENT)
def email_sent(event: Event, cursor: Cursor) -> None:
    _remember_letter(event, cursor, "email-sent")


@projects(events.EMAIL_FAILED)
def email_failed(event: Event, cursor: Cursor) -> None:
    _remember_letter(event, cursor, "email-failed")


@projects(events.EMAIL_SKIPPED)
def email_skipped(event: Event, cursor: Cursor) -> None:
    _remember_letter(event, cursor, "email-skipped")


def _remember_letter(event: Event, cursor: Cursor, kind: str) -> None:
    """A letter's outcome; deliveries are streams of their own, so it may come before the booking's own events."""
    told = ("letter", "recipient", "minutes_before", "reason")
    details = {name: event.data[name] for name in told if event.data.get(name) is not None}
    _remember(event, cursor, kind, NOTIFIER, booking_id=event.data["booking_id"], **details)


def _remember(
    event: Event, cursor: Cursor, kind: str, by: str, booking_id: str | None = None, **details: str
) -> None:
    values = (
        booking_id or event.subject,
        event.id,
        event.time,
        event.sequence,
        kind,
        by,
        json.dumps(details),
    )
    cursor.execute(_REMEMBER, values)


def _people(data: dict[str, Any]) -> dict[str, str]:
    return {
        "host_name": data["host"]["name"],
        "host_email": data["host"]["email"],
        "customer_name": data["customer"]["name"],
        "customer_email": data["customer"]["email"],
        "customer_timezone": data["customer"]["timezone"],
    }


def _hold(data: dict[str, Any]) -> dict[str, str]:
    return {"hold_starts_at": data["hold"]["starts_at"], "hold_ends_at": data["hold"]["ends_at"]}
