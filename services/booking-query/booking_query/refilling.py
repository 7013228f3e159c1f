"""A second set of read tables that has read the whole history, and then follows the served one."""

from __future__ import annotations

import dataclasses
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

import psycopg2
from kafka import TopicPartition
from rebook.events import TOPIC_OF
from rebook.moments import utc_now
from rebook.topic_reader import read_to_end
from rebook.topics import BOOKINGS

from booking_query import taking_over
from booking_query.projection import project
from booking_query.projection_bookings import NOTIFIER
from booking_query.projector import fold
from booking_query.replaying import Replay
from booking_query.schema import SERVED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from rebook.cloudevents import Event
    from rebook.kafka import KafkaSettings

    from booking_query.second_set import SecondSet
    from booking_query.sources import Telling

    Show = Callable[[str, int | None], AbstractContextManager[Callable[[int], None]]]

_OFFSETS = f"""
    SELECT topic, partition, next_offset FROM {SERVED}.consumer_offsets WHERE topic_id = ANY(%s::uuid[])
"""  # noqa: S608 - names of ours


class Refill:
    """`live` reads the topics that the projector follows."""

    live: Replay

    def __init__(
        self,
        settings: KafkaSettings,
        second: SecondSet,
        told: Telling,
        is_wanted: Callable[[Event], bool] | None = None,
    ) -> None:
        self._settings = settings
        self._connection = second.connection
        self._told = told
        self._is_wanted = is_wanted
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def read(self, show: Show) -> dict[TopicPartition, int]:
        """Read all that there is by now; where the live topics ended then."""
        with self._connection, self._connection.cursor() as cursor:
            taking_over.discarded(cursor, project)
        for topic in self._told.filled:
            with self._replay(self._told.filled) as filled:
                with show("Reading the team's part", None):
                    self._read_the_few(topic, filled)
                self._read_all(filled, f"Reading {topic}", show)
        self.live = self._stack.enter_context(self._replay(self._told.live))
        return self._read_all(self.live, "Reading", show)

    def _replay(self, ids: Mapping[str, str]) -> Replay:
        return Replay(self._settings, self._connection, ids, self._is_wanted)

    def _read_all(self, replay: Replay, what: str, show: Show) -> dict[TopicPartition, int]:
        ends = replay.ends()
        with show(what, replay.behind(ends)) as tell:
            replay.read_to(ends, tell)
        ends = replay.ends()
        replay.read_to(ends)
        return ends

    def _read_the_few(self, topic: str, replay: Replay) -> None:
        """Make rows of the team, its tokens and meeting types in the order of the store.

        A member who is removed takes their tokens along, and the partitions of a topic with everything do not keep
        that order. What cannot be applied is left to be found, and parked, when all is read.
        """
        everything = read_to_end(dataclasses.replace(self._settings, topic_prefix=""), topic)
        few = [event for event in everything if TOPIC_OF.get(event.type) != BOOKINGS]
        with self._connection, self._connection.cursor() as cursor:
            for event in sorted(few, key=lambda event: event.position):
                cursor.execute("SAVEPOINT event")
                try:
                    replay.project(event, cursor)
                except psycopg2.OperationalError:
                    raise
                except Exception:  # whatever it is, it is found again
                    cursor.execute("ROLLBACK TO SAVEPOINT event")

    def served(self) -> dict[TopicPartition, int]:
        """Where the served set stands, as far as there is anything."""
        with self._connection, self._connection.cursor() as cursor:
            cursor.execute(_OFFSETS, (list(self._told.live.values()),))
            return {TopicPartition(topic, number): place for topic, number, place in cursor.fetchall()}

    def behind(self) -> int:
        """How many records the served set has read that this one has not."""
        return self.live.behind(self.live.reachable(self.served()))

    def follow(self) -> None:
        """Read what the served set has read by now."""
        self.live.read_to(self.live.reachable(self.served()))

    def take_over(self) -> None:
        """Keep what only the served set knows."""
        with self._connection, self._connection.cursor() as cursor:
            taking_over.discarded(cursor, project)
            taking_over.waiting(cursor, project)
            taking_over.stale_topics(cursor)
            if not self._told.has_all_letters:
                taking_over.letters(cursor, NOTIFIER)
            fold(cursor, utc_now())

    def overlooked(self) -> Iterator[str]:
        """Events that are of a version which this program does not know, in sentences."""
        for event_type, count in sorted(self.live.passed_over.items()):
            yield f"{count:,} of {event_type}: of a version that this program does not know, so not shown"
