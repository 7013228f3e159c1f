"""What an operator does about dead letters: look at them, try them again, give one up for a reason."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg2

from rebook.cloudevents import event_of
from rebook.parking import ERROR, QUEUED, UNREADABLE, Stream, drain, raw_headers, stream_of
from rebook.postgres import savepoint

if TYPE_CHECKING:
    from datetime import datetime

    from psycopg2.extensions import cursor as Cursor  # noqa: N812

    from rebook.cloudevents import Event
    from rebook.parking import Handle

DISCARDED = "discarded"
_DISCARDED_TYPE = "rebook.Discarded.v1"  # of what is given up: a type that no service knows

_COLUMNS = "source, stream, sequence, kind, reason, topic, parked_at, headers, value"
_FIRSTS = f"""
    SELECT DISTINCT ON (source, stream) {_COLUMNS}, count(*) OVER (PARTITION BY source, stream) - 1 AS behind
    FROM parked_events WHERE kind <> 'discarded' ORDER BY source, stream, sequence
"""  # noqa: S608 - constants only
_WAITING = f"SELECT * FROM ({_FIRSTS}) AS firsts ORDER BY parked_at, source, stream"  # noqa: S608
_FIRST = f"SELECT * FROM ({_FIRSTS}) AS firsts WHERE source = %s AND stream = %s"  # noqa: S608
_GIVEN_UP = f"SELECT {_COLUMNS}, 0 FROM parked_events WHERE kind = 'discarded' ORDER BY parked_at"  # noqa: S608
_FIND = f"SELECT {_COLUMNS}, 0 FROM parked_events WHERE stream = %s AND sequence = %s"  # noqa: S608
_RELEASE = "UPDATE parked_events SET kind = %s WHERE source = %s AND stream = %s AND kind = %s"
_GIVE_UP = (
    "UPDATE parked_events SET kind = %s, reason = %s WHERE source = %s AND stream = %s AND sequence = %s"
)
_AS_EVENT = """
    WITH taken AS (
        DELETE FROM parked_events WHERE source = %s AND stream = %s AND sequence = %s RETURNING *
    )
    INSERT INTO parked_events (source, stream, sequence, kind, reason, topic, key, headers, value, parked_at)
    SELECT %s, %s, %s, %s, reason, topic, key, headers, value, parked_at FROM taken ON CONFLICT DO NOTHING
"""


class Letter(NamedTuple):
    """A parked event, or a record that is none (kind `unreadable`).

    `behind` it are so many later ones of its stream; only `waiting` counts them.
    """

    source: str
    stream: str
    sequence: int
    kind: str
    reason: str
    topic: str
    parked_at: datetime
    headers: list[list[str]]
    value: Any  # a buffer, or None
    behind: int

    @property
    def id(self) -> str:
        """Its name for an operator: an event's `ce_id`; a record's topic, partition and offset."""
        return f"{self.stream}:{self.sequence}"

    @property
    def place(self) -> tuple[str, str, int]:
        return self.source, self.stream, self.sequence

    def event(self) -> Event:
        """Read it.

        Raises:
            NotAnEvent: it is none.
        """
        return event_of(raw_headers(self.headers), self.value and bytes(self.value))


class NotFirst(Exception):  # noqa: N818 - a fact about what was asked for
    """An earlier event of its stream waits too, and has to be dealt with before."""


def waiting(cursor: Cursor) -> list[Letter]:
    """The first event of every stream that waits, and each record that cannot be read; oldest first."""
    cursor.execute(_WAITING)
    return [Letter(*row) for row in cursor.fetchall()]


def given_up(cursor: Cursor) -> list[Letter]:
    """What was discarded, with the reasons for it."""
    cursor.execute(_GIVEN_UP)
    return [Letter(*row) for row in cursor.fetchall()]


def find(cursor: Cursor, letter_id: str) -> list[Letter]:
    """Those of that id: several only where several event stores have written the same stream."""
    stream, _, sequence = letter_id.rpartition(":")
    if not sequence.isdecimal() or len(sequence) > len(str(2**62)) or "\0" in stream:
        return []
    cursor.execute(_FIND, (stream, int(sequence)))
    return [Letter(*row) for row in cursor.fetchall()]


def retry(cursor: Cursor, letter: Letter, handle: Handle) -> tuple[int, Letter | None]:
    """Apply what waits in a letter's stream, in order, as far as it goes: so many events, and what it stops at.

    Raises:
        NotAnEvent: it still cannot be read.
    """
    stream = Stream(letter.source, letter.stream)
    if letter.kind == UNREADABLE:
        stream = _take_for_event(cursor, letter)
    cursor.execute(_RELEASE, (QUEUED, *stream, ERROR))
    applied = drain(cursor, stream, handle)
    cursor.execute(_FIRST, stream)
    row = cursor.fetchone()
    return applied, Letter(*row) if row else None


def _take_for_event(cursor: Cursor, letter: Letter) -> Stream:
    event = letter.event()
    stream = stream_of(event)
    cursor.execute(_AS_EVENT, (*letter.place, *stream, event.sequence, QUEUED))
    return stream


def discard(cursor: Cursor, letter: Letter, handle: Handle, reason: str) -> None:
    """Give one event up for a reason: it counts in its stream and does nothing else, and later ones go on.

    Raises:
        NotFirst: an earlier event of its stream waits.
    """
    stream = Stream(letter.source, letter.stream)
    cursor.execute(_FIRST, stream)
    row = cursor.fetchone()
    if row is None or Letter(*row).sequence != letter.sequence:
        raise NotFirst
    if letter.kind != UNREADABLE:
        _pass_over(cursor, letter.event(), handle)
    cursor.execute(_GIVE_UP, (DISCARDED, reason, *letter.place))
    drain(cursor, stream, handle)


def discarded(cursor: Cursor) -> set[tuple[str, str, int]]:
    """Source, stream and sequence of every event that was given up, for `as_decided`."""
    cursor.execute("SELECT source, stream, sequence FROM parked_events WHERE kind = %s", (DISCARDED,))
    return set(cursor.fetchall())


def as_decided(event: Event, discarded: set[tuple[str, str, int]]) -> Event:
    """The event as it is to be applied once more: one that was given up still is."""
    return as_discarded(event) if (*stream_of(event), event.sequence) in discarded else event


def as_discarded(event: Event) -> Event:
    """The event under a type that no handler knows, so that it counts in its stream and does nothing else."""
    return dataclasses.replace(event, type=_DISCARDED_TYPE, data={})


def _pass_over(cursor: Cursor, event: Event, handle: Handle) -> None:
    """Let a handler see it under a type that it does not know.

    Where not even that can be applied, behind a gap or of no stream that there is, nothing is to be counted.
    """
    try:
        with savepoint(cursor):
            handle(as_discarded(event), cursor)
    except psycopg2.OperationalError:
        raise
    except Exception:  # whatever it is, it must not keep the event for ever
        return
