"""Applies batches of records: attempts counted first, then rows and offsets in one transaction.

Trouble of the database is no event's fault: an attempt that it ended is taken back. What the process did not outlive
still counts.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple

import structlog

from rebook import offsets, parking, stale_topics
from rebook.cloudevents import NotAnEvent, event_of
from rebook.events import CUSTOMER_ERASED
from rebook.parking import ERROR, GAP, QUEUED, QUEUED_BEHIND, reason_of, stream_of
from rebook.postgres import TROUBLE
from rebook.topics import DEAD_LETTERS

if TYPE_CHECKING:
    from kafka import TopicPartition
    from kafka.consumer.fetcher import ConsumerRecord
    from psycopg2.extensions import connection as Connection  # noqa: N812
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

    from rebook.cloudevents import Event
    from rebook.offsets import Position
    from rebook.parking import Forget, Handle, HandleAll, Stream

    Arrivals = dict[TopicPartition, list["Arrival"]]

log = structlog.get_logger()

BATCH_MAX = 2_000  # records in one transaction
ATTEMPTS_MAX = 6  # 2,000, 250, 31, 3, then one record twice
_SHRINK_BITS = 3  # each failed attempt makes the next batch an eighth as long
_KILLED = "The process ended while it was applied."


class Arrival(NamedTuple):
    """A record and the event it is, or why it is none."""

    record: ConsumerRecord
    event: Event | None
    why_not: str = ""

    @classmethod
    def of(cls, record: ConsumerRecord) -> Arrival:
        try:
            return cls(record, event_of(record.headers, record.value))
        except NotAnEvent as error:
            return cls(record, None, str(error))


class Batches:
    """Applies what arrived. `last_time` is the `ce_time` of the event applied last.

    Args:
        positions: where each partition stands; moves with what is applied.
        handle: applies one event that has waited for its time, or behind one that has.
        handle_all: applies all the others of a batch together.
        forget: blanks the rows of an erased customer's booking, where its event has to wait.
        uncounted: attempts that could not be taken back, as PostgreSQL was gone; for the next session to do.
    """

    def __init__(
        self,
        connection: Connection,
        positions: dict[TopicPartition, Position],
        handle: Handle,
        handle_all: HandleAll,
        forget: Forget,
        uncounted: dict[TopicPartition, Position] | None = None,
    ) -> None:
        self.last_time = ""
        self._connection = connection
        self._positions = positions
        self._handle = handle
        self._handle_all = handle_all
        self._forget_rows = forget
        self._uncounted = {} if uncounted is None else uncounted
        self._reasons: dict[TopicPartition, str] = {}

    def work_off(self, arrived: Arrivals) -> None:
        """Apply arrivals until none is left, in order within each partition.

        Raises:
            Overtaken: another consumer has one of the partitions by now.
            psycopg2.OperationalError: PostgreSQL is gone, or cannot work.
        """
        left = dict(arrived)
        while left:
            batch = self._next_batch(left)
            if self._attempt(batch):
                for partition, arrivals in batch.items():
                    left[partition] = left[partition][len(arrivals) :]
                left = {partition: arrivals for partition, arrivals in left.items() if arrivals}

    def _next_batch(self, left: Arrivals) -> Arrivals:
        """Everything at once, but a partition that failed before comes alone and in smaller pieces."""
        for partition, arrivals in left.items():
            attempts = self._positions[partition].attempts
            if attempts:
                return {partition: arrivals[: max(1, BATCH_MAX >> (_SHRINK_BITS * attempts))]}
        return left

    def _attempt(self, batch: Arrivals) -> bool:
        """Whether the batch is done with: applied, or its one hopeless event parked."""
        before = {partition: self._positions[partition] for partition in batch}
        counted = {p: position._replace(attempts=position.attempts + 1) for p, position in before.items()}
        try:
            self._count(before, counted)
            return self._try(batch, before, counted)
        except TROUBLE:
            self._uncount(counted)
            raise

    def _try(
        self, batch: Arrivals, before: dict[TopicPartition, Position], counted: dict[TopicPartition, Position]
    ) -> bool:
        hopeless = max(position.attempts for position in before.values()) >= ATTEMPTS_MAX
        try:
            with self._connection, self._connection.cursor() as cursor:
                moved = {partition: _moved(before[partition], batch[partition]) for partition in batch}
                offsets.move(cursor, counted, moved)
                self._give_up(cursor, batch) if hopeless else self._apply(cursor, batch)
        except (*TROUBLE, offsets.Overtaken):
            raise
        except Exception as error:  # counted, tried again in smaller pieces, parked in the end
            self._failed(batch, error)
            return False
        self._positions.update(moved)
        return True

    def _count(self, before: dict[TopicPartition, Position], counted: dict[TopicPartition, Position]) -> None:
        """Count the attempt, in a transaction of its own that outlives a crash of this process."""
        with self._connection, self._connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit = off")
            offsets.move(cursor, before, counted)
        self._positions.update(counted)

    def _uncount(self, counted: dict[TopicPartition, Position]) -> None:
        self._uncounted.update(counted)
        with contextlib.suppress(*TROUBLE):
            offsets.uncount(self._connection, self._uncounted)

    def _failed(self, batch: Arrivals, error: Exception) -> None:
        for partition in batch:
            self._reasons[partition] = reason_of(error)
        log.warning("batch failed", error=type(error).__name__, records=sum(map(len, batch.values())))

    def _give_up(self, cursor: Cursor, batch: Arrivals) -> None:
        ((partition, (arrival,)),) = batch.items()
        reason = self._reasons.pop(partition, _KILLED)
        if arrival.event is None:
            self._set_aside(cursor, partition, arrival)
        else:
            parking.park(cursor, arrival.record, arrival.event, ERROR, reason)

    def _apply(self, cursor: Cursor, batch: Arrivals) -> None:
        """Events of streams that wait are applied one by one, all the others together."""
        events = self._events(cursor, batch)
        parked = parking.first_parked(cursor, (stream_of(event) for _, event in events))
        behind = [pair for pair in events if stream_of(pair[1]) in parked] if parked else []
        free = [pair for pair in events if stream_of(pair[1]) not in parked] if parked else events
        gaps = self._handle_all([event for _, event in free], cursor)
        _park_gaps(cursor, [(*free[place], why) for place, why in sorted(gaps.items())])
        for record, event in behind:
            self._apply_behind(cursor, record, event, parked)
        self._forget(cursor, [event for _, event in events if event.type == CUSTOMER_ERASED])
        if events:
            self.last_time = events[-1][1].time

    def _forget(self, cursor: Cursor, erasures: list[Event]) -> None:
        """Blank at once what is parked about erased customers' bookings, and have the dead letters told anew.

        An erasure that has to wait for its turn blanks the rows that are there already.
        """
        for event in erasures:
            parking.forget(cursor, event.subject)
            if parking.waits(cursor, event):
                self._forget_rows(event.subject, cursor)
        if erasures:
            stale_topics.note(cursor, DEAD_LETTERS)

    def _events(self, cursor: Cursor, batch: Arrivals) -> list[tuple[ConsumerRecord, Event]]:
        """Those of a batch, in order; what is none is set aside."""
        found = []
        for partition, arrivals in batch.items():
            for arrival in arrivals:
                if arrival.event is None:
                    self._set_aside(cursor, partition, arrival)
                else:
                    found.append((arrival.record, arrival.event))
        return found

    def _set_aside(self, cursor: Cursor, partition: TopicPartition, arrival: Arrival) -> None:
        topic_id = self._positions[partition].topic_id
        parking.park_unreadable(cursor, arrival.record, topic_id, arrival.why_not)

    def _apply_behind(
        self, cursor: Cursor, record: ConsumerRecord, event: Event, parked: dict[Stream, int]
    ) -> None:
        """Apply an event of a stream that waits: what is missing there, perhaps, or one more that waits."""
        stream = stream_of(event)
        if event.sequence >= parked[stream]:
            parking.park(cursor, record, event, QUEUED, QUEUED_BEHIND)
            return
        for why in self._handle_all([event], cursor).values():
            parking.park(cursor, record, event, GAP, why)
            parked[stream] = event.sequence
            return
        parking.go_on(cursor, stream, self._handle)
        parked.update(parking.first_parked(cursor, [stream]) or {stream: _NEVER})


_NEVER = 2**63 - 1  # no sequence comes so far


def _park_gaps(cursor: Cursor, gaps: list[tuple[ConsumerRecord, Event, str]]) -> None:
    """Let events wait that came before their time: the first of each stream for a reason, the others behind it."""
    seen = set()
    for record, event, why in gaps:
        stream = stream_of(event)
        kind, reason = (QUEUED, QUEUED_BEHIND) if stream in seen else (GAP, why)
        parking.park(cursor, record, event, kind, reason)
        seen.add(stream)


def _moved(position: Position, arrivals: list[Arrival]) -> Position:
    """Past these records; after a failure, batches grow again step by step."""
    return position._replace(
        next_offset=arrivals[-1].record.offset + 1, attempts=max(0, position.attempts - 1)
    )
