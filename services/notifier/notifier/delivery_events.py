"""Rows of delivery events: the outbox of what the deliveries topic is to be told, and what it gave back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg2.extras import execute_values

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from psycopg2.extensions import cursor as Cursor  # noqa: N812

_ONE_REPORTER = 0x7265706F7274  # "report": one process at a time publishes, so that outcomes stay in order

_UNREPORTED = """
    SELECT e.delivery_id, d.booking_id, d.event_id, d.version, d.letter, d.recipient, d.minutes_before,
           d.message_id, d.correlation_id, e.outcome, e.state, e.reason, e.happened_at, e.position, d.source
    FROM delivery_events e JOIN deliveries d USING (delivery_id)
    WHERE NOT e.is_reported ORDER BY e.position LIMIT %s
"""
_KNOWN = """
    SELECT e.delivery_id, e.outcome FROM delivery_events e JOIN deliveries d USING (delivery_id)
    WHERE e.delivery_id = ANY(%s) AND e.is_reported AND d.outcomes >= e.outcome
"""
_RESTORE_DELIVERIES = """
    INSERT INTO deliveries (delivery_id, booking_id, version, event_id, letter, recipient, minutes_before,
                            message_id, correlation_id, state, reason, outcomes, fell_due_at, next_try_at,
                            source)
    VALUES %s ON CONFLICT (delivery_id) DO UPDATE
    SET state = excluded.state, reason = excluded.reason, outcomes = excluded.outcomes
    WHERE deliveries.outcomes < excluded.outcomes
"""
_RESTORE_EVENTS = """
    INSERT INTO delivery_events (delivery_id, outcome, state, reason, happened_at, is_reported)
    VALUES %s ON CONFLICT (delivery_id, outcome) DO UPDATE SET is_reported = true
"""


_KEEP_POSITION = """
    INSERT INTO read_topic (topic_id, partition, next_offset) VALUES %s
    ON CONFLICT (topic_id, partition) DO UPDATE SET next_offset = excluded.next_offset
"""
_COUNT = "SELECT count(*) FROM delivery_events"
_HAS_LOST_ROWS = f"""
    SELECT ({_COUNT}) < (SELECT events_known FROM reported_topic) OR EXISTS (
        SELECT FROM delivery_events e WHERE NOT EXISTS (SELECT FROM deliveries d WHERE d.delivery_id = e.delivery_id))
"""  # noqa: S608 - a constant


@dataclass(frozen=True, slots=True)
class DeliveryEvent:
    """What became of one delivery; `outcome` counts from 1, `position` is the place in the outbox.

    `version` is that of the event that called for it.
    """

    delivery_id: UUID
    booking_id: UUID
    event_id: str
    version: int
    letter: str
    recipient: str
    minutes_before: int | None
    message_id: str
    correlation_id: str
    outcome: int
    state: str
    reason: str
    happened_at: datetime
    position: int
    event_source: str = ""


def lock(cursor: Cursor) -> bool:
    """Be the one reporter until the transaction ends; False when another process is."""
    cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", (_ONE_REPORTER,))
    (is_ours,) = cursor.fetchone() or (False,)
    return bool(is_ours)


def unreported(cursor: Cursor, limit: int) -> list[DeliveryEvent]:
    """What the topic has not been told, oldest first."""
    cursor.execute(_UNREPORTED, (limit,))
    return [DeliveryEvent(*row) for row in cursor.fetchall()]


def mark_reported(cursor: Cursor, events: list[DeliveryEvent]) -> None:
    cursor.execute(
        "UPDATE delivery_events SET is_reported = true WHERE position = ANY(%s)",
        ([event.position for event in events],),
    )


def follow_topic(cursor: Cursor, topic_id: str) -> bool:
    """Remember which topic is being told; True when it is another one than before and must hear everything."""
    cursor.execute(
        "INSERT INTO reported_topic (topic_id) VALUES (%s) ON CONFLICT (is_only) DO UPDATE "
        "SET topic_id = excluded.topic_id WHERE reported_topic.topic_id <> excluded.topic_id",
        (topic_id,),
    )
    is_new = bool(cursor.rowcount)
    if is_new:
        cursor.execute("DELETE FROM read_topic")
        cursor.execute("UPDATE delivery_events SET is_reported = false WHERE is_reported")
    return is_new


def read_positions(cursor: Cursor, topic_id: str) -> dict[int, int]:
    """From where each partition of the topic is to be read; from its beginning where rows were lost since."""
    cursor.execute(_HAS_LOST_ROWS)
    if cursor.fetchone() == (True,):
        cursor.execute("DELETE FROM read_topic")
    cursor.execute("SELECT partition, next_offset FROM read_topic WHERE topic_id = %s", (topic_id,))
    return dict(cursor.fetchall())


def keep_positions(cursor: Cursor, topic_id: str, positions: Mapping[int, int]) -> None:
    """What comes before these offsets is in the tables now."""
    if positions:
        rows = [(topic_id, *position) for position in positions.items()]
        execute_values(cursor, _KEEP_POSITION, rows)


def keep_count(cursor: Cursor) -> None:
    """So many rows are there now; with fewer at the next start, positions count for nothing."""
    cursor.execute(f"UPDATE reported_topic SET events_known = ({_COUNT})")  # noqa: S608


def restore(cursor: Cursor, events: list[DeliveryEvent]) -> int:
    """Take over what the topic knows and this database does not; how many outcomes."""
    cursor.execute(_KNOWN, ([event.delivery_id for event in events],))
    known = set(cursor.fetchall())
    lost = {
        (event.delivery_id, event.outcome): event
        for event in events
        if (event.delivery_id, event.outcome) not in known
    }
    if lost:
        execute_values(cursor, _RESTORE_EVENTS, [_event_row(event) for event in lost.values()])
        last = {event.delivery_id: event for event in sorted(lost.values(), key=lambda event: event.outcome)}
        execute_values(cursor, _RESTORE_DELIVERIES, [_delivery_row(event) for event in last.values()])
    return len(lost)


def _event_row(event: DeliveryEvent) -> tuple[object, ...]:
    return event.delivery_id, event.outcome, event.state, event.reason, event.happened_at, True


def _delivery_row(event: DeliveryEvent) -> tuple[object, ...]:
    return (
        *(event.delivery_id, event.booking_id, event.version, event.event_id, event.letter, event.recipient),
        *(event.minutes_before, event.message_id, event.correlation_id, event.state, event.reason),
        *(event.outcome, event.happened_at, event.happened_at, event.event_source),
    )
