"""Reminders: planned from the terms frozen in the booking, moved with it, dropped when it is cancelled.

A reminder waits in a table of its own and becomes a delivery when it falls due. Then it is judged once more,
right before it is sent (notifier.judgement). While an event of its booking is parked it waits, either way: that event
may say that the meeting was moved or cancelled.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from psycopg2.extras import execute_values
from rebook.parking import OF_BOOKING
from rebook.progress import status

from notifier import deliveries
from notifier.letters import CANCELLED, REMINDER, Booking, Call, Change

if TYPE_CHECKING:
    from datetime import datetime

    from psycopg2.extensions import cursor as Cursor  # noqa: N812

LAG_MAX_S = 10.0  # a reader further behind than this may not know of a cancellation
AT_ONCE = 500  # reminders that become deliveries in one transaction

_FALLEN_DUE = f"""
    DELETE FROM reminders USING (
        SELECT booking_id, minutes_before FROM reminders r
        WHERE due_at <= %s AND NOT EXISTS ({OF_BOOKING.format(booking_id="r.booking_id")})
        ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED
    ) AS due
    WHERE reminders.booking_id = due.booking_id AND reminders.minutes_before = due.minutes_before
    RETURNING reminders.booking_id, reminders.minutes_before, version, due_at
"""  # noqa: S608 - constants only
_WHOM = """
    SELECT b.booking_id, c.version, b.customer_email, c.correlation_id, c.source, b.source
    FROM bookings b JOIN changes c ON c.booking_id = b.booking_id WHERE (b.booking_id, c.version) IN %s
"""


def plan(cursor: Cursor, booking: Booking, change: Change) -> None:
    """Make the reminders of a booking those of the slot that stands after `change`."""
    cursor.execute("DELETE FROM reminders WHERE booking_id = %s", (booking.booking_id,))
    rows = [
        (booking.booking_id, minutes, change.version, due_at)
        for minutes, due_at in moments(
            booking, change.kind, change.slot.starts_at, change.happened_at
        ).items()
    ]
    if rows:
        execute_values(
            cursor, "INSERT INTO reminders (booking_id, minutes_before, version, due_at) VALUES %s", rows
        )


def moments(booking: Booking, kind: str, starts_at: datetime, happened_at: datetime) -> dict[int, datetime]:
    """When to remind after a change of that kind, by minutes before the start.

    One whose time had passed when the booking was made or moved is not made.
    """
    wanted = () if kind == CANCELLED else booking.reminders_minutes_before
    due = {minutes: starts_at - timedelta(minutes=minutes) for minutes in wanted}
    return {minutes: due_at for minutes, due_at in due.items() if due_at > happened_at}


def fall_due(cursor: Cursor, now: datetime, domain: str) -> int:
    """Make deliveries of reminders that have fallen due; how many."""
    cursor.execute(_FALLEN_DUE, (now, AT_ONCE))
    due = cursor.fetchall()
    if not due:
        return 0
    cursor.execute(_WHOM, (tuple((booking_id, version) for booking_id, _, version, _ in due),))
    whom = {(booking_id, version): rest for booking_id, version, *rest in cursor.fetchall()}
    new = []
    for booking_id, minutes_before, version, due_at in sorted(due, key=lambda row: row[3]):
        recipient, *facts = whom[booking_id, version]
        cause = deliveries.Cause(booking_id, version, *facts)
        new.append(deliveries.New.of(cause, Call(REMINDER, recipient), due_at, domain, minutes_before))
    deliveries.enqueue(cursor, new)
    return len(due)


def may_fall_due(cursor: Cursor, worker: str) -> bool:
    """Whether every change of a booking that is known anywhere is likely known here.

    A worker that lags, or cannot see Kafka, may not have heard that a meeting was cancelled.
    """
    is_well, facts = status(cursor, worker)
    return is_well and facts["lag_seconds"] < LAG_MAX_S
