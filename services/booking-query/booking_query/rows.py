"""Rows of the read tables as the rest of this service knows them: plain dicts, moments aware, ids as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rebook.moments import parse_moment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from booking_query.database import Row

_MOMENTS_OF_MOVE = ("from", "from_ends_at", "to", "to_ends_at")
_FACTS = (
    *("booking_id", "version", "status", "meeting_type", "title", "location", "notes"),
    *("starts_at", "ends_at", "created_at", "updated_at", "reschedules", "cancelled_at", "cancel_reason"),
)
_PEOPLE = ("host_name", "host_email", "customer_name", "customer_email", "customer_timezone")
_TERMS = ("timezone", "duration_minutes", "reschedule_cutoff_minutes", "cancel_cutoff_minutes")
LISTED_COLUMNS = ", ".join((*_FACTS, *_PEOPLE))
BOOKING_COLUMNS = ", ".join((*_FACTS, *_PEOPLE, *_TERMS))
_TERMS_FROM = len(_FACTS) + len(_PEOPLE)


def listed_of(row: Sequence[Any]) -> dict[str, Any]:
    """A booking out of the values of LISTED_COLUMNS, or of what begins with them: the JSON's facts."""
    booking = dict(zip(_FACTS, row, strict=False))
    host_name, host_email, name, email, timezone = row[len(_FACTS) : _TERMS_FROM]
    booking["host"] = {"name": host_name, "email": host_email}
    booking["customer"] = {"name": name, "email": email, "timezone": timezone}
    return booking


def booking_of(row: Sequence[Any]) -> dict[str, Any]:
    """A booking out of the values of BOOKING_COLUMNS: the JSON's facts and the frozen terms."""
    return listed_of(row) | dict(zip(_TERMS, row[_TERMS_FROM:], strict=True))


def meeting_type_of(row: Row) -> dict[str, Any]:
    return {"slug": row["slug"], "version": row["version"], **row["definition"]}


def history_entry_of(row: Row) -> dict[str, Any]:
    """One line of a booking's history; what is in `details` depends on its type."""
    details = {
        name: parse_moment(value) if name in _MOMENTS_OF_MOVE else value
        for name, value in row["details"].items()
    }
    return {"at": row["at"], "type": row["type"], "by": row["by"], **details}
