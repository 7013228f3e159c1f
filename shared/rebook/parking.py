"""Events that cannot be applied yet, or at all, wait here in order without holding up anybody else's.

A stream is the events of one booking (or meeting type, member, delivery): what precedes the version in an
event's id. While a stream has an event parked, its later events queue behind that one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import psycopg2
import structlog
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from rebook.cloudevents import Event, event_of
from rebook.personal import blanked

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kafka.consumer.fetcher import ConsumerRecord

Handle = Callable[[Event, Cursor], None]
Forget = Callable[[str, Cursor], None]
HandleAll = Callable[
    [Sequence[Event], Cursor], dict[int, str]
]  # the places of those before their time, and why

log = structlog.get_logger()

GAP, ERROR, QUEUED, UNREADABLE = "gap", "error", "queued", "unreadable"
QUEUED_BEHIND = "An earlier event of its stream is parked."
_WAITING = (GAP, ERROR, QUEUED)
# What waits of one booking, for other statements to ask whether there is anything.
OF_BOOKING = f"""
    SELECT FROM parked_events p
    WHERE p.key = convert_to({{booking_id}}::text, 'UTF8') AND p.kind IN {_WAITING}
"""
_DRAIN_AT_ONCE = 100  # streams in one round of `retry_waiting`


class VersionGap(Exception):  # noqa: N818 - a fact about the order of events
    """An earlier event of this stream has not been applied yet. Raised before anything was changed."""


class Stream(NamedTuple):
    """The events of one aggregate, in the store that wrote them."""

    source: str
    id: str


def stream_of(event: Event) -> Stream:
    return Stream(event.source, event.id.rpartition(":")[0])


def one_by_one(handle: Handle) -> HandleAll:
    """Applies several events where a handler knows how to apply one."""

    def handle_all(events: Sequence[Event], cursor: Cursor) -> dict[int, str]:
        gaps = {}
        for place, event in enumerate(events):
            try:
                handle(event, cursor)
            except VersionGap as gap:
                gaps[place] = str(gap)
        return gaps

    return handle_all


def first_parked(cursor: Cursor, streams: Iterable[Stream]) -> dict[Stream, int]:
    """The lowest parked sequence of each of these streams that has any, locked until the transaction ends."""
    cursor.execute("SELECT EXISTS (SELECT FROM parked_events WHERE kind = ANY(%s))", (list(_WAITING),))
    if cursor.fetchone() == (False,):  # as a rule, and quicker than asking for each
        return {}
    cursor.execute(
        "SELECT source, stream, sequence FROM parked_events WHERE stream = ANY(%s) AND kind = ANY(%s) "
        "ORDER BY source, stream, sequence DESC FOR UPDATE",
        ([stream.id for stream in streams], list(_WAITING)),
    )
    return {Stream(source, stream): sequence for source, stream, sequence in cursor.fetchall()}


def park(cursor: Cursor, record: ConsumerRecord, event: Event, kind: str, reason: str) -> None:
    """Let an event wait; one that waits already keeps its place."""
    _insert(cursor, record, (*stream_of(event), event.sequence), kind, reason)
    if kind != QUEUED:
        log.warning("event parked", event_id=event.id, event_type=event.type, kind=kind)


def waits(cursor: Cursor, event: Event) -> bool:
    """Whether an event is parked."""
    cursor.execute(
        "SELECT FROM parked_events WHERE source = %s AND stream = %s AND sequence = %s AND kind = ANY(%s)",
        (*stream_of(event), event.sequence, list(_WAITING)),
    )
    return cursor.fetchone() is not None


def park_unreadable(cursor: Cursor, record: ConsumerRecord, topic_id: str, reason: str) -> None:
    """Set aside a record that is no event; it belongs to no stream but its own."""
    place = (topic_id, f"{record.topic}/{record.partition}", record.offset)
    _insert(cursor, record, place, UNREADABLE, reason)
    log.warning("record is no event", topic=record.topic, partition=record.partition, offset=record.offset)


def _insert(
    cursor: Cursor, record: ConsumerRecord, place: tuple[str, str, int], kind: str, reason: str
) -> None:
    headers = json.dumps([[name, (value or b"").decode("latin-1")] for name, value in record.headers])
    cursor.execute(
        "INSERT INTO parked_events (source, stream, sequence, kind, reason, topic, key, headers, value) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (*place, kind, reason, record.topic, record.key, headers, record.value),
    )


def drain(cursor: Cursor, stream: Stream, handle: Handle) -> int:
    """Apply what waits in a stream, in order, until nothing waits or something cannot be applied; how many."""
    applied = 0
    while (row := _head(cursor, stream)) is not None and row[1] != ERROR:
        sequence, _, headers, value = row
        kind, reason = _outcome(cursor, event_of(raw_headers(headers), value and bytes(value)), handle)
        place = (*stream, sequence)
        if kind:
            cursor.execute(
                "UPDATE parked_events SET kind = %s, reason = %s "
                "WHERE source = %s AND stream = %s AND sequence = %s AND (kind, reason) <> (%s, %s)",
                (kind, reason, *place, kind, reason),
            )
            break
        cursor.execute("DELETE FROM parked_events WHERE source = %s AND stream = %s AND sequence = %s", place)
        applied += 1
    return applied


def go_on(cursor: Cursor, stream: Stream, handle: Handle) -> None:
    """Apply what waits in a stream as far as it goes by now, and log it."""
    if applied := drain(cursor, stream, handle):
        log.info("parked events applied", stream=stream.id, events=applied)


def _head(cursor: Cursor, stream: Stream) -> tuple[Any, ...] | None:
    cursor.execute(
        "SELECT sequence, kind, headers, value FROM parked_events "
        "WHERE source = %s AND stream = %s AND kind = ANY(%s) ORDER BY sequence LIMIT 1 FOR UPDATE",
        (*stream, list(_WAITING)),
    )
    return cursor.fetchone()


def _outcome(cursor: Cursor, event: Event, handle: Handle) -> tuple[str, str]:
    """Why an event must stay parked, as kind and reason; both empty when it was applied."""
    cursor.execute("SAVEPOINT parked_event")
    try:
        handle(event, cursor)
    except VersionGap as gap:
        return GAP, str(gap)
    except psycopg2.OperationalError:
        raise
    except Exception as error:  # whatever it is, it must not stop the others
        cursor.execute("ROLLBACK TO SAVEPOINT parked_event")
        return ERROR, reason_of(error)
    return "", ""


def retry_waiting(cursor: Cursor, handle: Handle) -> int:
    """Try the first event of every stream that may go on by itself or was released; how many streams."""
    cursor.execute(
        "SELECT source, stream FROM (SELECT DISTINCT ON (source, stream) source, stream, kind "
        "FROM parked_events WHERE kind = ANY(%s) ORDER BY source, stream, sequence) AS heads "
        "WHERE kind <> %s ORDER BY random() LIMIT %s",
        (list(_WAITING), ERROR, _DRAIN_AT_ONCE),
    )
    streams = [Stream(*row) for row in cursor.fetchall()]
    for stream in streams:
        go_on(cursor, stream, handle)
    return len(streams)


def forget(cursor: Cursor, booking_id: str) -> None:
    """Blank what is personal in everything that is parked about a booking, what was given up included.

    Whatever is no JSON object goes altogether, and so does what an error said, since it may quote the data.
    """
    cursor.execute(
        "SELECT source, stream, sequence, kind, reason, value FROM parked_events WHERE key = %s FOR UPDATE",
        (booking_id.encode(),),
    )
    for *place, kind, reason, value in cursor.fetchall():
        cursor.execute(
            "UPDATE parked_events SET value = %s, reason = %s "
            "WHERE source = %s AND stream = %s AND sequence = %s",
            (_blanked(value), reason.partition(":")[0] if kind == ERROR else reason, *place),
        )


def _blanked(value: Any) -> bytes | None:
    try:
        data = msgspec.json.decode(bytes(value or b""))
    except (ValueError, RecursionError):
        return None
    return msgspec.json.encode(blanked(data)) if isinstance(data, dict) else None


def counts(cursor: Cursor) -> tuple[int, int]:
    """How many streams are parked, and how many dead letters an operator has to look at."""
    cursor.execute(
        "SELECT count(DISTINCT (source, stream)) FILTER (WHERE kind = ANY(%s)), "
        "count(*) FILTER (WHERE kind IN (%s, %s)) FROM parked_events",
        (list(_WAITING), ERROR, UNREADABLE),
    )
    row = cursor.fetchone()
    assert row is not None
    return row[0], row[1]


def raw_headers(headers: list[list[str]]) -> list[tuple[str, bytes]]:
    """Headers as they were on the topic, from a parked row's."""
    return [(name, value.encode("latin-1")) for name, value in headers]


def reason_of(error: Exception) -> str:
    """What an operator is told: any text, as far as PostgreSQL takes it."""
    return f"{type(error).__name__}: {error}".replace("\0", "").encode("utf-8", "replace").decode()
