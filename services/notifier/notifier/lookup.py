"""Deliveries as an operator asks for them, and the letter that is let go once more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from notifier.deliveries import SENT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from uuid import UUID

    from psycopg2.extensions import cursor as Cursor  # noqa: N812

_COLUMNS = (
    *("delivery_id", "booking_id", "version", "letter", "recipient", "minutes_before", "message_id"),
    *("correlation_id", "state", "reason", "fell_due_at", "next_try_at", "tries", "deferrals", "outcomes"),
)
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM deliveries WHERE"  # noqa: S608
_OF_LOST_EVENTS = """
    NOT EXISTS (SELECT FROM changes c WHERE c.booking_id = deliveries.booking_id
                AND c.version = deliveries.version AND c.source = deliveries.source)
"""
_RELEASE = f"""
    UPDATE deliveries SET state = 'pending', reason = '', tries = 0, deferrals = 0,
                          next_try_at = now(), released_at = now()
    WHERE delivery_id = %s AND state <> %s AND NOT ({_OF_LOST_EVENTS})
"""  # noqa: S608 - a constant


@dataclass(frozen=True)
class Wanted:
    """Which deliveries are asked for; what is None is not asked about."""

    state: str | None = None
    letter: str | None = None
    booking_id: UUID | None = None
    recipient: str | None = None
    lost: bool = False  # only of events that were lost when the store was restored

    def condition(self) -> tuple[str, list[Any]]:
        """As SQL, with its values."""
        asked = {name: value for name, value in vars(self).items() if value is not None and name != "lost"}
        also = [_OF_LOST_EVENTS] if self.lost else []
        return " AND ".join(["TRUE", *also, *(f"{name} = %s" for name in asked)]), list(asked.values())


class Found(NamedTuple):
    """A delivery with all that is known about it, in the order of its columns."""

    delivery_id: UUID
    booking_id: UUID
    version: int
    letter: str
    recipient: str
    minutes_before: int | None
    message_id: str
    correlation_id: str
    state: str
    reason: str
    fell_due_at: datetime
    next_try_at: datetime
    tries: int
    deferrals: int
    outcomes: int


class Decision(NamedTuple):
    """One time that a letter's fate was decided."""

    state: str
    reason: str
    happened_at: datetime


def newest(cursor: Cursor, wanted: Wanted, limit: int) -> list[Found]:
    """The deliveries made last, newest first."""
    condition, values = wanted.condition()
    cursor.execute(f"{_SELECT} {condition} ORDER BY number DESC LIMIT %s", (*values, limit))
    return [Found(*row) for row in cursor.fetchall()]


def one(cursor: Cursor, delivery_id: UUID) -> Found | None:
    cursor.execute(f"{_SELECT} delivery_id = %s", (delivery_id,))
    row = cursor.fetchone()
    return Found(*row) if row else None


def history(cursor: Cursor, delivery_id: UUID) -> Iterator[Decision]:
    """What was decided, oldest first."""
    cursor.execute(
        "SELECT state, reason, happened_at FROM delivery_events WHERE delivery_id = %s ORDER BY outcome",
        (delivery_id,),
    )
    return (Decision(*row) for row in cursor.fetchall())


def failed(cursor: Cursor) -> list[UUID]:
    """Every letter that counts as failed, oldest first."""
    cursor.execute("SELECT delivery_id FROM deliveries WHERE state = 'failed' ORDER BY number")
    return [delivery_id for (delivery_id,) in cursor.fetchall()]


def release(cursor: Cursor, delivery_id: UUID) -> bool:
    """Have a letter tried again now, all its tries before it; False where it has been sent already.

    So it is where it would tell of an event that was lost when the store was restored.
    """
    cursor.execute(_RELEASE, (delivery_id, SENT))
    return bool(cursor.rowcount)
