"""The loop that turns topics into rows: events' rows and the new offsets in one transaction.

A worker process runs one `Consumer`. It joins a consumer group, so that several share the partitions, but where
it stands is known to PostgreSQL alone. Whatever goes wrong, nothing is lost and nothing counts twice:

- Repeated events are the handler's business: it changes nothing the second time.
- An event that comes before its time (`VersionGap`), or that cannot be applied, is parked with the later
  events of its stream (rebook.parking). Attempts are counted in the database before they are made, and each
  failure makes the next batch smaller, so an event that kills the process is found too. Trouble of the database
  does not count.
- A topic that is deleted and filled again has a new id and is read from its beginning.
- When PostgreSQL or Kafka goes away the consumer starts over with fresh connections, patiently.
"""

from __future__ import annotations

import hashlib
import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from rebook import offsets
from rebook.assignment import TopicsChanged
from rebook.kafka import KafkaError, KafkaSettings, admin, consumer, topic_ids
from rebook.offsets import Overtaken
from rebook.parking import Forget, Handle, HandleAll, VersionGap
from rebook.pauses import next_pause_s
from rebook.postgres import TROUBLE, connect
from rebook.progress import Progress
from rebook.reading import Reading

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from kafka import KafkaAdminClient, TopicPartition
    from psycopg2.extensions import connection as Connection  # noqa: N812

    from rebook.offsets import Position

__all__ = ["Consumer", "Handle", "VersionGap", "Work"]

log = structlog.get_logger()

_WAIT_FOR_ALL_S = 5.0  # topics are made by several owners, and joining a group once is quicker than twice
_LOOK_EVERY_S = 0.1
_PATIENCE_MS = 3_000  # for one answer; a stop must not wait longer
_LOST = (KafkaError, TopicsChanged, Overtaken, *TROUBLE)


def _nothing(*_: object) -> None:
    """What is done where nobody asks for more."""


@dataclass(frozen=True)
class Work:
    """What a consumer is for.

    Attributes:
        name: the consumer group's, and the worker's in `/statusz`.
        topics: names such as `rebook.kafka.BOOKINGS`; one that does not exist yet is waited for.
        handle: makes the rows of one event. It raises `VersionGap` before it has changed anything, passes over
            types it does not know, and changes nothing when the event has been applied before. Called with the
            cursor of the batch's transaction; it must not commit or roll back.
        handle_all: the same for many events at once, where that is quicker; it answers with the places of those whose
            gap `handle` would have raised, and why, and has changed nothing for them.
        after_batch: called after each commit and whenever nothing came for a tenth of a second.
        prepare: called with every new connection before `handle` sees its cursors.
        forget: blanks the rows of an erased customer's booking whose event has to wait for its turn.
    """

    name: str
    topics: tuple[str, ...]
    handle: Handle
    handle_all: HandleAll | None = None
    after_batch: Callable[[], None] = _nothing
    prepare: Callable[[Connection], None] = _nothing
    forget: Forget = _nothing


class Consumer:
    """Reads the topics of its work until it is told to stop."""

    def __init__(self, kafka: KafkaSettings, database_url: str, work: Work) -> None:
        self._kafka = kafka
        self._database_url = database_url
        self._work = work
        self._progress = Progress(work.name)
        self._uncounted: dict[TopicPartition, Position] = {}
        self.is_connected = False  # for /readyz of the worker's own port

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; anything but the loss of a server or of a partition ends with its exception."""
        pause_s = 0.0
        while not stop.wait(pause_s):
            began_s = time.monotonic()
            try:
                self._read(stop)
                pause_s = 0.0
            except _LOST as error:
                pause_s = next_pause_s(pause_s, began_s, failed=not isinstance(error, TopicsChanged))
                log.warning("consumer starts over", error=type(error).__name__, pause_s=pause_s)
            finally:
                self.is_connected = False

    def _read(self, stop: threading.Event) -> None:
        """One session, with connections of its own."""
        patience = {"bootstrap_timeout_ms": _PATIENCE_MS}
        with (
            closing(connect(self._database_url, connect_timeout=3)) as connection,
            admin(self._kafka, request_timeout_ms=_PATIENCE_MS, **patience) as topics,
        ):
            self._work.prepare(connection)
            offsets.uncount(connection, self._uncounted)
            ids = self._topics_there(topics, stop)
            if stop.is_set():
                return
            group = self._group(ids)
            with closing(consumer(self._kafka, group, metadata_max_age_ms=1_000, **patience)) as reader:
                reading = Reading(
                    self._kafka, self._work, self._progress, connection, topics, reader, ids, self._uncounted
                )
                self.is_connected = True
                reading.run(stop)

    def _topics_there(self, client: KafkaAdminClient, stop: threading.Event) -> dict[str, str]:
        """The ids of the topics once all are there, or of those that are after they have been waited for."""
        names = [self._kafka.topic(name) for name in self._work.topics]
        patient_until_s = time.monotonic() + _WAIT_FOR_ALL_S
        found = topic_ids(client, names)
        while len(found) < len(names) and not (found and time.monotonic() > patient_until_s):
            if stop.wait(_LOOK_EVERY_S):
                break
            found = topic_ids(client, names)
        return found

    def _group(self, ids: dict[str, str]) -> str:
        """The consumer group of these very topics.

        Where the broker forgot its topics, members of before may still be joining the group of before, and hold up
        everybody in it. Nothing is lost with the old group: where its members stood is known to PostgreSQL.
        """
        these = hashlib.sha256(",".join(sorted(ids.values())).encode()).hexdigest()[:12]
        return f"{self._kafka.topic(self._work.name)}.{these}"
