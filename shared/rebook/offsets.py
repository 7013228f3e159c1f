"""Where a consumer stands in its topics: rows that move with the rows its events make.

Every move is a compare-and-set, so a consumer that was paused while another took over its partitions finds
that out before it changes anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kafka import TopicPartition
    from psycopg2.extensions import connection as Connection  # noqa: N812
    from psycopg2.extensions import cursor as Cursor  # noqa: N812


class Position(NamedTuple):
    """The next record to read, and how often what begins there was tried without success."""

    topic_id: str
    next_offset: int
    attempts: int


class Overtaken(Exception):  # noqa: N818 - a fact, not a fault
    """Another consumer has moved on from where this one thought to be."""


def load(cursor: Cursor, partition: TopicPartition, topic_id: str) -> Position:
    """Where to read on in a partition of the topic with that id; its beginning if it was never read."""
    key = (topic_id, partition.partition)
    cursor.execute(
        "INSERT INTO consumer_offsets (topic_id, partition, topic, next_offset) VALUES (%s, %s, %s, 0) "
        "ON CONFLICT DO NOTHING",
        (*key, partition.topic),
    )
    cursor.execute(
        "SELECT next_offset, attempts FROM consumer_offsets WHERE topic_id = %s AND partition = %s", key
    )
    row = cursor.fetchone()
    assert row is not None
    return Position(topic_id, *row)


_MOVE = """
    UPDATE consumer_offsets o SET next_offset = m.next_offset, attempts = m.attempts
    FROM unnest(%s::uuid[], %s::integer[], %s::bigint[], %s::bigint[], %s::integer[])
         AS m (topic_id, partition, expected, next_offset, attempts)
    WHERE o.topic_id = m.topic_id AND o.partition = m.partition AND o.next_offset = m.expected
"""


def move(
    cursor: Cursor,
    old: Mapping[TopicPartition, Position],
    new: Mapping[TopicPartition, Position],
) -> None:
    """Move from `old` to `new` in the caller's transaction.

    Raises:
        Overtaken: somebody else has moved at least one of them.
    """
    moves = [
        (
            was.topic_id,
            partition.partition,
            was.next_offset,
            new[partition].next_offset,
            new[partition].attempts,
        )
        for partition, was in old.items()
    ]
    cursor.execute(_MOVE, [list(column) for column in zip(*moves, strict=True)])
    if cursor.rowcount != len(moves):
        raise Overtaken


_UNCOUNT = """
    UPDATE consumer_offsets SET attempts = attempts - 1
    WHERE topic_id = %s AND partition = %s AND next_offset = %s AND attempts = %s
"""


def uncount(connection: Connection, counted: dict[TopicPartition, Position]) -> None:
    """Take the last attempt at each of these back, where it still counts; then `counted` is empty."""
    with connection, connection.cursor() as cursor:
        for partition, position in counted.items():
            key = (position.topic_id, partition.partition)
            cursor.execute(_UNCOUNT, (*key, position.next_offset, position.attempts))
    counted.clear()
