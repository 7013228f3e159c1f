"""Makes what the notifier knows of bookings anew from their topic; what it has sent, it keeps.

All of it in one transaction that keeps everybody else from these tables: a rebuild that is killed has changed
nothing, and a worker that runs meanwhile waits for its end and finds out that its place has moved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import psycopg2
import psycopg2.errors
from psycopg2.extras import execute_values
from rebook import parking
from rebook.kafka import BOOKINGS, admin, topic_ids, topic_ids_once_made
from rebook.operating import DISCARDED
from rebook.problems import Refused
from rebook.topic_reader import records_to_end

from notifier import erasure
from notifier.deliveries import GONE
from notifier.taking import Taking

if TYPE_CHECKING:
    from collections.abc import Callable

    from kafka import KafkaAdminClient
    from psycopg2.extensions import connection as Connection  # noqa: N812
    from psycopg2.extensions import cursor as Cursor  # noqa: N812
    from rebook.kafka import KafkaSettings
    from rebook.parking import Handle

    Ask = Callable[[KafkaAdminClient, list[str]], dict[str, str]]

_PATIENCE_MS = 5_000
_WAIT = "SET LOCAL lock_timeout = '30s'"  # for letters that are on the wire, and their like
_NOBODY_ELSE = """
    LOCK TABLE consumer_offsets, parked_events, bookings, changes, reminders, deliveries, delivery_events
    IN EXCLUSIVE MODE
"""
_FORGET = (
    "DELETE FROM consumer_offsets",
    f"DELETE FROM parked_events WHERE kind <> '{DISCARDED}'",  # noqa: S608 - a constant
    "DELETE FROM reminders",
    "DELETE FROM changes",
    "DELETE FROM bookings",
)
_STAND = "INSERT INTO consumer_offsets (topic_id, partition, topic, next_offset) VALUES %s"
# Only the first history of a booking had letters before sources were kept.
_NAME_SOURCES = """
    UPDATE deliveries d SET source = b.source FROM bookings b WHERE b.booking_id = d.booking_id AND d.source = ''
"""
_GIVE_UP = """
    WITH gone AS (
        UPDATE deliveries d SET state = 'skipped', reason = %(reason)s, outcomes = outcomes + 1
        WHERE state = 'pending' AND NOT EXISTS (
            SELECT FROM changes c
            WHERE c.booking_id = d.booking_id AND c.version = d.version AND c.source = d.source)
        RETURNING delivery_id, outcomes)
    INSERT INTO delivery_events (delivery_id, outcome, state, reason, happened_at)
    SELECT delivery_id, outcomes, 'skipped', %(reason)s, now() FROM gone
"""
_COUNT = f"""
    SELECT (SELECT count(*) FROM bookings), (SELECT count(*) FROM parked_events WHERE kind <> '{DISCARDED}')
"""  # noqa: S608 - a constant


class Rebuilt(NamedTuple):
    """How many records were read, bookings are known, letters waited whose event is gone, and events are parked."""

    records: int
    bookings: int
    skipped: int
    parked: int


def rebuild(
    connection: Connection, settings: KafkaSettings, handle: Handle, progress: Callable[[int], None]
) -> Rebuilt:
    """Read the whole topic into empty tables, and skip letters that wait for nothing any more.

    Raises:
        Refused: there is no topic, or it was made anew meanwhile.
        KafkaError: it cannot be read.
    """
    topic = settings.topic(BOOKINGS)
    topic_id = _topic_id(settings, topic, topic_ids_once_made)
    with connection, connection.cursor() as cursor:
        _have_to_itself(cursor)
        for statement in _FORGET:
            cursor.execute(statement)
        taking = Taking(cursor, handle, topic_id)
        records = taking.all_of(records_to_end(settings, BOOKINGS, {}), progress)
        if _topic_id(settings, topic, topic_ids) != topic_id:  # at once: others wait for these tables
            raise Refused(f"{topic} was made anew meanwhile. Try again.")
        for booking_id in taking.erased:
            parking.forget(cursor, booking_id)
            erasure.forget(booking_id, cursor)
        places = [(topic_id, partition, topic, after) for partition, after in taking.reached.items()]
        execute_values(cursor, _STAND, places)
        cursor.execute(_NAME_SOURCES)
        cursor.execute(_GIVE_UP, {"reason": GONE})
        skipped = cursor.rowcount
        cursor.execute(_COUNT)
        bookings, parked = cursor.fetchone() or (0, 0)
    return Rebuilt(records, bookings, skipped, parked)


def _have_to_itself(cursor: Cursor) -> None:
    cursor.execute(_WAIT)
    try:
        cursor.execute(_NOBODY_ELSE)
    except psycopg2.errors.LockNotAvailable:
        raise Refused("A worker does not let go of a letter. Stop the workers, and try again.") from None


def _topic_id(settings: KafkaSettings, topic: str, ask: Ask) -> str:
    with admin(settings, bootstrap_timeout_ms=_PATIENCE_MS) as client:
        found = ask(client, [topic])
    if topic not in found:
        raise Refused(f"There is no topic {topic} yet; the relay makes and fills it.")
    return found[topic]
