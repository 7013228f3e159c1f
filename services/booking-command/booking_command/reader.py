"""Reads the store in order of position while others write, and misses nothing.

Positions become visible out of order. Every writer holds, from before it draws its positions until its
transaction has ended, a shared lock on the last position drawn until then (sql/0001). So with L, the last
position drawn, read first, and M, the smallest such lock, read second: whatever can still appear lies above
min(L, M). That is proof by locks; no timer is involved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from uuid import UUID

    from psycopg import Connection

_LAST_DRAWN = "SELECT last_value FROM stored_events_notification_id_seq"
_LOWEST_LOCK = """
SELECT min(((classid::bigint & x'FFFFFF'::bigint) << 32) | objid::bigint) FROM pg_locks
WHERE locktype = 'advisory' AND objsubid = 1 AND classid::bigint >> 24 = x'52'::bigint
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
ONE_SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"  # for who reads all of it at rest
STORED = "SELECT notification_id, originator_id, originator_version, topic, state FROM stored_events"
_BETWEEN = f"{STORED} WHERE notification_id > %s AND notification_id <= %s ORDER BY notification_id LIMIT %s"
_LAST = "SELECT coalesce(max(notification_id), 0) FROM stored_events"


class Stored(NamedTuple):
    """One event as it lies in the store, and as `STORED` selects it."""

    position: int
    stream_id: UUID
    version: int
    topic: str
    state: bytes


def read_after(connection: Connection[Any], position: int, limit: int) -> list[Stored]:
    """The next events after `position`, in order; none can appear before the last of them any more.

    The connection must be in autocommit mode: the bound and the rows have to be read by separate snapshots.
    The caller's next `position` is that of the last event returned, never the bound.
    """
    (last_drawn,) = connection.execute(_LAST_DRAWN, prepare=True).fetchone() or (0,)
    if last_drawn <= position:
        return []
    (lowest_lock,) = connection.execute(_LOWEST_LOCK, prepare=True).fetchone() or (None,)
    bound = last_drawn if lowest_lock is None else min(last_drawn, lowest_lock)
    return [Stored(*row) for row in connection.execute(_BETWEEN, (position, bound, limit))]


def last_position(connection: Connection[Any]) -> int:
    """That of the last event that is visible, 0 where there is none; events before it may still appear."""
    (last,) = connection.execute(_LAST).fetchone() or (0,)
    return int(last)
