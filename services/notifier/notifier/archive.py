"""What was sent, and what waits to be sent, as JSON lines: for backup, and for moving house.

The first line tells what follows, the last that it was all. Between them are the deliveries and then every decision
about them, both in their order. All else in the database is read from the topics anew.
"""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import psycopg2
from rebook.archives import NoArchive, damage_told, encode, parsed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from psycopg2.extensions import connection as Connection  # noqa: N812
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

FORMAT = "rebook-deliveries/1"
_BATCH = 1_000
_COLUMNS = {
    "deliveries": "delivery_id, booking_id, version, event_id, source, letter, recipient, minutes_before, "
    "message_id, correlation_id, state, fell_due_at, next_try_at, tries, deferrals, outcomes, reason, released_at",
    "delivery_events": "delivery_id, outcome, state, reason, happened_at",
}
_ORDER = {"deliveries": "number", "delivery_events": "position"}
_SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
_NOBODY_ELSE = "LOCK TABLE deliveries, delivery_events IN EXCLUSIVE MODE"
_COUNT = "SELECT count(*) FROM {}"
_ROWS = "SELECT row_to_json(t) FROM (SELECT {} FROM {} ORDER BY {}) AS t"
_FILL = "INSERT INTO {0} ({1}) SELECT {1} FROM json_populate_recordset(NULL::{0}, %s)"


def size(connection: Connection) -> int:
    """How many lines there will be to tell of, more or less."""
    with connection, connection.cursor() as cursor:
        return sum(_counts(cursor).values())


def export(connection: Connection, progress: Callable[[int], None]) -> Iterator[str]:
    """The deliveries as they are at one moment, a line at a time; `progress` is told of how many more were read."""
    with connection, connection.cursor() as cursor:
        cursor.execute(_SNAPSHOT)
        yield encode({"format": FORMAT, **_counts(cursor)})
        for table, columns in _COLUMNS.items():
            with connection.cursor(table) as rows:
                rows.itersize = _BATCH
                rows.execute(_ROWS.format(columns, table, _ORDER[table]))
                for (row,) in rows:
                    yield encode({"row": row, "of": table})
                    progress(1)
        yield encode({"end": FORMAT})


def restore(connection: Connection, lines: Iterable[str], progress: Callable[[int], None]) -> int:
    """Fill empty tables, all of it or nothing; the deliveries topic will be told everything. How many deliveries.

    Raises:
        NoArchive: there are deliveries already, or the lines are not a whole archive.
    """
    archive = parsed(lines, FORMAT, "deliveries")
    with connection, connection.cursor() as cursor:
        cursor.execute(_NOBODY_ELSE)
        if any(_counts(cursor).values()):
            raise NoArchive("There are deliveries already; an archive needs a database without any.")
        head = next(archive)
        with damage_told(psycopg2.DataError, psycopg2.IntegrityError):
            _fill(cursor, head, archive, progress)
        return int(head["deliveries"])


def _fill(
    cursor: Cursor, head: dict[str, Any], archive: Iterator[Any], progress: Callable[[int], None]
) -> None:
    for table, group in itertools.groupby(archive, key=lambda line: line["of"]):
        columns = _COLUMNS[table]
        while batch := [line["row"] for line in itertools.islice(group, _BATCH)]:
            cursor.execute(_FILL.format(table, columns), (json.dumps(batch),))
            progress(len(batch))
    if any(count != head[table] for table, count in _counts(cursor).items()):
        raise ValueError("rows are missing")


def _counts(cursor: Cursor) -> dict[str, int]:
    counts = {}
    for table in _COLUMNS:
        cursor.execute(_COUNT.format(table))
        (counts[table],) = cursor.fetchone() or (0,)
    return counts
