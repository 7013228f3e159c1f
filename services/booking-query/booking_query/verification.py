"""Folds the whole history once more and compares what comes of it with the read tables; mends one booking by it."""

from __future__ import annotations

import time
from contextlib import ExitStack, closing, contextmanager
from itertools import chain
from typing import TYPE_CHECKING

from rebook.assignment import TopicsChanged
from rebook.postgres import connect

from booking_query.comparing import Comparison, in_any_field
from booking_query.refilling import Refill
from booking_query.relations import BOOKINGS, HISTORY, columns_of
from booking_query.schema import SERVED
from booking_query.second_set import Hindered, SecondSet
from booking_query.sources import telling
from booking_query.swapping import BUSY, held

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from uuid import UUID

    from kafka import TopicPartition
    from psycopg2.extensions import connection as Connection  # noqa: N812
    from psycopg2.extensions import cursor as Cursor  # noqa: N812
    from rebook.cloudevents import Event

    from booking_query.refilling import Show
    from booking_query.settings import RebuildSettings

_NAME = "verification"  # of the second set
_FEW = 10_000  # suspects that are looked at in a moment, while the projector is held
_PATIENCE_S = 3.0  # with a projector that does not move
_PAUSE_S = 0.2
_IS_AT_WORK = f"SELECT EXISTS (SELECT FROM {SERVED}.workers WHERE seen_at > now() - interval '5 s')"  # noqa: S608


def verify(settings: RebuildSettings, from_topic: str | None, show: Show, say: Callable[[str], None]) -> int:
    """Say what is wrong, a sentence each, and then what was compared; how many things are wrong.

    Raises:
        Hindered: it cannot be done as things are.
        KafkaError: Kafka does not answer.
    """
    with (
        _second_set(settings) as second,
        Refill(settings, second, telling(settings, from_topic, show)) as refill,
    ):
        ends = refill.read(show)
        refill.take_over()
        comparison = Comparison(second.connection, second.name, in_any_field)
        with show("Comparing", None):
            comparison.look()
            _wait_for_projector(second, refill, ends)
            _judge(settings.database_url, comparison, refill)
        differing = chain.from_iterable(each.sentences() for each in comparison.differences())
        wrong = 0
        for sentence in chain(_misplaced(refill, ends), refill.overlooked(), differing):
            say(sentence)
            wrong += 1
        say(f"{', '.join(comparison.counts())} compared, {wrong or 'nothing'} wrong")
        return wrong


def repair(settings: RebuildSettings, booking_id: UUID, from_topic: str | None, show: Show) -> list[str]:
    """Put the rows of one booking in place as its events say; what was wrong with them, in sentences.

    Raises:
        Hindered: it cannot be done as things are.
        KafkaError: Kafka does not answer.
    """

    def is_of_booking(event: Event) -> bool:
        return str(booking_id) in (event.subject, event.data.get("booking_id"))

    with _second_set(settings) as second, ExitStack() as stack:
        refill = stack.enter_context(
            Refill(settings, second, telling(settings, from_topic, show), is_of_booking)
        )
        keeper = stack.enter_context(closing(connect(settings.database_url, connect_timeout=3)))
        refill.read(show)
        rows = (BOOKINGS.only(booking_id), HISTORY.only(booking_id))
        comparison = Comparison(second.connection, second.name, in_any_field, rows)
        with _held(keeper) as cursor:
            refill.follow()
            refill.take_over()
            if comparison.look():
                _put_in_place(cursor, second.name, booking_id)
            comparison.keep()
        return [line for each in comparison.differences() for line in each.sentences()]


@contextmanager
def _second_set(settings: RebuildSettings) -> Iterator[SecondSet]:
    """An empty one, gone afterwards."""
    with SecondSet(settings.database_url, _NAME) as second:
        second.prepare("")
        try:
            second.must_be_as_new_as_served()
            yield second
        except TopicsChanged:
            raise Hindered("A topic was made anew meanwhile: run it again.") from None
        finally:
            second.drop()


def _wait_for_projector(second: SecondSet, refill: Refill, ends: Mapping[TopicPartition, int]) -> None:
    """Give a projector that is at work the time to read what this has read."""
    deadline_s, before = 0.0, None
    while short := _short(refill, ends):
        if short != before:
            deadline_s, before = time.monotonic() + _PATIENCE_S, short
        elif time.monotonic() > deadline_s:
            return
        with second.connection, second.connection.cursor() as cursor:
            cursor.execute(_IS_AT_WORK)
            if cursor.fetchone() != (True,):
                return
        time.sleep(_PAUSE_S)


def _short(refill: Refill, ends: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
    """Where the projector stands in those partitions that it has not read as far as this has."""
    served = refill.served()
    places = {partition: served.get(partition, 0) for partition in ends}
    return {partition: place for partition, place in places.items() if place < ends[partition]}


def _judge(url: str, comparison: Comparison, refill: Refill) -> None:
    """Look at the suspects again until none is left, at last while nothing moves; more than a few just once."""
    refill.follow()
    if comparison.look_again() > _FEW:
        comparison.keep()
        return
    with closing(connect(url, connect_timeout=3)) as keeper, _held(keeper):
        refill.follow()
        refill.take_over()
        comparison.look_again()
        comparison.keep()


@contextmanager
def _held(keeper: Connection) -> Iterator[Cursor]:
    """The projector held, as soon as it can be."""
    with ExitStack() as stack:
        cursor = None
        while cursor is None:
            try:
                cursor = stack.enter_context(held(keeper))
            except BUSY:
                time.sleep(_PAUSE_S)
        yield cursor


def _misplaced(refill: Refill, ends: Mapping[TopicPartition, int]) -> Iterator[str]:
    """Where the projector stands elsewhere than at the ends of its partitions, or beyond them, in sentences."""
    served, ends_now = refill.served(), refill.live.ends()
    for partition, place in _short(refill, ends).items():
        yield f"{_name(partition)}: is read up to {place:,} of {ends[partition]:,}"
    for partition in served.keys() - refill.live.reachable(served).keys():
        yield f"{_name(partition)}: is read up to {served[partition]:,}, but ends at {ends_now[partition]:,}"


def _name(partition: TopicPartition) -> str:
    return f"{partition.topic}, partition {partition.partition}"


def _put_in_place(cursor: Cursor, second: str, booking_id: UUID) -> None:
    for relation in (HISTORY, BOOKINGS):
        columns = ", ".join(columns_of(cursor, relation))
        cursor.execute(f"DELETE FROM {relation.of(SERVED)} WHERE booking_id = %s", (str(booking_id),))  # noqa: S608
        cursor.execute(
            f"INSERT INTO {relation.of(SERVED)} ({columns}) SELECT {columns} FROM {relation.of(second)} "  # noqa: S608
            "WHERE booking_id = %s",
            (str(booking_id),),
        )
