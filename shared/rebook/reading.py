"""One session of a consumer: poll, apply, and once a second look after everything else.

While the rows of a backlog's batch are made the next one is read and decoded: PostgreSQL works during the one, this
process during the other.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import structlog
from prometheus_client import Gauge

from rebook import dead_letters, parking, stale_topics
from rebook.assignment import Assignment
from rebook.batches import BATCH_MAX, Arrival, Batches
from rebook.kafka import DEAD_LETTERS
from rebook.moments import parse_moment, utc_now

if TYPE_CHECKING:
    import threading

    from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
    from psycopg2.extensions import connection as Connection  # noqa: N812

    from rebook.batches import Arrivals
    from rebook.consumer import Work
    from rebook.kafka import KafkaSettings
    from rebook.offsets import Position
    from rebook.progress import Progress

log = structlog.get_logger()

_POLL_MS = 100
_AHEAD_MS = 20
_BACKLOG = BATCH_MAX // 4  # so many at once are worth a second thread
_LOOK_EVERY_S = 1.0
_SETTLED_AFTER_S = 1.0  # topics that appear together are assigned one after another

_LAG_EVENTS = Gauge("consumer_lag_events", "Events that are on the topics and not yet applied", ["worker"])
_LAG_S = Gauge("consumer_lag_seconds", "Age of the event applied last, while there are more", ["worker"])
_PARKED = Gauge(
    "parked_streams", "Bookings and others whose events wait for one that is missing or bad", ["worker"]
)
_DEAD = Gauge("dead_letters", "Events and records that wait for an operator", ["worker"])


class Reading:
    """Reads until it is told to stop."""

    def __init__(
        self,
        settings: KafkaSettings,
        work: Work,
        progress: Progress,
        connection: Connection,
        admin: KafkaAdminClient,
        reader: KafkaConsumer,
        ids: dict[str, str],
        uncounted: dict[TopicPartition, Position],
    ) -> None:
        self._settings = settings
        self._work = work
        self._progress = progress
        self._connection = connection
        self._admin = admin
        self._reader = reader
        topics = [settings.topic(name) for name in work.topics]
        self._assignment = Assignment(reader, admin, connection, topics, ids)
        handle_all = work.handle_all or parking.one_by_one(work.handle)
        positions = self._assignment.positions
        self._batches = Batches(connection, positions, work.handle, handle_all, work.forget, uncounted)
        self._look_at_s = 0.0
        self._complete_since_s: float | None = None

    def run(self, stop: threading.Event) -> None:
        """Poll and apply until `stop` is set; then say that this worker is gone."""
        arrived: Arrivals = {}
        with ThreadPoolExecutor(1, "rows") as rows:
            while not stop.is_set():
                arrived = arrived or self._poll(_POLL_MS)
                ahead = self._work_off(rows, arrived)
                self._work.after_batch()
                if time.monotonic() >= self._look_at_s:
                    self._look_after(is_idle=not arrived)
                arrived = ahead
        with self._connection, self._connection.cursor() as cursor:
            self._progress.end(cursor)

    def _work_off(self, rows: ThreadPoolExecutor, arrived: Arrivals) -> Arrivals:
        """Make the rows of what arrived; what was read ahead meanwhile, if there seems to be more."""
        if sum(map(len, arrived.values())) < _BACKLOG:
            self._batches.work_off(arrived)
            self._assignment.settle()
            return {}
        working = rows.submit(self._batches.work_off, arrived)
        ahead = self._poll(_AHEAD_MS)
        working.result()
        return {} if self._assignment.settle() else ahead

    def _poll(self, wait_ms: int) -> Arrivals:
        polled = self._assignment.placed(self._reader.poll(wait_ms, max_records=BATCH_MAX))
        return {
            partition: [Arrival.of(record) for record in records] for partition, records in polled.items()
        }

    def _look_after(self, *, is_idle: bool) -> None:
        self._assignment.look_at_topics()
        with self._connection, self._connection.cursor() as cursor:
            parking.retry_waiting(cursor, self._work.handle)
        with self._connection, self._connection.cursor() as cursor:
            stale_topics.drop_noted(cursor, self._admin, self._settings, DEAD_LETTERS)
        dead_letters.announce(self._connection, self._admin, self._settings, self._work.name)
        self._judge(is_idle=is_idle)
        with self._connection, self._connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit = off")
            self._progress.write(cursor)
            self._measure(*parking.counts(cursor))
        self._look_at_s = time.monotonic() + _LOOK_EVERY_S

    def _judge(self, *, is_idle: bool) -> None:
        """How far behind, and whether everything has been read once."""
        lag = self._assignment.lag_events()
        self._progress.lag_events = lag or 0
        self._progress.lag_s = self._age_s() if lag else 0.0
        self._progress.is_informed = self._assignment.is_complete and lag is not None
        if not self._assignment.is_complete:
            self._complete_since_s = None
        elif self._complete_since_s is None:
            self._complete_since_s = time.monotonic()
        elif is_idle and lag == 0 and time.monotonic() - self._complete_since_s >= _SETTLED_AFTER_S:
            self._note_caught_up()

    def _note_caught_up(self) -> None:
        if self._progress.caught_up_at is None:
            self._progress.caught_up_at = utc_now()
            log.info("caught up", worker=self._work.name)

    def _age_s(self) -> float:
        """How long ago the event applied last had happened."""
        if not self._batches.last_time:
            return 0.0
        return max(0.0, (utc_now() - parse_moment(self._batches.last_time)).total_seconds())

    def _measure(self, parked: int, dead: int) -> None:
        worker = self._work.name
        _LAG_EVENTS.labels(worker).set(self._progress.lag_events)
        _LAG_S.labels(worker).set(self._progress.lag_s)
        _PARKED.labels(worker).set(parked)
        _DEAD.labels(worker).set(dead)
