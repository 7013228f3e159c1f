"""Takes a customer's personal data out of the store: the only change that stored events ever see.

Each booking is a transaction of its own: its events are overwritten, `CustomerErased` follows them, and the topic
that still holds what they said is noted as stale, for the relay to drop. The event's version proves that nothing came
in between; where something did, it is all done again, at last while nobody else appends.
"""

from __future__ import annotations

import contextlib
import json
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eventsourcing.persistence import PersistenceError
from rebook.events import OPERATOR
from rebook.personal import blanked
from rebook.stale_topics import NOTE
from rebook.topics import BOOKINGS

from booking_command.booking import Booking
from booking_command.refusals import Busy
from booking_command.store import Statement, violated

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from uuid import UUID

    from eventsourcing.persistence import StoredEvent
    from psycopg import Connection

    from booking_command.store import EventStore

_UNDER_WAY = 0x6572617365  # "erase": shared by those whose old events may still get into a topic
_BOOKINGS_OF = """
SELECT lower(booked.email) AS email, originator_id FROM (
    SELECT originator_id, notification_id, convert_from(state, 'UTF8')::json #>> '{customer,email}' AS email
    FROM stored_events WHERE topic = 'BookingConfirmed'
) AS booked WHERE lower(booked.email) = ANY(%s) ORDER BY notification_id
"""
_STALE = "SELECT EXISTS (SELECT FROM stale_topics)"
_TAKE_TURN = "SELECT pg_try_advisory_xact_lock(%s)"
_ATTEMPTS = 8  # before all others wait
_LONGEST_PAUSE_S = 0.05  # between two of them; random, so that rivals part
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode  # as the store's own transcoder


@dataclass(frozen=True)
class Claim:
    """One booking of a customer, as far as an operator has to know it."""

    booking_id: UUID
    starts_at: datetime
    ends_at: datetime
    host: str
    is_cancelled: bool

    def is_upcoming(self, now: datetime) -> bool:
        return not self.is_cancelled and self.ends_at > now


class Erasure:
    """Erases customers from one store; `store` uses a role that may change events."""

    def __init__(self, store: EventStore) -> None:
        self._store = store

    def claims(self, emails: Sequence[str], connection: Connection[Any]) -> dict[str, list[Claim]]:
        """The bookings of each customer, by lower-case address, oldest first.

        `connection` is the operator's own: reading the whole store may take longer than the store lets a command.
        """
        found: dict[str, list[Claim]] = {email.lower(): [] for email in emails}
        for email, booking_id in connection.execute(_BOOKINGS_OF, (list(found),)).fetchall():
            found[email].append(self._claim(booking_id))
        return found

    def erase(self, booking_id: UUID) -> None:
        """Take the customer out of one booking; doing it again changes nothing.

        Raises:
            Busy: the store is too busy to be had alone; nothing was done.
        """
        for _ in range(_ATTEMPTS):
            if self._erased(booking_id):
                return
            time.sleep(random.uniform(0, _LONGEST_PAUSE_S))  # noqa: S311
        try:
            with self._store.appender.alone():
                self._erase(booking_id)
        except PersistenceError as error:
            if violated(error) != "race":
                raise
            raise Busy from None

    def _erased(self, booking_id: UUID) -> bool:
        """Whether no rival was quicker."""
        try:
            self._erase(booking_id)
        except PersistenceError as error:
            if violated(error) not in {"race", "stored_events_pkey"}:
                raise
            return False
        return True

    def _erase(self, booking_id: UUID) -> None:
        booking = self._booking(booking_id)
        booking.erase_customer(actor=OPERATOR)
        if booking.pending_events:
            self._store.append(booking, beside=self._without_customer(booking_id))

    def _claim(self, booking_id: UUID) -> Claim:
        booking = self._booking(booking_id)
        return Claim(booking.id, *booking.slot, booking.host, booking.status == "cancelled")

    def _booking(self, booking_id: UUID) -> Booking:
        booking = self._store.find(Booking, booking_id)
        assert booking is not None
        return booking

    def _without_customer(self, booking_id: UUID) -> list[Statement]:
        """What is to be true together with the event: read after the booking, so that no event is missed."""
        stream = self._store.appender.select_events(booking_id)
        return [
            *_overwritten(booking_id, stream),
            Statement("DELETE FROM idempotency_keys WHERE booking_id = %s", (booking_id,)),
            Statement(NOTE, (BOOKINGS,)),
        ]


def _overwritten(booking_id: UUID, stream: Sequence[StoredEvent]) -> list[Statement]:
    values: list[Any] = []
    for stored in stream:
        state = json.loads(bytes(stored.state))
        if blanked(state) != state:
            values += (stored.originator_version, _encode(blanked(state)).encode())
    if not values:
        return []
    rows = ", ".join(["(%s::bigint, %s::bytea)"] * (len(values) // 2))
    update = (
        f"UPDATE stored_events SET state = blank.state FROM (VALUES {rows}) AS blank (version, state) "  # noqa: S608
        "WHERE originator_id = %s AND originator_version = blank.version"
    )
    return [Statement(update, (*values, booking_id))]


@contextlib.contextmanager
def under_way(connection: Connection[Any]) -> Iterator[None]:
    """Keep the relay from dropping topics meanwhile: one drop does for all that is erased, and for what is sent."""
    connection.execute("SELECT pg_advisory_lock_shared(%s)", (_UNDER_WAY,))
    try:
        yield
    finally:
        connection.execute("SELECT pg_advisory_unlock_shared(%s)", (_UNDER_WAY,))


def is_over(connection: Connection[Any]) -> bool:
    """Whether nobody is erasing; in a transaction, nobody begins until it ends."""
    (may,) = connection.execute(_TAKE_TURN, (_UNDER_WAY,)).fetchone() or (False,)
    return bool(may)


def topics_are_stale(connection: Connection[Any]) -> bool:
    """Whether a topic still holds what has been erased from the store."""
    (are_stale,) = connection.execute(_STALE).fetchone() or (False,)
    return bool(are_stale)
