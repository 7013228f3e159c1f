"""Reads topics into a set of read tables at full speed, each partition as far as it is told.

The consumer is in no group and hinders nobody: where it stands is known to the set of tables that it fills. What has
been discarded is passed over here as well. While the rows of one batch are made, the next one is read and decoded.
"""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Self

from kafka import TopicPartition
from rebook import offsets
from rebook.assignment import TopicsChanged
from rebook.batches import BATCH_MAX, Arrival, Batches
from rebook.kafka import KafkaError, admin, consumer, topic_ids
from rebook.operating import as_decided, discarded
from rebook.parking import VersionGap

from booking_query import erasure
from booking_query.projection import is_of_unknown_version, project_all

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from psycopg2.extensions import connection as Connection  # noqa: N812
    from psycopg2.extensions import cursor as Cursor  # noqa: N812
    from rebook.batches import Arrivals
    from rebook.cloudevents import Event
    from rebook.kafka import KafkaSettings
    from rebook.offsets import Position

    Targets = Mapping[TopicPartition, int]

_POLL_MS = 100
_PATIENCE_MS = 5_000
_QUIET_S = 0.5  # after all that Kafka promised has come: nothing more will
_STALLED_AFTER_S = 30.0
_LOOK_EVERY_S = 1.0


class Replay:
    """Reads until closed; `passed_over` counts the events of types that are newer than this program."""

    def __init__(
        self,
        settings: KafkaSettings,
        connection: Connection,
        ids: Mapping[str, str],
        is_wanted: Callable[[Event], bool] | None = None,
    ) -> None:
        """Read the topics of these ids into the tables that `connection` sees, or only the events that are wanted."""
        self.passed_over: Counter[str] = Counter()
        self.positions: dict[TopicPartition, Position] = {}
        self._connection = connection
        self._ids = ids
        self._is_wanted = is_wanted
        with connection, connection.cursor() as cursor:
            self._discarded = discarded(cursor)
        self._unreachable: dict[TopicPartition, int] = {}
        self._batches = Batches(connection, self.positions, self.project, self._project_all, erasure.forget)
        self._look_at_s = 0.0
        self._stack = ExitStack()
        try:
            patience = {"bootstrap_timeout_ms": _PATIENCE_MS}
            self._admin = self._stack.enter_context(admin(settings, **patience))
            self._reader = self._stack.enter_context(closing(consumer(settings, None, **patience)))
            self._find_places()
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _find_places(self) -> None:
        partitions = [
            TopicPartition(topic, number)
            for topic in self._ids
            for number in self._reader.partitions_for_topic(topic)
        ]
        self._reader.assign(partitions)
        self._beginnings: dict[TopicPartition, int] = self._reader.beginning_offsets(partitions)
        self._reached = dict(self._beginnings)
        self._ends_told: dict[TopicPartition, int] = {}
        with self._connection, self._connection.cursor() as cursor:
            for partition in partitions:
                self.positions[partition] = offsets.load(cursor, partition, self._ids[partition.topic])

    def ends(self) -> dict[TopicPartition, int]:
        """Where each partition ends now; the embedded broker may say too little until some of it was read."""
        ends = self._reader.end_offsets(list(self.positions))
        return {each: max(end, self._ends_told.get(each, 0)) for each, end in ends.items()}

    def behind(self, targets: Targets) -> int:
        """How many records there are before these places."""
        return sum(max(0, target - self._place(partition)) for partition, target in targets.items())

    def read_to(self, targets: Targets, tell: Callable[[int], None] = lambda _: None) -> None:
        """Apply all records before these places, as far as there are any.

        Raises:
            TopicsChanged: a topic was made anew, so what was read says nothing any more.
            KafkaError: Kafka does not answer.
        """
        left = self._begin(targets)
        quiet_since_s = time.monotonic()
        working: Future[None] | None = None
        with ThreadPoolExecutor(1, "rows") as rows:
            while left:
                arrived = self._poll(targets)
                if working:
                    working.result()
                working = rows.submit(self._batches.work_off, arrived) if arrived else None
                read = self._read(left)
                tell(read)
                quiet_since_s = time.monotonic() if read else quiet_since_s
                if self._is_over(left, targets, quiet_since_s):
                    break
            if working:
                working.result()
        self._note_reached(targets)
        self._unreachable |= {each: targets[each] for each in left}

    def reachable(self, targets: Targets) -> dict[TopicPartition, int]:
        """These places, but where one was found to lie beyond its partition's end."""
        return {each: place for each, place in targets.items() if self._unreachable.get(each) != place}

    def _begin(self, targets: Targets) -> dict[TopicPartition, int]:
        """Let those be read that are short of their target, and no others: where each of them stands.

        The others are not just paused: what kafka-python 3.0.12 holds of a paused partition may keep it from being
        fetched for ever after.
        """
        places = {partition: self._place(partition) for partition in self.positions}
        left = {partition: place for partition, place in places.items() if place < targets.get(partition, 0)}
        if left:
            self._reader.assign(list(left))
        for partition, place in left.items():
            self._reader.seek(partition, place)
        self._reached |= left
        return left

    def _place(self, partition: TopicPartition) -> int:
        return max(self._beginnings[partition], self.positions[partition].next_offset)

    def _poll(self, targets: Targets) -> Arrivals:
        self._look_at_topics()
        arrived = {}
        for partition, records in self._reader.poll(_POLL_MS, max_records=BATCH_MAX).items():
            arrivals = [Arrival.of(record) for record in records if record.offset < targets[partition]]
            if self._is_wanted:
                arrivals = [each for each in arrivals if each.event and self._is_wanted(each.event)]
            if arrivals:
                arrived[partition] = arrivals
        return arrived

    def _look_at_topics(self) -> None:
        if time.monotonic() < self._look_at_s:
            return
        self._look_at_s = time.monotonic() + _LOOK_EVERY_S
        if topic_ids(self._admin, list(self._ids)) != self._ids:
            raise TopicsChanged(", ".join(self._ids))

    def _read(self, left: dict[TopicPartition, int]) -> int:
        """How many records were passed since the last time."""
        read = 0
        for partition, place in left.items():
            now = self._reader.position(partition)
            read += now - place
            left[partition] = self._reached[partition] = now
            self._ends_told[partition] = self._reader.highwater(partition) or 0
        return read

    def _is_over(self, left: dict[TopicPartition, int], targets: Targets, quiet_since_s: float) -> bool:
        """Take those out that are there; whether nothing more will come for the others."""
        there = [each for each, place in left.items() if place >= targets[each]]
        for partition in there:
            del left[partition]
        if there and left:
            self._reader.assign(list(left))
        quiet_s = time.monotonic() - quiet_since_s
        if not left or quiet_s < _QUIET_S:
            return False
        if quiet_s > _STALLED_AFTER_S:
            raise KafkaError("Kafka does not answer")
        ends = self._reader.end_offsets(list(left))
        return all(place >= ends[partition] for partition, place in left.items())

    def _note_reached(self, targets: Targets) -> None:
        """Stand at the target where only records that do not count lay before it."""
        passed = {
            partition: self.positions[partition]
            for partition, target in targets.items()
            if self.positions[partition].next_offset < target <= self._reached[partition]
        }
        if not passed:
            return
        moved = {partition: was._replace(next_offset=targets[partition]) for partition, was in passed.items()}
        with self._connection, self._connection.cursor() as cursor:
            offsets.move(cursor, passed, moved)
        self.positions.update(moved)

    def project(self, event: Event, cursor: Cursor) -> None:
        """What the projector does for one event, but for what was discarded."""
        for why in self._project_all([event], cursor).values():
            raise VersionGap(why)

    def _project_all(self, events: Sequence[Event], cursor: Cursor) -> dict[int, str]:
        for event in events:
            if is_of_unknown_version(event.type):
                self.passed_over[event.type] += 1
        return project_all(self._as_decided(events), cursor)

    def _as_decided(self, events: Sequence[Event]) -> Sequence[Event]:
        return [as_decided(event, self._discarded) for event in events] if self._discarded else events
