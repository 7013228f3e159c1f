"""A store that was restored to an earlier point goes on as another store: its further events are none of those lost.

Events keep the source under which they were stored. What is stored from now on gets another, so that a reader that
has seen `<stream>:3` of the lost history can tell it from `<stream>:3` of the new one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

if TYPE_CHECKING:
    from uuid import UUID

    from psycopg import Cursor

_NO_APPENDS = (
    "LOCK TABLE stored_events IN SHARE MODE"  # so that nobody stores between the look and the new id
)
# Where nothing was stored since the last new id, that one may have named events that are lost as well.
_NEW_ID = """
INSERT INTO store_ids (first_position) SELECT coalesce(max(notification_id), 0) + 1 FROM stored_events
ON CONFLICT (first_position) DO UPDATE SET store_id = excluded.store_id RETURNING first_position, store_id
"""


class Identity(NamedTuple):
    """What a store's events are known by, from a position on."""

    first_position: int
    store_id: UUID


def go_on_as_another(cursor: Cursor[Any]) -> Identity:
    """Give the events that are stored from now on a source of their own; in the caller's transaction."""
    cursor.execute(_NO_APPENDS)
    return Identity(*cast("tuple[int, UUID]", cursor.execute(_NEW_ID).fetchone()))
