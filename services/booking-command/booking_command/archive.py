"""The whole event store as JSON lines: for backup, and for moving house.

The first line tells what follows, the last that it was all. Between them are the events in order, and the rows
that are kept beside them: credentials, sessions that ended, holds, idempotency keys.
"""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg
from rebook.archives import NoArchive, damage_told, encode, parsed

from booking_command.reader import ONE_SNAPSHOT, STORED
from booking_command.restoring import go_on_as_another

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from psycopg import Connection, Cursor

FORMAT = "rebook-event-store/1"
_BESIDE = ("store_ids", "credentials", "ended_sessions", "api_tokens", "slot_holds", "idempotency_keys")
_BATCH = 5_000
_COUNT = "SELECT count(*), coalesce(max(notification_id), 0) FROM stored_events"
_EVENTS = f"{STORED} ORDER BY notification_id"
_COPY = """
COPY stored_events (notification_id, originator_id, originator_version, topic, state) FROM STDIN
"""
_INSERT = "INSERT INTO {0} SELECT * FROM json_populate_record(NULL::{0}, %s)"
_GO_ON_AFTER = """
SELECT setval('stored_events_notification_id_seq', greatest(%(last)s, 1), %(last)s > 0)
"""


def export(connection: Connection[Any], progress: Callable[[int], None]) -> Iterator[str]:
    """The store as it is at one moment, a line at a time; `progress` is told of how many events more were read."""
    connection.execute(ONE_SNAPSHOT)
    events, last = connection.execute(_COUNT).fetchone() or (0, 0)
    yield encode({"format": FORMAT, "events": events, "last_position": last})
    with connection.cursor("events") as cursor:
        cursor.itersize = _BATCH
        for position, stream_id, version, topic, state in cursor.execute(_EVENTS):
            facts = {"position": position, "stream_id": str(stream_id), "version": version, "topic": topic}
            yield encode({"event": {**facts, "state": json.loads(bytes(state))}})
            progress(1)
    for table in _BESIDE:
        for (row,) in connection.execute(f"SELECT row_to_json({table}) FROM {table}"):  # noqa: S608
            yield encode({"row": row, "of": table})
    yield encode({"end": FORMAT})


def restore(connection: Connection[Any], lines: Iterable[str], progress: Callable[[int], None]) -> int:
    """Fill an empty store, all of it or nothing; further events get a source of their own. How many there were.

    Raises:
        NoArchive: the store is not empty, or the lines are not a whole archive.
    """
    with connection.transaction(), connection.cursor() as cursor:
        if cursor.execute(_COUNT).fetchone() != (0, 0):
            raise NoArchive("The store holds events already; an archive needs an empty one.")
        archive = parsed(lines, FORMAT, "an event store")
        head = next(archive)
        with damage_told(psycopg.DataError, psycopg.IntegrityError):
            _fill(cursor, head, archive, progress)
        return int(head["events"])


def _fill(
    cursor: Cursor[Any], head: dict[str, Any], archive: Iterator[Any], progress: Callable[[int], None]
) -> None:
    events, last = head["events"], head["last_position"]
    with cursor.copy(_COPY) as copy:
        copy.set_types(["int8", "uuid", "int8", "text", "bytea"])
        for line in itertools.islice(archive, events):
            copy.write_row(_event_row(line["event"]))
            progress(1)
    cursor.execute("DELETE FROM store_ids")
    for line in archive:
        if line["of"] not in _BESIDE:
            raise ValueError(f"{line['of']} is no table of a store")
        cursor.execute(_INSERT.format(line["of"]), (encode(line["row"]),))
    if cursor.execute(_COUNT).fetchone() != (events, last):
        raise ValueError(f"there are not {events:,} events up to position {last:,}")
    cursor.execute(_GO_ON_AFTER, {"last": last})
    go_on_as_another(cursor)


def _event_row(event: dict[str, Any]) -> tuple[Any, ...]:
    state = encode(event["state"]).encode()
    return event["position"], UUID(event["stream_id"]), event["version"], event["topic"], state
