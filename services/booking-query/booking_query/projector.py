"""The process that follows the topics and keeps the read tables."""

from __future__ import annotations

import gc
import sys
import time
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

from rebook.consumer import Consumer, Work
from rebook.kafka import BOOKINGS, DELIVERIES, MEETING_TYPES, TEAM
from rebook.moments import utc_now
from rebook.postgres import connect
from rebook.serving import answer_health

from booking_query import erasure, projection_bookings, projection_team  # noqa: F401 - they register their projections
from booking_query.projection import project, project_all

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from datetime import datetime

    from psycopg2.extensions import connection as Connection  # noqa: N812
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

    from booking_query.settings import ProjectorSettings

NAME = "booking-query"  # of the consumer group, and in /statusz
TOPICS = (BOOKINGS, MEETING_TYPES, TEAM, DELIVERIES)

_COLLECT_AFTER = (
    50_000  # objects; records come in thousands, and go without cycles that would have to be looked for
)
_TURN_S = 0.0005
_FOLD_EVERY_S = 5.0
_APART = timedelta(days=366)
_FOLD_LOCK = 0x666F6C64  # "fold": two projectors never fold at once
# Which day a booking ended on matters to nobody once that is long over or it is cancelled: such days become one row.
# That cannot be undone, so days stay apart for a year: a clock that runs ahead must not bury what is to come.
_FOLD = """
    WITH over AS (
        DELETE FROM booking_counts WHERE (is_cancelled OR ends_on < %(long_over)s) AND ends_on > '-infinity'
        RETURNING ends_on, is_cancelled, bookings
    ), changes AS (DELETE FROM booking_count_changes RETURNING ends_on, is_cancelled, change)
    INSERT INTO booking_counts (ends_on, is_cancelled, bookings)
    SELECT CASE WHEN is_cancelled OR ends_on < %(long_over)s THEN '-infinity' ELSE ends_on END, is_cancelled,
           sum(bookings)
    FROM (SELECT * FROM over UNION ALL SELECT * FROM changes) AS both_kinds GROUP BY 1, 2
    ON CONFLICT (ends_on, is_cancelled) DO UPDATE SET bookings = booking_counts.bookings + excluded.bookings
"""


def run(settings: ProjectorSettings, stop: threading.Event) -> None:
    """Project until `stop` is set."""
    tune()
    counts = Counts(settings.database_url)
    consumer = Consumer(settings, settings.database_url, work(counts.fold_when_due))
    answer_health(settings.listen_host, settings.port, lambda: consumer.is_connected)
    consumer.run(stop)


def tune() -> None:
    """Set this process up for backlogs.

    Python looks for garbage that refers to itself less often: it took a third of a replay's time. And threads take
    turns more often: the one that waited for PostgreSQL waits less for the one that reads on.
    """
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)
    sys.setswitchinterval(_TURN_S)


def work(after_batch: Callable[[], None]) -> Work:
    """What a consumer does to keep the read tables."""
    return Work(NAME, TOPICS, project, project_all, after_batch, _prepare, erasure.forget)


def _prepare(connection: Connection) -> None:
    """Wait for no disk: what PostgreSQL forgets in a crash, rows and offsets alike, is read once more."""
    with connection, connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")


class Counts:
    """Folds the changes of the bookings' counts into their sums from time to time."""

    def __init__(self, database_url: str, now: Callable[[], datetime] = utc_now) -> None:
        self._database_url = database_url
        self._now = now
        self._due_at_s = time.monotonic() + _FOLD_EVERY_S

    def fold_when_due(self) -> None:
        if time.monotonic() >= self._due_at_s:
            self._due_at_s = time.monotonic() + _FOLD_EVERY_S
            self.fold()

    def fold(self) -> None:
        """Fold now, unless another projector does."""
        with (
            closing(connect(self._database_url, connect_timeout=3)) as connection,
            connection,
            connection.cursor() as cursor,
        ):
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", (_FOLD_LOCK,))
            if cursor.fetchone() == (True,):
                fold(cursor, self._now())


def fold(cursor: Cursor, now: datetime) -> None:
    """Fold the changes of the bookings' counts into their sums, and days that are long over (UTC) into one."""
    cursor.execute(_FOLD, {"long_over": now.date() - _APART})
