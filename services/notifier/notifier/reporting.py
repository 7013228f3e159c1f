"""Tells the deliveries topic what became of each letter, and learns from it what this database has lost.

The table of delivery events is the outbox: what is not on the topic yet is published, oldest first, at least
once (readers know an event by its id). A topic that was lost is told everything again. At every start the
topic is read to its end before any letter is sent, so that a lost table mails nothing twice; what was read once
is passed over as long as its rows are there.
"""

from __future__ import annotations

import itertools
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import structlog
from rebook import stale_topics
from rebook.kafka import DELIVERIES, admin, ensured_topic_id, producer
from rebook.topic_reader import records_to_end

from notifier import delivery_events, erasure
from notifier.delivery_records import event_of_delivery, taken_over

if TYPE_CHECKING:
    from kafka import KafkaAdminClient, KafkaProducer
    from psycopg2.extensions import connection as Connection  # noqa: N812
    from rebook.cloudevents import Event
    from rebook.kafka import KafkaSettings

log = structlog.get_logger()

_AT_ONCE = 500
_READ_AT_ONCE = 2_000
_LOOK_EVERY_S = 1.0  # at the topic's id
_GATHER_S = 0.05  # between two batches: many letters at once cost as much as one
_SEND_TIMEOUT_S = 10
_PATIENCE_MS = 3_000  # for one answer; a stop must not wait longer


class Reporter:
    """Publishes what is decided; `wake` tells it that there is something, `has_read_topic` that sending may begin."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self.wake = threading.Event()
        self.has_read_topic = threading.Event()

    def run(self, connection: Connection, stop: threading.Event) -> None:
        """One session; any trouble with the producer ends it, since that one cannot be trusted any more.

        Raises:
            KafkaError: Kafka is lost.
        """
        patience = {"bootstrap_timeout_ms": _PATIENCE_MS, "request_timeout_ms": _PATIENCE_MS}
        with admin(self._kafka, **patience) as client:
            topic_id = self._look_at_topic(connection, client)
            if not self.has_read_topic.is_set():
                self._restore(connection, topic_id)
                self.has_read_topic.set()
            with closing(_Publisher(self._kafka)) as publisher:
                self._publish(connection, client, publisher, stop)

    def _publish(
        self, connection: Connection, client: KafkaAdminClient, publisher: _Publisher, stop: threading.Event
    ) -> None:
        looked_at_s = time.monotonic()
        while not stop.is_set():
            if time.monotonic() - looked_at_s >= _LOOK_EVERY_S:
                self._drop_stale_topic(connection, client)
                self._look_at_topic(connection, client)
                looked_at_s = time.monotonic()
            self.wake.clear()
            if not publisher.publish(connection):
                self.wake.wait(_LOOK_EVERY_S)
            stop.wait(_GATHER_S)

    def _drop_stale_topic(self, connection: Connection, client: KafkaAdminClient) -> None:
        """Drop a topic that says what has been erased: this database knows by now all that it told."""
        with connection, connection.cursor() as cursor:
            if delivery_events.lock(cursor):
                stale_topics.drop_noted(cursor, client, self._kafka, DELIVERIES)

    def _look_at_topic(self, connection: Connection, client: KafkaAdminClient) -> str:
        """The id of the topic that is to be told."""
        topic_id = ensured_topic_id(client, self._kafka, DELIVERIES)
        with connection, connection.cursor() as cursor:
            if delivery_events.follow_topic(cursor, topic_id):
                log.info("telling a new deliveries topic everything", topic_id=topic_id)
        return topic_id

    def _restore(self, connection: Connection, topic_id: str) -> None:
        restored = read = 0
        with connection, connection.cursor() as cursor:
            positions = delivery_events.read_positions(cursor, topic_id)
        records = records_to_end(self._kafka, DELIVERIES, positions)
        while batch := list(itertools.islice(records, _READ_AT_ONCE)):
            with connection, connection.cursor() as cursor:
                restored += taken_over(cursor, batch)
                after = {record.partition: record.offset + 1 for record in batch}
                delivery_events.keep_positions(cursor, topic_id, after)
            read += len(batch)
        with connection, connection.cursor() as cursor:
            delivery_events.keep_count(cursor)
            if restored:
                erasure.forget_restored(cursor)
        log.info("deliveries topic read to its end", read=read, restored=restored)


class _Publisher:
    """A producer for as long as it never fails."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._topic = kafka.topic(DELIVERIES)
        self._producer: KafkaProducer = producer(
            kafka, bootstrap_timeout_ms=_PATIENCE_MS, delivery_timeout_ms=_SEND_TIMEOUT_S * 1000,
            request_timeout_ms=_PATIENCE_MS, max_block_ms=_SEND_TIMEOUT_S * 1000,
        )  # fmt: skip

    def publish(self, connection: Connection) -> int:
        """Tell the topic what it does not know yet; how many events."""
        with connection, connection.cursor() as cursor:
            if not delivery_events.lock(cursor):
                return 0
            events = delivery_events.unreported(cursor, _AT_ONCE)
            sent = [self._send(event_of_delivery(event)) for event in events]
            for future in sent:
                future.get(timeout=_SEND_TIMEOUT_S)
            if events:
                delivery_events.mark_reported(cursor, events)
        return len(events)

    def _send(self, event: Event) -> Any:
        return self._producer.send(
            self._topic, key=event.subject.encode(), value=event.value(), headers=event.headers()
        )

    def close(self) -> None:
        self._producer.close(timeout=1)
