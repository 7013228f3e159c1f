"""Applies batches of records: attempts counted first, then rows and offsets in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg2
import structlog

from rebook import offsets, parking
from rebook.cloudevents import NotAnEvent, event_of
from rebook.parking import ERROR, GAP, QUEUED, VersionGap, reason_of, stream_of

if TYPE_CHECKING:
    from kafka import TopicPartition
    from kafka.consumer.fetcher import ConsumerRecord
    from psycopg2.extensions import connection as Connection  # noqa: N812
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

    from rebook.assignment import Assignment, Records
    from rebook.cloudevents import Event
    from rebook.offsets import Position
    from rebook.parking import Handle, Stream

log = structlog.get_logger()

BATCH_MAX = 2_000  # records in one transaction
ATTEMPTS_MAX = 6  # 2,000, 250, 31, 3, then one record twice
_SHRINK_BITS = 3  # each failed attempt makes the next batch an eighth as long
_KILLED = "The process ended while it was applied."


class Batches:
    """Applies what was polled. `last_time` is the `ce_time` of the event applied last."""

    def __init__(self, connection: Connection, assignment: Assignment, handle: Handle) -> None:
        self.last_time = ""
        self._connection = connection
        self._assignment = assignment
        self._handle = handle
        self._reasons: dict[TopicPartition, str] = {}

    def work_off(self, polled: Records) -> None:
        """Apply records until none is left, in order within each partition.

        Raises:
            Overtaken: another consumer has one of the partitions by now.
            psycopg2.OperationalError: PostgreSQL is gone, or cannot work.
        """
        left = dict(polled)
        while left:
            batch = self._next_batch(left)
            if self._attempt(batch):
                for partition, records in batch.items():
                    left[partition] = left[partition][len(records) :]
                left = {partition: records for partition, records in left.items() if records}

    def _next_batch(self, left: Records) -> Records:
        """Everything at once, but a partition that failed before comes alone and in smaller pieces."""
        for partition, records in left.items():
            attempts = self._assignment.positions[partition].attempts
            if attempts:
                return {partition: records[: max(1, BATCH_MAX >> (_SHRINK_BITS * attempts))]}
        return left

    def _attempt(self, batch: Records) -> bool:
        """Whether the batch is done with: applied, or its one hopeless event parked."""
        before = {partition: self._assignment.positions[partition] for partition in batch}
        hopeless = max(position.attempts for position in before.values()) >= ATTEMPTS_MAX
        counted = {p: position._replace(attempts=position.attempts + 1) for p, position in before.items()}
        self._count(before, counted)
        try:
            with self._connection, self._connection.cursor() as cursor:
                moved = {partition: _moved(before[partition], batch[partition]) for partition in batch}
                offsets.move(cursor, counted, moved)
                self._give_up(cursor, batch) if hopeless else self._apply(cursor, batch)
        except (psycopg2.OperationalError, psycopg2.InterfaceError, offsets.Overtaken):
            raise
        except Exception as error:  # counted, tried again in smaller pieces, parked in the end
            self._failed(batch, error)
            return False
        self._assignment.positions.update(moved)
        return True

    def _count(self, before: dict[TopicPartition, Position], counted: dict[TopicPartition, Position]) -> None:
        """Count the attempt, in a transaction of its own that outlives a crash of this process."""
        with self._connection, self._connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit = off")
            offsets.move(cursor, before, counted)
        self._assignment.positions.update(counted)

    def _failed(self, batch: Records, error: Exception) -> None:
        for partition in batch:
            self._reasons[partition] = reason_of(error)
        log.warning("batch failed", error=type(error).__name__, records=sum(map(len, batch.values())))

    def _give_up(self, cursor: Cursor, batch: Records) -> None:
        ((partition, (record,)),) = batch.items()
        event = event_of(record.headers, record.value)
        parking.park(cursor, record, event, ERROR, self._reasons.pop(partition, _KILLED))

    def _apply(self, cursor: Cursor, batch: Records) -> None:
        readable: list[tuple[ConsumerRecord, Event]] = []
        for partition, records in batch.items():
            topic_id = self._assignment.positions[partition].topic_id
            readable += [pair for record in records if (pair := _read(cursor, record, topic_id))]
        parked = parking.first_parked(cursor, {stream_of(event) for _, event in readable})
        for record, event in readable:
            self._apply_one(cursor, record, event, parked)
        if readable:
            self.last_time = readable[-1][1].time

    def _apply_one(
        self, cursor: Cursor, record: ConsumerRecord, event: Event, parked: dict[Stream, int]
    ) -> None:
        stream = stream_of(event)
        if stream in parked and event.sequence >= parked[stream]:
            parking.park(cursor, record, event, QUEUED, "An earlier event of its stream is parked.")
            return
        try:
            self._handle(event, cursor)
        except VersionGap as gap:
            parking.park(cursor, record, event, GAP, str(gap))
            parked[stream] = event.sequence
            return
        if stream in parked:
            parking.drain(cursor, stream, self._handle)
            parked.update(parking.first_parked(cursor, [stream]) or {stream: _NEVER})


_NEVER = 2**63 - 1  # no sequence comes so far


def _read(cursor: Cursor, record: ConsumerRecord, topic_id: str) -> tuple[ConsumerRecord, Event] | None:
    try:
        return record, event_of(record.headers, record.value)
    except NotAnEvent as error:
        parking.park_unreadable(cursor, record, topic_id, str(error))
        return None


def _moved(position: Position, records: list[ConsumerRecord]) -> Position:
    """Past these records; after a failure, batches grow again step by step."""
    return position._replace(next_offset=records[-1].offset + 1, attempts=max(0, position.attempts - 1))
