"""What a second set of read tables keeps of the served one: what operators decided, and what waits there.

The topics do not tell of it: which events were discarded and why, which have been announced as dead letters, and
parked events whose records retention has cut meanwhile.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from rebook import operating, parking
from rebook.operating import DISCARDED, NotFirst
from rebook.parking import UNREADABLE, Stream

from booking_query.schema import SERVED

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812
    from rebook.parking import Handle

_COLUMNS = "source, stream, sequence, kind, reason, topic, key, headers, value, parked_at, announced_at, announced_in"
_LINE = "booking_id, event_id, at, sequence, type, by, details"
_NEWLY_DISCARDED = f"""
    SELECT theirs.source, theirs.stream, theirs.sequence, theirs.reason FROM {SERVED}.parked_events AS theirs
    LEFT JOIN parked_events AS ours USING (source, stream, sequence)
    WHERE theirs.kind = %s AND ours.kind IS DISTINCT FROM theirs.kind ORDER BY 1, 2, 3
"""  # noqa: S608 - constants only, as below
_KEEP_DISCARDED = f"""
    INSERT INTO parked_events ({_COLUMNS}) SELECT {_COLUMNS} FROM {SERVED}.parked_events WHERE kind = %s
    ON CONFLICT (source, stream, sequence) DO UPDATE SET kind = excluded.kind, reason = excluded.reason
"""  # noqa: S608
_KEEP_WAITING = f"""
    INSERT INTO parked_events ({_COLUMNS})
    SELECT source, stream, sequence, CASE kind WHEN '{UNREADABLE}' THEN kind ELSE 'queued' END,
        reason, topic, key, headers, value, parked_at, announced_at, announced_in
    FROM {SERVED}.parked_events WHERE kind <> %s
    ON CONFLICT DO NOTHING RETURNING source, stream, kind
"""  # noqa: S608
_KEEP_ANNOUNCED = f"""
    UPDATE parked_events AS ours
    SET announced_at = theirs.announced_at, announced_in = theirs.announced_in, parked_at = theirs.parked_at
    FROM {SERVED}.parked_events AS theirs
    WHERE (ours.source, ours.stream, ours.sequence) = (theirs.source, theirs.stream, theirs.sequence)
      AND ours.announced_at IS NULL
"""  # noqa: S608
_FORGET_STALE = "DELETE FROM stale_topics"
_KEEP_STALE = f"INSERT INTO stale_topics SELECT * FROM {SERVED}.stale_topics"  # noqa: S608
_KEEP_LETTERS = f"""
    INSERT INTO booking_history ({_LINE}) SELECT {_LINE} FROM {SERVED}.booking_history WHERE by = %s
    ON CONFLICT DO NOTHING
"""  # noqa: S608


def discarded(cursor: Cursor, handle: Handle) -> None:
    """Discard what has been discarded in the served set, and keep why."""
    cursor.execute(_NEWLY_DISCARDED, (DISCARDED,))
    for source, stream, sequence, reason in cursor.fetchall():
        for letter in operating.find(cursor, f"{stream}:{sequence}"):
            if letter.source == source:
                with contextlib.suppress(NotFirst):
                    operating.discard(cursor, letter, handle, reason)
    cursor.execute(_KEEP_DISCARDED, (DISCARDED,))


def waiting(cursor: Cursor, handle: Handle) -> None:
    """Let wait here too what waits in the served set, as far as it cannot be applied; it is not announced again."""
    cursor.execute(_KEEP_WAITING, (DISCARDED,))
    for source, stream in {row[:2] for row in cursor.fetchall() if row[2] != UNREADABLE}:
        parking.go_on(cursor, Stream(source, stream), handle)
    cursor.execute(_KEEP_ANNOUNCED)


def stale_topics(cursor: Cursor) -> None:
    """Have dropped what the served set knows to be stale, not what this one has read of erasures of long ago."""
    cursor.execute(_FORGET_STALE)
    cursor.execute(_KEEP_STALE)


def letters(cursor: Cursor, by: str) -> None:
    """Keep the lines about letters that the deliveries topic does not hold any more."""
    cursor.execute(_KEEP_LETTERS, (by,))
