"""Rows of the read tables as the rest of this service knows them: plain dicts, moments aware, ids as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rebook.moments import parse_moment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from booking_query.database import Row

_MOMENTS_OF_MOVE = ("from", "from_ends_at", "to", "to_ends_at")
_LISTED = (
    *("booking_id", "version", "status", "meeting_type", "title", "location", "notes"),
    *("starts_at", "ends_at", "created_at", "updated_at", "reschedules", "cancelled_at", "cancel_reason"),
    *("host_name", "host_email", "customer_name", "customer_email", "customer_timezone"),
)
_TERMS = ("timezone", "duration_minutes", "reschedule_cutoff_minutes", "cancel_cutoff_minutes")
LISTED_COLUMNS = ", ".join(_LISTED)
BOOKING_COLUMNS = ", ".join((*_LISTED, *_TERMS))


def listed_of(row: Sequence[Any]) -> dict[str, Any]:
    """A booking out of the values of LISTED_COLUMNS: the JSON's facts.

    Spelled out, since a page has fifty of them: pairing names with values took more than twice as long.
    """
    booking_id, version, status, meeting_type, title, location, notes = row[:7]
    starts_at, ends_at, created_at, updated_at, reschedules, cancelled_at, cancel_reason = row[7:14]
    host_name, host_email, customer_name, customer_email, customer_timezone = row[14:]
    return {
        "booking_id": booking_id,
        "version": version,
        "status": status,
        "meeting_type": meeting_type,
        "title": title,
        "location": location,
        "notes": notes,
        "starts_at": starts_at,
        "ends_at": ends_at,
        "created_at": created_at,
        "updated_at": updated_at,
        "reschedules": reschedules,
        "cancelled_at": cancelled_at,
        "cancel_reason": cancel_reason,
        "host": {"name": host_name, "email": host_email},
        "customer": {"name": customer_name, "email": customer_email, "timezone": customer_timezone},
    }


def booking_of(row: Sequence[Any]) -> dict[str, Any]:
    """A booking out of the values of BOOKING_COLUMNS: the JSON's facts and the frozen terms."""
    return listed_of(row[: len(_LISTED)]) | dict(zip(_TERMS, row[len(_LISTED) :], strict=True))


def meeting_type_of(row: Row) -> dict[str, Any]:
    return {"slug": row["slug"], "version": row["version"], **row["definition"]}


def history_entry_of(row: Row) -> dict[str, Any]:
    """One line of a booking's history; what is in `details` depends on its type."""
    details = {
        name: parse_moment(value) if name in _MOMENTS_OF_MOVE else value
        for name, value in row["details"].items()
    }
    return {"at": row["at"], "type": row["type"], "by": row["by"], **details}
