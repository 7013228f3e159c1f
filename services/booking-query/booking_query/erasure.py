"""A customer is erased: no row says any more who they were. Their name and address are empty from then on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

_BLANK_BOOKING = """
    UPDATE bookings SET customer_name = '', customer_email = '', notes = '',
                        cancel_reason = CASE WHEN cancel_reason IS NULL THEN NULL ELSE '' END
    WHERE booking_id = %s
"""
_BLANK_HISTORY = """
    UPDATE booking_history SET details = without_customer(type, details)
    WHERE booking_id = %s AND details <> without_customer(type, details)
"""


def forget(booking_id: str, cursor: Cursor) -> None:
    """Blank everything about a booking's customer."""
    cursor.execute(_BLANK_BOOKING, (booking_id,))
    cursor.execute(_BLANK_HISTORY, (booking_id,))
