"""Checks a whole event store against itself: what is wrong, found by reading everything once.

One snapshot of one transaction is read, so that a store in use is checked as it was at one moment.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg
from eventsourcing.persistence import StoredEvent
from psycopg.rows import namedtuple_row
from rebook import events

from booking_command.booking import Booking
from booking_command.contract import Contract
from booking_command.reader import ONE_SNAPSHOT, STORED, Stored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from uuid import UUID

    from booking_command.store import EventStore

    Hold = tuple[str, datetime, datetime]  # host, start, end (buffers included)

_BATCH = 2_000  # streams whose holds are looked up at a time
_STREAMS = f"{STORED} ORDER BY originator_id, originator_version"
_HOLDS = """
SELECT booking_id, host, lower(during), upper(during) FROM slot_holds WHERE booking_id = ANY(%s)
"""
_PRUNED = "SELECT now() - interval '1 day'"  # the relay takes away what ended before
_ORPHANS = """
SELECT booking_id FROM slot_holds AS hold
WHERE NOT EXISTS (SELECT FROM stored_events WHERE originator_id = hold.booking_id)
"""
_OVERLAPS = """
SELECT one.booking_id, other.booking_id AS other_id, one.host
FROM slot_holds AS one JOIN slot_holds AS other
  ON one.host = other.host AND one.during && other.during AND one.booking_id < other.booking_id
"""


class Finding(NamedTuple):
    """Something that should not be: which stream, and what is wrong with it in a sentence."""

    stream_id: UUID
    wrong: str


class Audit:
    """One look at a store; once `findings` has read it, `events` tells how many there were."""

    def __init__(self, database_url: str, store: EventStore) -> None:
        self._database_url = database_url
        self._store = store
        self.events = 0

    def findings(self, progress: Callable[[int], None]) -> Iterator[Finding]:
        """Everything that is wrong; `progress` is told of how many events more were read."""
        with psycopg.connect(self._database_url, row_factory=namedtuple_row) as connection:
            connection.execute(ONE_SNAPSHOT)
            self._contract = Contract.of_store(connection)
            (pruned_before,) = connection.execute(_PRUNED).fetchone() or (None,)
            assert pruned_before is not None
            streams = self._streams(connection, progress)
            while batch := dict(itertools.islice(streams, _BATCH)):
                yield from itertools.chain.from_iterable(found for found, _ in batch.values())
                implied = {stream_id: hold for stream_id, (found, hold) in batch.items() if not found}
                yield from _wrong_holds(connection, implied, pruned_before)
            yield from _holds_among_themselves(connection)

    def _streams(
        self, connection: psycopg.Connection[Any], progress: Callable[[int], None]
    ) -> Iterator[tuple[UUID, tuple[list[Finding], Hold | None]]]:
        with connection.cursor("streams") as cursor:
            cursor.itersize = _BATCH
            rows = (Stored(*row) for row in cursor.execute(_STREAMS))
            for stream_id, stream in itertools.groupby(rows, key=lambda stored: stored.stream_id):
                known = list(stream)
                self.events += len(known)
                progress(len(known))
                yield stream_id, self._judged(stream_id, known)

    def _judged(self, stream_id: UUID, stream: list[Stored]) -> tuple[list[Finding], Hold | None]:
        """What is wrong with one stream, and the hold that it implies."""
        versions = [stored.version for stored in stream]
        found = []
        if versions != list(range(1, len(versions) + 1)):
            found.append(Finding(stream_id, f"its versions are {versions}, not 1 to {len(versions)}"))
        found += [wrong for stored in stream for wrong in self._unreadable(stored)]
        if found:
            return found, None
        try:
            return [], self._implied_hold(stream)
        except Exception as error:
            return [Finding(stream_id, f"it cannot be loaded: {type(error).__name__}: {error}")], None

    def _unreadable(self, stored: Stored) -> Iterator[Finding]:
        try:
            _, _, event = self._contract.event(stored)
        except (KeyError, ValueError, AttributeError) as error:
            wrong = f"version {stored.version} cannot be read: {type(error).__name__}: {error}"
            yield Finding(stored.stream_id, wrong)
            return
        for field, messages in events.check(event.type, event.data).items():
            yield Finding(stored.stream_id, f"version {stored.version}: {field}: {messages}")

    def _implied_hold(self, stream: list[Stored]) -> Hold | None:
        loaded: Any = None
        for stored in stream:
            state = StoredEvent(stored.stream_id, stored.version, stored.topic, bytes(stored.state))
            stored_event: Any = self._store.mapper.to_domain_event(state)
            loaded = stored_event.mutate(loaded)
        if not isinstance(loaded, Booking) or loaded.status == "cancelled":
            return None
        return loaded.host, *loaded.hold


def _wrong_holds(
    connection: psycopg.Connection[Any], implied: dict[UUID, Hold | None], pruned_before: datetime
) -> Iterator[Finding]:
    held = {booking_id: hold for booking_id, *hold in connection.execute(_HOLDS, (list(implied),)).fetchall()}
    for stream_id, hold in implied.items():
        found = held.get(stream_id)
        may_be_gone = found is None and hold is not None and hold[2] < pruned_before
        if not may_be_gone and (found and tuple(found)) != hold:
            yield Finding(stream_id, f"its hold is {_shown(found)}, but its events imply {_shown(hold)}")


def _holds_among_themselves(connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    for row in connection.execute(_ORPHANS).fetchall():
        yield Finding(row.booking_id, "it has a hold, but no events")
    for row in connection.execute(_OVERLAPS).fetchall():
        yield Finding(row.booking_id, f"its hold overlaps that of {row.other_id} for {row.host}")


def _shown(hold: Any) -> str:
    return f"{hold[0]} from {hold[1].isoformat()} to {hold[2].isoformat()}" if hold else "none"
