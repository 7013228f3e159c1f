"""Bookings and their letters become read tables and history (see `projection`)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rebook import events

from booking_query.projection import BOOKINGS, change, projects

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812
    from rebook.cloudevents import Event

NOTIFIER = "notifier"  # in a booking's history, who sends letters

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
