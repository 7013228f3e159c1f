"""Events become read tables: one function for each type of event.

A row takes the next event of its stream and no other (`version = sequence - 1`): a repeated event changes nothing,
and one that comes before its time is a `VersionGap`, raised before anything has changed. The functions themselves
are in `projection_bookings` and `projection_team`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from rebook.parking import VersionGap

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg2.extensions import cursor as Cursor  # noqa: N812
    from rebook.cloudevents import Event

    Apply = Callable[[Event, Cursor], None]

_BY_TYPE: dict[str, Apply] = {}


class Table(NamedTuple):
    """A table with one row for each stream of its kind."""

    version_of: str  # the version of the row of one id
    pass_over: str  # takes an event without any other change


BOOKINGS = Table(
    "SELECT version FROM bookings WHERE booking_id = %(subject)s",
    "UPDATE bookings SET version = %(sequence)s, updated_at = %(time)s "
    "WHERE booking_id = %(subject)s AND version = %(sequence)s - 1",
)
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
        _BY_TYPE[event_type] = apply
        return apply

    return register


def project(event: Event, cursor: Cursor) -> None:
    """Make the rows of one event.

    Raises:
        VersionGap: an earlier event of its stream has not been applied yet.
    """
    _BY_TYPE.get(event.type, pass_over)(event, cursor)


def pass_over(event: Event, cursor: Cursor) -> None:
    """An event of a type this version does not know only counts in its stream, whichever that is."""
    if not event.source.startswith("/booking-command/"):
        return
    for table in (BOOKINGS, MEETING_TYPES, MEMBERS, TOKENS):
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
