"""Rows of the read tables as the rest of this service knows them: moments aware, ids as text."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
from rebook.moments import parse_moment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from booking_query.database import Row

_MOMENTS_OF_MOVE = ("from", "from_ends_at", "to", "to_ends_at")
_LISTED = (
    *("booking_id", "host_name", "host_email", "customer_name", "customer_email", "customer_timezone"),
    *("version", "status", "meeting_type", "title", "starts_at", "ends_at", "location", "notes"),
    *("created_at", "updated_at", "reschedules", "cancelled_at", "nullif(cancel_reason, '')"),
)
_TERMS = ("timezone", "duration_minutes", "reschedule_cutoff_minutes", "cancel_cutoff_minutes")
LISTED_COLUMNS = ", ".join(_LISTED)
BOOKING_COLUMNS = ", ".join((*_LISTED, *_TERMS))


class Host(msgspec.Struct):
    """With whom a meeting is."""

    name: str
    email: str


class Customer(msgspec.Struct):
    """Whose meeting it is; the name and the address are empty once they are erased."""

    name: str
    email: str
    timezone: str


class Listed(msgspec.Struct, omit_defaults=True):
    """A booking with the facts of the list, named as in JSON; a struct, made and written in half of a dict's time."""

    booking_id: str
    host: Host
    customer: Customer
    version: int
    status: str
    meeting_type: str
    title: str
    starts_at: datetime
    ends_at: datetime
    location: str
    notes: str
    created_at: datetime
    updated_at: datetime
    reschedules: int
    cancelled_at: datetime | None = None
    cancel_reason: str | None = None


def listed_of(
    booking_id: str, host_name: str, host_email: str, name: str, email: str, timezone: str, *facts: Any
) -> Listed:
    """A booking out of the values of LISTED_COLUMNS."""
    return Listed(booking_id, Host(host_name, host_email), Customer(name, email, timezone), *facts)


def booking_of(row: Sequence[Any]) -> dict[str, Any]:
    """A booking out of the values of BOOKING_COLUMNS: the JSON's facts and the frozen terms."""
    listed, terms = row[: len(_LISTED)], row[len(_LISTED) :]
    facts: dict[str, Any] = msgspec.to_builtins(listed_of(*listed), builtin_types=(datetime,))
    return facts | dict(zip(_TERMS, terms, strict=True))


def meeting_type_of(row: Row) -> dict[str, Any]:
    return {"slug": row["slug"], "version": row["version"], **row["definition"]}


def history_entry_of(row: Row) -> dict[str, Any]:
    """One line of a booking's history; what is in `details` depends on its type."""
    details = {
        name: parse_moment(value) if name in _MOMENTS_OF_MOVE else value
        for name, value in row["details"].items()
    }
    return {"at": row["at"], "type": row["type"], "by": row["by"], **details}
