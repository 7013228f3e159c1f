"""Takes a whole topic in, record by record, within one transaction of a rebuild."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import psycopg2
from rebook import parking
from rebook.cloudevents import NotAnEvent, event_of
from rebook.events import CUSTOMER_ERASED
from rebook.operating import as_decided, discarded
from rebook.parking import ERROR, GAP, QUEUED, QUEUED_BEHIND, VersionGap, reason_of, stream_of
from rebook.postgres import savepoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kafka.consumer.fetcher import ConsumerRecord
    from psycopg2.extensions import cursor as Cursor  # noqa: N812
    from rebook.cloudevents import Event
    from rebook.parking import Handle, Stream

_AT_ONCE = 500


class Taking:
    """Takes records in, in order; what cannot be applied yet, or at all, is parked for the worker to go on with."""

    def __init__(self, cursor: Cursor, handle: Handle, topic_id: str) -> None:
        self.reached: dict[int, int] = {}  # the offset after the last record, by partition
        self.erased: set[str] = set()  # bookings whose customer is, also where that event has to wait
        self._cursor = cursor
        self._handle = handle
        self._topic_id = topic_id
        self._waiting: set[Stream] = set()
        self._discarded = discarded(cursor)

    def all_of(self, records: Iterator[ConsumerRecord], progress: Callable[[int], None]) -> int:
        read = 0
        while batch := list(itertools.islice(records, _AT_ONCE)):
            self._take(batch)
            self.reached |= {record.partition: record.offset + 1 for record in batch}
            read += len(batch)
            progress(len(batch))
        return read

    def _take(self, records: list[ConsumerRecord]) -> None:
        """Apply them together, or one by one where one of them is hopeless."""
        waiting = set(self._waiting)
        try:
            with savepoint(self._cursor):
                for record in records:
                    self._apply(record)
        except psycopg2.OperationalError:
            raise
        except Exception as error:  # whatever it is, it must not stop the others
            self._waiting = waiting
            if len(records) == 1:
                self._give_up(records[0], reason_of(error))
            else:
                for record in records:
                    self._take([record])

    def _apply(self, record: ConsumerRecord) -> None:
        event = event_of(record.headers, record.value)
        if event.type == CUSTOMER_ERASED:
            self.erased.add(event.subject)
        if stream_of(event) in self._waiting:
            parking.park(self._cursor, record, event, QUEUED, QUEUED_BEHIND)
            return
        try:
            self._handle(as_decided(event, self._discarded), self._cursor)
        except VersionGap as gap:
            self._park(record, event, GAP, str(gap))

    def _give_up(self, record: ConsumerRecord, reason: str) -> None:
        try:
            event = event_of(record.headers, record.value)
        except NotAnEvent as error:
            parking.park_unreadable(self._cursor, record, self._topic_id, str(error))
        else:
            self._park(record, event, ERROR, reason)

    def _park(self, record: ConsumerRecord, event: Event, kind: str, reason: str) -> None:
        parking.park(self._cursor, record, event, kind, reason)
        self._waiting.add(stream_of(event))
