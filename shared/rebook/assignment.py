"""Which partitions a consumer reads, each placed where its rows say, by the id of the topic as it is now.

Rebalance listeners run on kafka-python's own thread, so this one only leaves a note; the consumer's thread then looks
offsets up and goes to them. A record that comes before that is dropped: it will be read again from its place.
(Partitions are not paused meanwhile: what kafka-python 3.0.12 holds of a paused one may keep it from being fetched
for ever after.)
"""

from __future__ import annotations

import contextlib
from queue import SimpleQueue
from typing import TYPE_CHECKING

import structlog
from kafka import ConsumerRebalanceListener, TopicPartition
from kafka.errors import IllegalStateError

from rebook import offsets
from rebook.kafka import topic_ids

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kafka import KafkaAdminClient, KafkaConsumer
    from kafka.consumer.fetcher import ConsumerRecord
    from psycopg2.extensions import connection as Connection  # noqa: N812

    from rebook.offsets import Position

    Records = dict[TopicPartition, list[ConsumerRecord]]

log = structlog.get_logger()

_PATIENCE_MS = 3_000  # for where partitions end


class TopicsChanged(Exception):  # noqa: N818 - a fact, not a fault
    """A topic was made, or deleted and made anew: what is in flight may be of either, so a new session begins."""


class Assignment:
    """The partitions this consumer has now.

    Attributes:
        positions: where it stands in each partition that is placed.
    """

    def __init__(
        self,
        reader: KafkaConsumer,
        admin: KafkaAdminClient,
        connection: Connection,
        topics: list[str],
        ids: dict[str, str],
    ) -> None:
        """Subscribe to those of `topics` that are there: `ids` says under which id each was found."""
        self.positions: dict[TopicPartition, Position] = {}
        self._reader = reader
        self._admin = admin
        self._connection = connection
        self._topics = topics
        self._ids = ids
        self._notes: SimpleQueue[bool] = SimpleQueue()  # whether partitions were assigned or taken away
        self._is_settled = False
        self._subscribe()

    @property
    def is_complete(self) -> bool:
        """Whether every topic exists, and the group's members have agreed who reads what."""
        return self._is_settled and all(topic in self._ids for topic in self._topics)

    def look_at_topics(self) -> None:
        """Ask Kafka whether the topics are still those that are read.

        Raises:
            TopicsChanged: one was added, or made anew.
        """
        found = topic_ids(self._admin, self._topics)
        changed = [topic for topic, topic_id in found.items() if self._ids.get(topic) != topic_id]
        if changed:
            log.info("topics changed", topics=changed)
            raise TopicsChanged(", ".join(changed))

    def _subscribe(self) -> None:
        """Join the group for the topics that are there, once a session.

        Their partitions must be known before: kafka-python shares out what it knows, and where it learns of them
        during the join, or is told of more topics after it, it may never look again.
        """
        self._reader.subscribe(sorted(self._ids), listener=_Listener(self._notes))
        for topic in self._ids:
            self._reader.partitions_for_topic(topic)

    def settle(self) -> bool:
        """Place what was assigned since the last time; whether anything was, so that all is read from its place."""
        if self._notes.empty():
            return False
        while not self._notes.empty():
            self._is_settled = self._notes.get()
        self.look_at_topics()
        self._place(self._reader.assignment())
        return True

    def _place(self, partitions: set[TopicPartition]) -> None:
        self.positions.clear()
        with self._connection, self._connection.cursor() as cursor:
            for partition in partitions:
                self.positions[partition] = offsets.load(cursor, partition, self._ids[partition.topic])
        for partition in partitions:
            with contextlib.suppress(KeyError):  # taken away at this moment, and a note of that is on its way
                self._reader.seek(partition, self.positions[partition].next_offset)
        if self._is_settled:
            log.info("partitions assigned", topics=sorted(self._ids), partitions=len(partitions))

    def placed(self, polled: Records) -> Records:
        """The records whose partitions are placed, as long as nothing has been assigned anew."""
        if not self._notes.empty():
            return {}
        return {partition: records for partition, records in polled.items() if partition in self.positions}

    def lag_events(self) -> int | None:
        """How many events are still to be read; None while members agree who reads what, or Kafka tells too little.

        A member that stands by has no partition, and so nothing to read.
        """
        if not self._is_settled:
            return None
        ends = {partition: self._end(partition) for partition in self.positions}
        untold = [partition for partition, end in ends.items() if end is None]
        if untold:  # what a fetch brings tells of the end, and where nothing is new it brings nothing
            ends |= self._reader.end_offsets(untold, timeout_ms=_PATIENCE_MS)
        known = [max(0, end - self.positions[p].next_offset) for p, end in ends.items() if end is not None]
        return sum(known) if len(known) == len(ends) else None

    def _end(self, partition: TopicPartition) -> int | None:
        try:
            end: int | None = self._reader.highwater(partition)
        except (KeyError, IllegalStateError):
            return None  # taken away at this moment
        return end


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Runs on kafka-python's thread: it must neither wait nor touch the database."""

    def __init__(self, notes: SimpleQueue[bool]) -> None:
        self._notes = notes

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        self._notes.put(False)

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self._notes.put(True)
