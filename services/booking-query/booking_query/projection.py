"""Events become read tables: one function for each type of event.

A row takes the next event of its stream and no other: a repeated event changes nothing, and one that comes before its
time is a `VersionGap`, raised before anything has changed. Bookings and their letters come in thousands, so theirs
change in memory and are written together (`folding`); the few others are a statement each. The functions themselves
are in `projection_bookings` and `projection_team`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import structlog
from rebook.parking import VersionGap

from booking_query.folding import Bookings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from psycopg2.extensions import cursor as Cursor  # noqa: N812
    from rebook.cloudevents import Event

    Apply = Callable[[Event, Cursor], None]
    Fold = Callable[[Event, Bookings], None]

log = structlog.get_logger()

_APPLY: dict[str, Apply] = {}
_FOLD: dict[str, Fold] = {}


class Table(NamedTuple):
    """A table with one row for each stream of its kind."""

    version_of: str  # the version of the row of one id
    pass_over: str  # takes an event without any other change


MEETING_TYPES = Table(
    "SELECT version FROM meeting_types WHERE stream_id = %(subject)s",
    "UPDATE meeting_types SET version = %(sequence)s "
    "WHERE stream_id = %(subject)s AND version = %(sequence)s - 1",
)
MEMBERS = Table(
    "SELECT version FROM team_members WHERE member_id = %(subject)s",
    "UPDATE team_members SET version = %(sequence)s "
    "WHERE member_id = %(subject)s AND version = %(sequence)s - 1",
)
TOKENS = Table(
    "SELECT version FROM api_tokens WHERE token_id = %(subject)s",
    "UPDATE api_tokens SET version = %(sequence)s WHERE token_id = %(subject)s AND version = %(sequence)s - 1",
)


def projects(event_type: str) -> Callable[[Apply], Apply]:
    """Register the function that makes the rows of one type of event."""

    def register(apply: Apply) -> Apply:
        _APPLY[event_type] = apply
        return apply

    return register


def folds(event_type: str) -> Callable[[Fold], Fold]:
    """Register the function that changes bookings in memory by one type of event."""

    def register(fold: Fold) -> Fold:
        _FOLD[event_type] = fold
        return fold

    return register


def project(event: Event, cursor: Cursor) -> None:
    """Make the rows of one event.

    Raises:
        VersionGap: an earlier event of its stream has not been applied yet.
    """
    for why in project_all([event], cursor).values():
        raise VersionGap(why)


def project_all(events: Sequence[Event], cursor: Cursor) -> dict[int, str]:
    """Make the rows of many events; the places of those that came before their time, and why."""
    bookings = Bookings(cursor, {event.subject for event in events if _may_be_of_booking(event)})
    gaps = {}
    for place, event in enumerate(events):
        try:
            _project(event, bookings, cursor)
        except VersionGap as gap:
            gaps[place] = str(gap)
    bookings.write()
    return gaps


def is_of_unknown_version(event_type: str) -> bool:
    """Whether it is another version of a type that this program knows: what it says is not shown yet."""
    if event_type in _APPLY or event_type in _FOLD:
        return False
    name, _, _ = event_type.rpartition(".v")
    return any(known.rpartition(".v")[0] == name for known in (*_APPLY, *_FOLD))


def _project(event: Event, bookings: Bookings, cursor: Cursor) -> None:
    if is_of_unknown_version(event.type):
        log.warning("event is of an unknown version", event_id=event.id, event_type=event.type)
    if event.type in _FOLD:
        _FOLD[event.type](event, bookings)
    elif event.type in _APPLY:
        _APPLY[event.type](event, cursor)
    elif event.subject in bookings:
        bookings.of(event.subject).takes(event)
    elif _is_of_stream(event):
        _pass_over(event, cursor)


def _may_be_of_booking(event: Event) -> bool:
    return event.type not in _APPLY and _is_of_stream(event)


def _is_of_stream(event: Event) -> bool:
    """Whether it is an event of a booking, type, member or token, be it of a type this version does not know."""
    if not event.source.startswith("/booking-command/"):
        return False
    return event.type in _FOLD or event.type in _APPLY or _is_id(event.subject)


def _is_id(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _pass_over(event: Event, cursor: Cursor) -> None:
    """An event of a type this version does not know only counts in its stream, whichever that is."""
    for table in (MEETING_TYPES, MEMBERS, TOKENS):
        cursor.execute(table.version_of, facts_of(event))
        if cursor.fetchone():
            change(event, cursor, table, table.pass_over)
            return


def change(event: Event, cursor: Cursor, table: Table, statement: str, **facts: Any) -> bool:
    """Let the row of the event's stream take it; False where it has done so before.

    Raises:
        VersionGap: the row is not there, or not at the version before this one.
    """
    cursor.execute(statement, facts_of(event) | facts)
    if cursor.rowcount:
        return True
    cursor.execute(table.version_of, facts_of(event))
    row = cursor.fetchone()
    version = row[0] if row else 0
    if event.sequence > version + 1:
        raise VersionGap(f"{event.type} is version {event.sequence}, and the row is at version {version}")
    return False


def facts_of(event: Event) -> dict[str, Any]:
    """What every statement may use: the event's data, and its own place and time."""
    return event.data | {"subject": event.subject, "sequence": event.sequence, "time": event.time}
