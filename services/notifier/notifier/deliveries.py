"""Rows of deliveries: one e-mail to one person each, made once however often its event comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from psycopg2.extras import execute_values

from notifier.letters import delivery_id, event_id, history_of, message_id

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from psycopg2.extensions import cursor as Cursor  # noqa: N812

    from notifier.letters import Call

PENDING, SENT, FAILED, SKIPPED = "pending", "sent", "failed", "skipped"
STATES = (PENDING, SENT, FAILED, SKIPPED)

GONE = "What called for it is no longer part of the history."
_ENQUEUE = f"""
    INSERT INTO deliveries (delivery_id, booking_id, version, event_id, letter, recipient, minutes_before,
                            message_id, correlation_id, fell_due_at, next_try_at, source)
    VALUES %s ON CONFLICT (delivery_id) DO UPDATE SET state = 'pending', reason = ''
    WHERE deliveries.state = 'skipped' AND deliveries.reason = '{GONE}'
"""  # noqa: S608 - a constant


class Cause(NamedTuple):
    """The event of a booking that calls for a letter; `booked_by` is the source of the booking's confirmation."""

    booking_id: UUID
    version: int
    correlation_id: str
    source: str = ""
    booked_by: str = ""


class New(NamedTuple):
    """A delivery to be made, in the order of its columns."""

    delivery_id: UUID
    booking_id: UUID
    version: int
    event_id: str
    letter: str
    recipient: str
    minutes_before: int | None
    message_id: str
    correlation_id: str
    fell_due_at: datetime
    next_try_at: datetime
    source: str

    @classmethod
    def of(
        cls, cause: Cause, call: Call, due_at: datetime, domain: str, minutes_before: int | None = None
    ) -> New:
        """A letter that falls due then; of a reminder, how long before the meeting that is."""
        event = event_id(cause.booking_id, cause.version)
        made = delivery_id(history_of(cause.source, cause.booked_by) + event, call, minutes_before)
        return cls(
            *(made, cause.booking_id, cause.version, event, call.letter, call.recipient, minutes_before),
            *(message_id(made, domain), cause.correlation_id, due_at, due_at, cause.source),
        )


def enqueue(cursor: Cursor, new: list[New]) -> None:
    """Make deliveries; those that were made before stay as they are.

    One that was given up because its event was gone waits again: the event has come after all.
    """
    execute_values(cursor, _ENQUEUE, new)
