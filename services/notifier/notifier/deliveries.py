"""Rows of deliveries: made by the inbox, taken by a sender, decided; what became of them is kept for reporting."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from psycopg2.extras import execute_values

from notifier.bookings import BOOKING_COLUMNS, CHANGE_COLUMNS, booking_of, change_of
from notifier.letters import Letter, delivery_id, event_id, message_id

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from psycopg2.extensions import connection as Connection  # noqa: N812
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

    from notifier.letters import Call, Change

PENDING, SENT, FAILED, SKIPPED = "pending", "sent", "failed", "skipped"

_ENQUEUE = """
    INSERT INTO deliveries (delivery_id, booking_id, version, event_id, letter, recipient, minutes_before,
                            message_id, fell_due_at, next_try_at, correlation_id)
    VALUES %s ON CONFLICT DO NOTHING
"""
_LETTER_COLUMNS = ("delivery_id", "letter", "recipient", "message_id", "fell_due_at")
_STATE_COLUMNS = ("tries", "deferrals", "version", "correlation_id")
_STANDING_COLUMNS = ("changed_version", "status")
_GROUPS = (_LETTER_COLUMNS, _STATE_COLUMNS, _STANDING_COLUMNS, BOOKING_COLUMNS, CHANGE_COLUMNS)
_LETTER_FIELDS = ("delivery_id", "name", "recipient", "message_id", "fell_due_at")


def _columns(table: str, names: tuple[str, ...]) -> str:
    return ", ".join(f"{table}.{name}" for name in names)


# The due letters are walked in the order of their index, whatever the statistics of a queue say just now.
_PREPARE = f"""
    SET enable_sort = off; SET enable_bitmapscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;
    SET plan_cache_mode = force_generic_plan;
    PREPARE take_delivery (timestamptz) AS
    SELECT {_columns("d", _LETTER_COLUMNS)}, {_columns("d", _STATE_COLUMNS)}, {_columns("b", _STANDING_COLUMNS)},
           {_columns("b", BOOKING_COLUMNS)}, {_columns("c", CHANGE_COLUMNS)}
    FROM deliveries d JOIN bookings b ON b.booking_id = d.booking_id
         JOIN changes c ON c.booking_id = d.booking_id AND c.version = d.version
    WHERE d.state = 'pending' AND d.next_try_at <= $1
      AND NOT EXISTS (
          SELECT FROM deliveries e WHERE e.booking_id = d.booking_id AND e.recipient = d.recipient
          AND e.state = 'pending' AND e.number < d.number)
    ORDER BY d.next_try_at, d.number LIMIT 1 FOR UPDATE OF d SKIP LOCKED
"""  # noqa: S608 - names of columns
_DECIDE = """
    WITH decided AS (
        UPDATE deliveries SET state = %s, reason = %s, tries = %s, outcomes = outcomes + 1
        WHERE delivery_id = %s RETURNING delivery_id, outcomes)
    INSERT INTO delivery_events (delivery_id, outcome, state, reason, happened_at)
    SELECT delivery_id, outcomes, %s, %s, %s FROM decided
"""


class New(NamedTuple):
    """A delivery to be made, in the order of its columns."""

    delivery_id: UUID
    booking_id: UUID
    version: int
    event_id: str
    letter: str
    recipient: str
    minutes_before: int | None
    message_id: str
    fell_due_at: datetime
    next_try_at: datetime

    @classmethod
    def of(cls, event: str, booking_id: UUID, change: Change, call: Call, domain: str) -> New:
        """A letter about a change, due when that happened."""
        due_at = change.happened_at
        made = delivery_id(event, call)
        named = message_id(made, domain)
        return cls(
            made, booking_id, change.version, event, call.letter, call.recipient, None, named, due_at, due_at
        )

    @classmethod
    def reminder(
        cls, booking_id: UUID, version: int, call: Call, minutes_before: int, due_at: datetime, domain: str
    ) -> New:
        """A reminder of the slot that the event of that version set."""
        event = event_id(booking_id, version)
        made = delivery_id(event, call, minutes_before)
        named = message_id(made, domain)
        return cls(
            *(made, booking_id, version, event, call.letter, call.recipient),
            *(minutes_before, named, due_at, due_at),
        )


@dataclass(frozen=True, slots=True)
class Due:
    """A letter whose turn it is, locked for this sender, with what is needed to judge it.

    `changed_version` and `status` are the booking's as they stand now.
    """

    letter: Letter
    tries: int
    deferrals: int
    version: int
    correlation_id: str
    changed_version: int
    status: str


def enqueue(cursor: Cursor, new: list[New], correlation_id: str) -> None:
    """Make deliveries; those that were made before stay as they are."""
    execute_values(cursor, _ENQUEUE, [(*row, correlation_id) for row in new])


def prepare(connection: Connection) -> None:
    """Make a connection fit for `take`."""
    with connection, connection.cursor() as cursor:
        cursor.execute(_PREPARE)


def take(cursor: Cursor, now: datetime) -> Due | None:
    """The next letter that is due and waits for no earlier one of its person and booking; its row is locked."""
    cursor.execute("EXECUTE take_delivery (%s)", (now,))
    row = cursor.fetchone()
    if row is None:
        return None
    values = iter(row)
    letter, state, standing, booking, change = ([*islice(values, len(names))] for names in _GROUPS)
    facts: dict[str, Any] = {"booking": booking_of(booking), "change": change_of(change)}
    return Due(Letter(**dict(zip(_LETTER_FIELDS, letter, strict=True)), **facts), *state, *standing)


def decide(cursor: Cursor, due: Due, state: str, reason: str, now: datetime) -> None:
    """Sent, failed or skipped: the end of a delivery, unless an operator has it tried again."""
    cursor.execute(_DECIDE, (state, reason, due.tries, due.letter.delivery_id, state, reason, now))


def try_later(cursor: Cursor, due: Due, reason: str, at: datetime) -> None:
    """Leave it for another time, with the tries and deferrals that `due` counts."""
    cursor.execute(
        "UPDATE deliveries SET next_try_at = %s, reason = %s, tries = %s, deferrals = %s WHERE delivery_id = %s",
        (at, reason, due.tries, due.deferrals, due.letter.delivery_id),
    )
