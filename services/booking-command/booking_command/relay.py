"""The relay: event store -> Kafka, in order, at least once.

Any error in publishing ends the process, and its supervisor starts it anew: an idempotent producer that has
failed once does not recover, and a fresh start repeats what may be missing. Readers skip what they have.
"""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg
import structlog
from prometheus_client import Counter, Gauge
from rebook.kafka import KafkaError, admin, producer
from rebook.moments import parse_moment, utc_now

from booking_command import erasure
from booking_command.contract import Contract
from booking_command.lease import Lease, LeaseLost
from booking_command.owned_topics import OwnedTopics
from booking_command.reader import last_position, read_after

if TYPE_CHECKING:
    import threading

    from kafka import KafkaAdminClient, KafkaProducer

    from booking_command.reader import Stored
    from booking_command.settings import RelaySettings

log = structlog.get_logger()

_RENEW_EVERY_S = 1.0
_LOOK_AT_TOPICS_EVERY_S = 1.0
_MEASURE_EVERY_S = 1.0
_PRUNE_EVERY_S = 60.0
_SEND_TIMEOUT_S = 10
_ASK_TIMEOUT_MS = 3_000  # a broker that is gone is noticed, and its topics made anew, by starting again
_LINGER_MS = 10  # fills batches while a backlog is sent; the flush after each batch does not wait for it

_PUBLISHED = Counter("relay_events_published", "Events that Kafka has acknowledged")
_BACKLOG = Gauge("relay_backlog_events", "Positions between the store's last event and the relay's cursor")
_LAG_S = Gauge("relay_lag_seconds", "Age of the event published last, while there are more to publish")
_PRUNE = (
    "DELETE FROM slot_holds WHERE upper(during) < now() - interval '1 day'",
    "DELETE FROM idempotency_keys WHERE created_at < now() - interval '24 hours'",
    "DELETE FROM ended_sessions WHERE ended_at < now() - interval '400 days'",
)


class Sent(NamedTuple):
    """Records on their way, up to and including a position in the store."""

    futures: list[Any]
    position: int


_NOTHING = Sent([], 0)


class TopicsChanged(Exception):  # noqa: N818 - a fact, met by ending the process
    """A topic was lost, made anew, or is to be dropped: the relay starts again, and fills it."""


class HistoryChanged(Exception):  # noqa: N818 - a fact, met by ending the process
    """The store was restored or filled while this relay ran: its events are told under other names."""


ENDS = (KafkaError, LeaseLost, TopicsChanged, HistoryChanged)  # by which a relay ends, to be started again


def run(settings: RelaySettings, stop: threading.Event) -> None:
    """Wait for the lease, then publish until `stop` is set.

    Who cannot reach Kafka leaves the lease alone, so that nobody takes it for a relay at work.

    Raises:
        psycopg.Error, or one of `ENDS`: the process must end and be started again.
    """
    with admin(settings, request_timeout_ms=_ASK_TIMEOUT_MS):
        pass
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        lease = Lease(connection, f"{socket.gethostname()}:{os.getpid()}", settings.lease_s)
        while not stop.is_set() and not lease.take():
            stop.wait(_RENEW_EVERY_S)
        if stop.is_set():
            return
        try:
            with admin(settings, request_timeout_ms=_ASK_TIMEOUT_MS) as topics:
                Relay(settings, connection, lease, topics).publish(stop)
        finally:
            lease.release()


class Relay:
    """The active relay."""

    def __init__(
        self,
        settings: RelaySettings,
        connection: psycopg.Connection[Any],
        lease: Lease,
        topics: KafkaAdminClient,
    ) -> None:
        self._settings = settings
        self._connection = connection
        self._lease = lease
        self._contract = Contract.of_store(connection)
        self._topics = OwnedTopics(settings, topics, connection, lease)
        self._topics.drop_what_is_no_more(self._contract)
        self._topics.ensure()
        self._cursors = lease.cursors(self._topics.ids, self._contract.store_id)
        self._producer: KafkaProducer = producer(
            settings, linger_ms=_LINGER_MS, batch_size=131_072, max_block_ms=_SEND_TIMEOUT_S * 1_000
        )
        self._due = dict.fromkeys((self._renew, self._look_at_topics, self._measure, self._prune), 0.0)
        self._has_caught_up = False
        self._sent_to = min(self._cursors.values())
        self._under_way = _NOTHING
        self._last_time = ""

    def publish(self, stop: threading.Event) -> None:
        """Publish what is stored until `stop` is set."""
        log.info("relay active", cursors=self._cursors)
        while not stop.is_set():
            self._do_what_is_due()
            if not self.step():
                self._note_caught_up()
                stop.wait(self._settings.poll_ms / 1000)
        self.close()

    def close(self) -> None:
        """Let go of Kafka."""
        self._producer.close(timeout=_SEND_TIMEOUT_S)

    def step(self) -> int:
        """Publish one batch; how many events it had.

        While there are full batches to send, the next is made while the one before is on its way.
        """
        batch = read_after(self._connection, self._sent_to, self._settings.batch)
        if batch and Contract.of_store(self._connection).store_id != self._contract.store_id:
            raise HistoryChanged
        before, self._under_way = self._under_way, self._send(batch)
        self._settle(before)
        if len(batch) < self._settings.batch:
            self._settle_all()
        return len(batch)

    def _settle_all(self) -> None:
        if self._under_way.futures:
            self._producer.flush(timeout=_SEND_TIMEOUT_S)
            self._settle(self._under_way)
            self._under_way = _NOTHING

    def _send(self, batch: list[Stored]) -> Sent:
        futures = []
        for stored in batch:
            name, key, event = self._contract.event(stored)
            topic = self._topics.names[name]
            if stored.position > self._cursors[topic]:
                futures.append(self._producer.send(topic, event.value(), key.encode(), event.headers()))
            self._sent_to, self._last_time = stored.position, event.time
        return Sent(futures, self._sent_to)

    def _settle(self, sent: Sent) -> None:
        """Move the cursors once Kafka has every one of these.

        Raises:
            KafkaError: it does not, and this process must not go on.
        """
        for future in sent.futures:
            if not future.succeeded():
                future.get(timeout=_SEND_TIMEOUT_S)
        behind = [topic for topic, reached in self._cursors.items() if reached < sent.position]
        if behind:
            self._lease.advance(behind, sent.position)
            self._cursors |= dict.fromkeys(behind, sent.position)
        _PUBLISHED.inc(len(sent.futures))

    def _note_caught_up(self) -> None:
        if not self._has_caught_up:
            self._lease.note_caught_up()
            self._has_caught_up = True

    def _do_what_is_due(self) -> None:
        for task, due_s in self._due.items():
            if time.monotonic() >= due_s:
                self._due[task] = task() + time.monotonic()

    def _renew(self) -> float:
        self._lease.renew()
        return _RENEW_EVERY_S

    def _look_at_topics(self) -> float:
        if self._topics.have_changed():
            raise TopicsChanged
        if erasure.topics_are_stale(self._connection):
            self._settle_all()  # what was read before the erasure, and may still be on its way, goes with the topic
            if self._topics.drop_stale():
                raise TopicsChanged("one held what was erased")
        return _LOOK_AT_TOPICS_EVERY_S

    def _measure(self) -> float:
        backlog = max(0, last_position(self._connection) - min(self._cursors.values()))
        _BACKLOG.set(backlog)
        _LAG_S.set(self._age_s() if backlog else 0.0)
        return _MEASURE_EVERY_S

    def _age_s(self) -> float:
        return (utc_now() - parse_moment(self._last_time)).total_seconds() if self._last_time else 0.0

    def _prune(self) -> float:
        for statement in _PRUNE:
            self._connection.execute(statement)
        return _PRUNE_EVERY_S
