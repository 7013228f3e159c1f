"""What a worker tells its service's web process: that it lives, how far behind it is, since when it is not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from rebook.moments import format_moment, utc_now
from rebook.parking import counts

if TYPE_CHECKING:
    from datetime import datetime

    from psycopg2.extensions import cursor as Cursor  # noqa: N812

SILENT_AFTER_S = 5  # a worker that says nothing for so long does not do its job
_FORGOTTEN_AFTER = "1 hour"


@dataclass
class Progress:
    """One worker process, from its start on.

    Attributes:
        is_informed: whether it knows now how far behind it is. While it joins its group, perhaps after an outage, it
            may have missed anything, and does not count as caught up.
    """

    worker: str
    instance: str = field(default_factory=lambda: str(uuid4()))
    started_at: datetime = field(default_factory=utc_now)
    caught_up_at: datetime | None = None
    lag_events: int = 0
    lag_s: float = 0.0
    is_informed: bool = False

    def write(self, cursor: Cursor) -> None:
        """Say so in the table; what was last said by workers long gone is forgotten."""
        cursor.execute(
            "DELETE FROM workers WHERE worker = %s AND seen_at < now() - %s::interval",
            (self.worker, _FORGOTTEN_AFTER),
        )
        caught_up_at = self.caught_up_at if self.is_informed else None
        cursor.execute(
            "INSERT INTO workers (worker, instance, started_at, seen_at, caught_up_at, lag_events, lag_s) "
            "VALUES (%s, %s, %s, now(), %s, %s, %s) ON CONFLICT (worker, instance) DO UPDATE SET "
            "seen_at = now(), caught_up_at = excluded.caught_up_at, lag_events = excluded.lag_events, "
            "lag_s = excluded.lag_s",
            (self.worker, self.instance, self.started_at, caught_up_at, self.lag_events, self.lag_s),
        )

    def end(self, cursor: Cursor) -> None:
        """Say that this worker has stopped, as it was asked to."""
        cursor.execute(
            "DELETE FROM workers WHERE worker = %s AND instance = %s", (self.worker, self.instance)
        )


def status(cursor: Cursor, worker: str) -> tuple[bool, dict[str, Any]]:
    """Whether all of the service's workers do their job and have caught up once since they started; and the facts."""
    cursor.execute(
        "SELECT count(*), bool_and(caught_up_at IS NOT NULL), max(lag_events), max(lag_s), max(seen_at) "
        "FROM workers WHERE worker = %s AND seen_at > now() - make_interval(secs => %s)",
        (worker, SILENT_AFTER_S),
    )
    row = cursor.fetchone()
    assert row is not None
    alive, caught_up, lag_events, lag_s, seen_at = row
    parked, dead_letters = counts(cursor)
    facts = {
        "worker": worker,
        "instances": alive,
        "caught_up": bool(caught_up),
        "lag_events": lag_events,
        "lag_seconds": lag_s,
        "seen_at": seen_at and format_moment(seen_at),
        "parked_streams": parked,
        "dead_letters": dead_letters,
    }
    return bool(alive and caught_up), facts
