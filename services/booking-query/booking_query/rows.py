"""Rows of the read tables as the rest of this service knows them: plain dicts, moments aware, ids as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rebook.moments import parse_moment

if TYPE_CHECKING:
    from booking_query.database import Row

_PLAIN = (
    "booking_id",
    "version",
    "status",
    "meeting_type",
    "title",
    "starts_at",
    "ends_at",
    "location",
    "notes",
    "created_at",
    "updated_at",
    "cancelled_at",
    "cancel_reason",
    "reschedules",
    "timezone",
    "duration_minutes",
    "reschedule_cutoff_minutes",
    "cancel_cutoff_minutes",
)
_MOMENTS_OF_MOVE = ("from", "from_ends_at", "to", "to_ends_at")
_PEOPLE = ("host_name", "host_email", "customer_name", "customer_email", "customer_timezone")
BOOKING_COLUMNS = ", ".join((*_PLAIN, *_PEOPLE))


def booking_of(row: Row) -> dict[str, Any]:
    """A booking: the JSON's facts with the host's address, and the frozen terms beside them."""
    booking = {name: row[name] for name in _PLAIN}
    booking["host"] = {"name": row["host_name"], "email": row["host_email"]}
    booking["customer"] = {
        "name": row["customer_name"],
        "email": row["customer_email"],
        "timezone": row["customer_timezone"],
    }
    return booking


def meeting_type_of(row: Row) -> dict[str, Any]:
    return {"slug": row["slug"], "version": row["version"], **row["definition"]}


def history_entry_of(row: Row) -> dict[str, Any]:
    """One line of a booking's history; what is in `details` depends on its type."""
    details = {
        name: parse_moment(value) if name in _MOMENTS_OF_MOVE else value
        for name, value in row["details"].items()
    }
    return {"at": row["at"], "type": row["type"], "by": row["by"], **details}
