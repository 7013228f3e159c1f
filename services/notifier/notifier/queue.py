"""One sender's view of the letters that are due: taken one at a time, decided or put off, several senders at once.

The row stays locked while its letter is on the wire, so several senders share the work without ever sending the
same letter, and a sender that dies leaves its letter to the next. What became of a letter and the next one to send
travel together, since most of the time between two letters is waiting for PostgreSQL.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from rebook.parking import OF_BOOKING

from notifier.bookings import BOOKING_COLUMNS, CHANGE_COLUMNS, booking_of, change_of
from notifier.deliveries import PENDING
from notifier.letters import REMINDER, Letter

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from psycopg2.extensions import connection as Connection  # noqa: N812

_LETTER_COLUMNS = ("delivery_id", "letter", "recipient", "message_id", "fell_due_at", "correlation_id")
_STATE_COLUMNS = ("tries", "deferrals", "outcomes", "released_at", "version")
_STANDING_COLUMNS = ("changed_version", "status")
_GROUPS = (_LETTER_COLUMNS, _STATE_COLUMNS, _STANDING_COLUMNS, BOOKING_COLUMNS, CHANGE_COLUMNS)
_LETTER_FIELDS = ("delivery_id", "name", "recipient", "message_id", "fell_due_at", "correlation_id")


def _columns(table: str, names: tuple[str, ...]) -> str:
    return ", ".join(f"{table}.{name}" for name in names)


# The plan is made once, perhaps for an empty table: it walks the letters that are due in the order of one index, and
# looks up each person's first one in another, whatever the statistics of a queue say just now.
_PREPARE = f"""
    SET enable_sort = off; SET enable_seqscan = off; SET enable_bitmapscan = off;
    SET enable_hashjoin = off; SET enable_mergejoin = off;
    SET plan_cache_mode = force_generic_plan; DEALLOCATE ALL;
    PREPARE take_delivery (timestamptz) AS
    SELECT {_columns("d", _LETTER_COLUMNS)}, {_columns("d", _STATE_COLUMNS)}, {_columns("b", _STANDING_COLUMNS)},
           {_columns("b", BOOKING_COLUMNS)}, {_columns("c", CHANGE_COLUMNS)}
    FROM deliveries d JOIN bookings b ON b.booking_id = d.booking_id
         JOIN changes c ON c.booking_id = d.booking_id AND c.version = d.version
              AND c.source = d.source
    WHERE d.state = 'pending' AND d.next_try_at <= $1
      AND d.number = (
          SELECT e.number FROM deliveries e WHERE e.state = 'pending' AND e.booking_id = d.booking_id
          AND e.recipient = d.recipient ORDER BY e.number LIMIT 1)
      AND (d.letter <> '{REMINDER}' OR NOT EXISTS ({OF_BOOKING.format(booking_id="d.booking_id")}))
    ORDER BY d.next_try_at, d.number LIMIT 1 FOR UPDATE OF d SKIP LOCKED;
    PREPARE decide_delivery (uuid, text, text, integer, integer, timestamptz) AS
    WITH decided AS (
        UPDATE deliveries SET state = $2, reason = $3, tries = $4, deferrals = $5, outcomes = outcomes + 1
        WHERE delivery_id = $1 RETURNING delivery_id, outcomes)
    INSERT INTO delivery_events (delivery_id, outcome, state, reason, happened_at)
    SELECT delivery_id, outcomes, $2, $3, $6 FROM decided;
    PREPARE put_off_delivery (uuid, text, integer, integer, timestamptz) AS
    UPDATE deliveries SET reason = $2, tries = $3, deferrals = $4, next_try_at = $5 WHERE delivery_id = $1
"""  # noqa: S608 - names of columns


@dataclass(frozen=True, slots=True)
class Due:
    """A letter whose turn it is, locked for this sender, with what is needed to judge it.

    `tries` counts refusals of the letter, `deferrals` troubles of the server while it had the letter, `outcomes`
    how often its fate was decided before. `changed_version` and `status` are the booking's as they stand now.
    """

    letter: Letter
    tries: int
    deferrals: int
    outcomes: int
    released_at: datetime | None
    version: int
    changed_version: int
    status: str

    @property
    def has_failed(self) -> bool:
        return self.tries + self.deferrals + self.outcomes > 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a letter at `at`; one that is still pending is to be tried again then."""

    due: Due
    state: str
    reason: str
    at: datetime


class Queue:
    """The letters that are due, on a connection of the sender's own."""

    def __init__(self, connection: Connection) -> None:
        connection.autocommit = True  # transactions are begun and ended in the statements below
        self._cursor = connection.cursor()
        self._cursor.execute(_PREPARE)

    def take(self, now: datetime) -> Due | None:
        """The next letter that is due and waits for no earlier one of its person and booking; its row is locked."""
        self._cursor.execute("BEGIN; EXECUTE take_delivery (%s)", (now,))
        return self._taken()

    def settle_and_take(self, outcome: Outcome, now: datetime) -> Due | None:
        """Keep what became of a letter, for good, and take the next."""
        statement, values = _settled(outcome)
        self._cursor.execute(f"{statement}; COMMIT; BEGIN; EXECUTE take_delivery (%s)", (*values, now))
        return self._taken()

    def settle(self, outcome: Outcome) -> None:
        """Keep what became of a letter, for good."""
        statement, values = _settled(outcome)
        self._cursor.execute(f"{statement}; COMMIT", values)

    def release(self) -> None:
        """Leave the letter that was taken to whoever comes."""
        self._cursor.execute("ROLLBACK")

    def _taken(self) -> Due | None:
        row = self._cursor.fetchone()
        if row is None:
            self.release()
        return _due(row) if row else None


def _settled(outcome: Outcome) -> tuple[str, tuple[Any, ...]]:
    due = outcome.due
    counts = (due.tries, due.deferrals, outcome.at)
    if outcome.state == PENDING:
        return "EXECUTE put_off_delivery (%s, %s, %s, %s, %s)", (
            *(due.letter.delivery_id, outcome.reason),
            *counts,
        )
    return "EXECUTE decide_delivery (%s, %s, %s, %s, %s, %s)", (
        *(due.letter.delivery_id, outcome.state, outcome.reason),
        *counts,
    )


def _due(row: Sequence[Any]) -> Due:
    values = iter(row)
    letter, state, standing, booking, change = ([*islice(values, len(names))] for names in _GROUPS)
    facts: dict[str, Any] = {"booking": booking_of(booking), "change": change_of(change)}
    return Due(Letter(**dict(zip(_LETTER_FIELDS, letter, strict=True)), **facts), *state, *standing)
