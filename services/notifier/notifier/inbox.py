"""Booking events become rows: how the booking stands, the letters it calls for, its reminders.

All of one event in the transaction that moves the offset; an event that was applied before changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rebook.events import (
    BOOKING_CANCELLED,
    BOOKING_CONFIRMED,
    BOOKING_RESCHEDULED,
    CONFIRMATION_RESEND_REQUESTED,
    CUSTOMER_ERASED,
)
from rebook.moments import parse_moment

from notifier import bookings, deliveries, erasure, reminders
from notifier.letters import CANCELLED, CONFIRMED, RESCHEDULED, RESEND_REQUESTED, Change, called_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg2.extensions import cursor as Cursor  # noqa: N812
    from rebook.cloudevents import Event

    from notifier.bookings import Standing

NAME = "notifier"  # of the consumer group, and in /statusz

KINDS: dict[str, tuple[str, Callable[[Cursor, Event], Standing | None]]] = {
    BOOKING_CONFIRMED: (CONFIRMED, bookings.confirm),
    BOOKING_RESCHEDULED: (RESCHEDULED, bookings.reschedule),
    BOOKING_CANCELLED: (CANCELLED, bookings.cancel),
    CONFIRMATION_RESEND_REQUESTED: (RESEND_REQUESTED, bookings.pass_over),
}


class Inbox:
    """Takes events in; Message-IDs end with `domain`."""

    def __init__(self, domain: str) -> None:
        self._domain = domain
        self._has_letters = False

    def pop_letters(self) -> bool:
        """Whether events have called for letters since this was asked last."""
        had, self._has_letters = self._has_letters, False
        return had

    def handle(self, event: Event, cursor: Cursor) -> None:
        """Apply one event of a booking.

        Raises:
            VersionGap: an earlier event of this booking has not been applied yet.
            AnotherHistory: another event of that version is known.
        """
        if event.type not in KINDS:
            if bookings.pass_over(cursor, event) and event.type == CUSTOMER_ERASED:
                erasure.forget(event.subject, cursor)
            return
        kind, apply = KINDS[event.type]
        standing = apply(cursor, event)
        if standing is not None:
            self._react(cursor, event, _change(kind, event, standing), standing)

    def _react(self, cursor: Cursor, event: Event, change: Change, standing: Standing) -> None:
        booking = standing.booking
        bookings.record(cursor, booking.booking_id, change, event.correlation_id, event.source)
        facts = (event.correlation_id, event.source, standing.booked_by)
        cause = deliveries.Cause(booking.booking_id, change.version, *facts)
        calls = called_for(change.kind, booking)
        deliveries.enqueue(
            cursor, [deliveries.New.of(cause, call, change.happened_at, self._domain) for call in calls]
        )
        self._has_letters = True
        if change.kind != RESEND_REQUESTED and not booking.customer_is_erased:
            reminders.plan(cursor, booking, change)


def _change(kind: str, event: Event, standing: Standing) -> Change:
    """What the event said, with the slot that stands after it."""
    return Change(
        version=event.sequence,
        kind=kind,
        slot=standing.slot,
        previous=bookings.slot_of(event.data, "previous_") if kind == RESCHEDULED else None,
        actor=event.data["actor"],
        reason=event.data.get("reason", ""),
        calendar_sequence=standing.calendar_sequence,
        happened_at=parse_moment(event.time),
    )
