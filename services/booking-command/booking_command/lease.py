"""The relay's lease: one relay is active at a time, and a newer one fences off an older by its epoch.

A heartbeat in the database, by the database's clock, says that the holder is alive; a session lock would
stay with a process that is stopped, not dead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from uuid import UUID

    from psycopg import Connection

_TAKE = """
UPDATE relay_lease SET holder = %s, epoch = epoch + 1, seen_at = now(), caught_up_at = NULL
WHERE seen_at IS NULL OR seen_at < now() - make_interval(secs => %s) RETURNING epoch
"""
_RENEW = "UPDATE relay_lease SET seen_at = now() WHERE epoch = %s RETURNING 1"
_RELEASE = "UPDATE relay_lease SET seen_at = NULL WHERE epoch = %s"
_CAUGHT_UP = "UPDATE relay_lease SET caught_up_at = now() WHERE epoch = %s AND caught_up_at IS NULL"
_CURSORS = "SELECT topic, topic_id, position FROM relay_cursors"
_HISTORIES = "SELECT topic, store_id FROM relay_cursors"
_ADOPT = """
INSERT INTO relay_cursors (topic, topic_id, store_id, position)
SELECT %(topic)s, %(topic_id)s, %(store_id)s, 0 FROM relay_lease WHERE epoch = %(epoch)s
ON CONFLICT (topic) DO UPDATE SET topic_id = excluded.topic_id, store_id = excluded.store_id, position = 0
WHERE (relay_cursors.topic_id, relay_cursors.store_id) <> (excluded.topic_id, excluded.store_id) RETURNING 1
"""
_ADVANCE = """
UPDATE relay_cursors SET position = %s WHERE topic = ANY(%s)
AND EXISTS (SELECT FROM relay_lease WHERE epoch = %s) RETURNING 1
"""


class LeaseLost(Exception):  # noqa: N818 - a fact, met by ending the process
    """Another relay has taken over; this one must not publish any more."""


class Lease:
    """This relay's claim to be the active one, and the cursors that only the active one moves."""

    def __init__(self, connection: Connection[Any], holder: str, patience_s: int) -> None:
        self._connection = connection
        self._holder = holder
        self._patience_s = patience_s
        self._epoch = 0

    def take(self) -> bool:
        """Become the active relay if none is, or if the active one has been silent for too long."""
        row = self._connection.execute(_TAKE, (self._holder, self._patience_s)).fetchone()
        self._epoch = row[0] if row else 0
        return row is not None

    def renew(self) -> None:
        """Show that this relay is alive.

        Raises:
            LeaseLost: another one has taken over.
        """
        self._must_be_mine(self._connection.execute(_RENEW, (self._epoch,)).fetchone())

    def release(self) -> None:
        """Let a standby take over at once."""
        self._connection.execute(_RELEASE, (self._epoch,))

    def note_caught_up(self) -> None:
        self._connection.execute(_CAUGHT_UP, (self._epoch,))

    def histories(self) -> dict[str, UUID]:
        """The store's newest id when each topic began to be filled."""
        rows: list[Any] = self._connection.execute(_HISTORIES).fetchall()
        return dict(rows)

    def cursors(self, topic_ids: dict[str, str], store_id: UUID) -> dict[str, int]:
        """How far each topic has been filled; one that was made anew starts from nothing.

        Raises:
            LeaseLost: another relay moves the cursors now.
        """
        for topic, topic_id in topic_ids.items():
            adopted = {"topic": topic, "topic_id": topic_id, "store_id": store_id, "epoch": self._epoch}
            self._connection.execute(_ADOPT, adopted)
        self.renew()
        known = {
            topic: (topic_id, position) for topic, topic_id, position in self._connection.execute(_CURSORS)
        }
        return {topic: known[topic][1] for topic in topic_ids}

    def advance(self, topics: list[str], position: int) -> None:
        """Note that the topics hold everything up to `position`.

        Raises:
            LeaseLost: another relay moves the cursors now.
        """
        self._must_be_mine(self._connection.execute(_ADVANCE, (position, topics, self._epoch)).fetchone())

    def _must_be_mine(self, row: Any) -> None:
        if row is None:
            raise LeaseLost(f"epoch {self._epoch} of the relay's lease has ended")
