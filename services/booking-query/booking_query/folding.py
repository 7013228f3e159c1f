"""Bookings in memory: what a batch of events makes of them, read with one statement and written with three.

A row takes the next event of its stream and no other. What was read is not locked: a row that somebody else has
changed meanwhile fails the batch, which is then tried again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from rebook.parking import VersionGap

from booking_query import erasure

if TYPE_CHECKING:
    from collections.abc import Iterable

    from psycopg2.extensions import cursor as Cursor  # noqa: N812
    from rebook.cloudevents import Event

_LOAD = "SELECT booking_id, version FROM bookings WHERE booking_id = ANY(%s::uuid[])"
_COLUMNS = (
    *("version", "status", "meeting_type", "title", "location", "host", "host_name", "host_email"),
    *("timezone", "duration_minutes", "reschedule_cutoff_minutes", "cancel_cutoff_minutes"),
    *("starts_at", "ends_at", "hold_starts_at", "hold_ends_at"),
    *("customer_name", "customer_email", "customer_timezone", "notes"),
    *("created_at", "updated_at", "cancelled_at", "cancel_reason"),
)
_NEW = ", ".join(("booking_id", "reschedules", *_COLUMNS))
_INSERT = f"INSERT INTO bookings ({_NEW}) SELECT {_NEW} FROM json_populate_recordset(NULL::bookings, %s)"  # noqa: S608
_CHANGED = ", ".join(f"{name} = coalesce(new.{name}, old.{name})" for name in _COLUMNS)
_UPDATE = f"""
    UPDATE bookings AS old SET {_CHANGED}, reschedules = old.reschedules + new.reschedules
    FROM json_populate_recordset(NULL::bookings, %s) AS new
    JOIN json_to_recordset(%s) AS read (booking_id uuid, version bigint) USING (booking_id)
    WHERE old.booking_id = new.booking_id AND old.version = read.version
"""  # noqa: S608 - column names only
_REMEMBER = """
    INSERT INTO booking_history AS old (booking_id, event_id, at, sequence, type, by, details)
    SELECT booking_id, event_id, at, sequence, type, by,
           CASE WHEN EXISTS (
               SELECT FROM bookings WHERE bookings.booking_id = new.booking_id AND customer_email = ''
           ) THEN without_customer(type, details) ELSE details END
    FROM json_populate_recordset(NULL::booking_history, %s) AS new
    ON CONFLICT (booking_id, event_id) DO UPDATE SET details = excluded.details
    WHERE old.details <> excluded.details
"""


class ChangedMeanwhile(Exception):  # noqa: N818 - a fact, not a fault
    """Somebody else has applied events to the same bookings since they were read."""


class Booking:
    """What is new about one booking; `version` is the last event's that it has taken."""

    __slots__ = ("facts", "moves", "read_version", "version")

    def __init__(self, version: int) -> None:
        self.read_version = self.version = version
        self.facts: dict[str, Any] = {}
        self.moves = 0

    def takes(self, event: Event) -> bool:
        """Whether this is its next event; False where it has taken it before.

        Raises:
            VersionGap: one before it is missing.
        """
        if event.sequence > self.version + 1:
            raise VersionGap(
                f"{event.type} is version {event.sequence}, and the row is at version {self.version}"
            )
        if event.sequence <= self.version:
            return False
        self.version = event.sequence
        self.facts["updated_at"] = event.time
        return True


class Bookings:
    """The bookings that a batch of events is about, with the lines that are new in their histories."""

    def __init__(self, cursor: Cursor, booking_ids: Iterable[str]) -> None:
        self._cursor = cursor
        self._history: dict[tuple[str, str], dict[str, Any]] = {}
        self._erased: set[str] = set()
        self._known: dict[str, Booking] = {}
        if ids := list(booking_ids):
            cursor.execute(_LOAD, (ids,))
            self._known = {booking_id: Booking(version) for booking_id, version in cursor.fetchall()}

    def __contains__(self, booking_id: str) -> bool:
        return booking_id in self._known

    def of(self, booking_id: str) -> Booking:
        """That booking; an empty one at version 0 where there is none yet."""
        found = self._known.get(booking_id)
        return found or self._known.setdefault(booking_id, Booking(0))

    def remember(self, event: Event, booking_id: str, kind: str, by: str, **details: Any) -> None:
        """Add a line to a booking's history; one of the same event is as it was told last, perhaps blanked since."""
        line = {
            "booking_id": booking_id,
            "event_id": event.id,
            "at": event.time,
            "sequence": event.sequence,
            "type": kind,
            "by": by,
            "details": details,
        }
        self._history[booking_id, event.id] = line

    def forget(self, booking_id: str) -> None:
        """Blank its customer, in what is there already too."""
        self._erased.add(booking_id)

    def write(self) -> None:
        """Write all that is new.

        Raises:
            ChangedMeanwhile: somebody else was quicker.
        """
        changed = [(key, each) for key, each in self._known.items() if each.version > each.read_version]
        self._write(_INSERT, [_row(key, each) for key, each in changed if not each.read_version])
        rows = [(key, each) for key, each in changed if each.read_version]
        read = [{"booking_id": key, "version": each.read_version} for key, each in rows]
        self._write(_UPDATE, [_row(*one) for one in rows], read)
        self._write(_REMEMBER, [*self._history.values()], count=False)
        for booking_id in sorted(self._erased):
            erasure.forget(booking_id, self._cursor)

    def _write(self, statement: str, *values: list[dict[str, Any]], count: bool = True) -> None:
        if not values[0]:
            return
        self._cursor.execute(statement, [msgspec.json.encode(rows).decode() for rows in values])
        if count and self._cursor.rowcount != len(values[0]):
            raise ChangedMeanwhile


def _row(booking_id: str, booking: Booking) -> dict[str, Any]:
    own = {"booking_id": booking_id, "version": booking.version, "reschedules": booking.moves}
    return own | booking.facts
