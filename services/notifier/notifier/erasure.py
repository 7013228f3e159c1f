"""A customer is erased: nothing here says any more who they were, and nothing is mailed to them.

An erased customer's address is empty, and the topic is told everything anew. Deliveries stay, since their ids keep
letters from being sent twice; one that still waits is skipped when its turn comes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rebook import stale_topics
from rebook.topics import DELIVERIES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg2.extensions import cursor as Cursor  # noqa: N812

_BLANK_BOOKING = """
    UPDATE bookings SET customer_name = '', customer_email = '', notes = '' WHERE booking_id = %s
"""
_BLANK_CHANGES = "UPDATE changes SET reason = '' WHERE booking_id = %s AND reason <> ''"
_DROP_REMINDERS = "DELETE FROM reminders WHERE booking_id = %s"
_ERASED = "SELECT booking_id FROM bookings WHERE customer_email = ''"
# What a mail server said may quote an address; why a letter was skipped is said by this service.
_BLANK_DELIVERIES = """
    UPDATE deliveries SET recipient = CASE WHEN starts_with(letter, 'team-') THEN recipient ELSE '' END,
                          reason = CASE WHEN state = 'skipped' THEN reason ELSE '' END
    WHERE booking_id = ANY(%s::uuid[])
      AND (recipient <> '' AND NOT starts_with(letter, 'team-') OR reason <> '' AND state <> 'skipped')
"""
_BLANK_OUTCOMES = """
    UPDATE delivery_events e SET reason = '' FROM deliveries d
    WHERE d.delivery_id = e.delivery_id AND d.booking_id = ANY(%s::uuid[]) AND e.state <> 'skipped' AND e.reason <> ''
"""


def forget(booking_id: str, cursor: Cursor) -> None:
    """Blank everything about a booking's customer.

    Reminders before deliveries: one that falls due at this moment has become a delivery when they are gone.
    """
    for statement in (_BLANK_BOOKING, _BLANK_CHANGES, _DROP_REMINDERS):
        cursor.execute(statement, (booking_id,))
    _blank_deliveries(cursor, [booking_id])


def forget_restored(cursor: Cursor) -> None:
    """Blank what came back from a topic that still knew customers who have been erased since."""
    cursor.execute(_ERASED)
    _blank_deliveries(cursor, [str(booking_id) for (booking_id,) in cursor.fetchall()])


def _blank_deliveries(cursor: Cursor, booking_ids: Sequence[str]) -> None:
    """A letter on the wire is waited for. Where anything was blanked, the topic still says it."""
    blanked = 0
    for statement in (_BLANK_DELIVERIES, _BLANK_OUTCOMES):
        cursor.execute(statement, (booking_ids,))
        blanked += cursor.rowcount
    if blanked:
        stale_topics.note(cursor, DELIVERIES)
