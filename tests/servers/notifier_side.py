"""The notifier's tables with made-up bookings in them, a sender whose clock a test moves, and what it did."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from notifier import bookings, deliveries
from notifier.database import connect
from notifier.gallery import BOOKED_AT, EVERYDAY, FIRST, SECOND, SETTINGS
from notifier.hands import Hands
from notifier.letters import (
    CANCELLED,
    CONFIRMED,
    REMINDER,
    RESCHEDULED,
    Booking,
    Call,
    Change,
    called_for,
)
from notifier.messages import Press
from notifier.outbox import Outbox, Patience, Shared
from notifier.patience import Breaker, Waits
from notifier.settings import SmtpSettings
from notifier.smtp import MailServer
from rebook.events import CUSTOMER
from rebook.manage_links import ManageLinks
from rebook.parking import ERROR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg2.extensions import connection as Connection  # noqa: N812

BOOKED = Change(1, CONFIRMED, FIRST, None, CUSTOMER, "", 0, BOOKED_AT)
MOVED = Change(2, RESCHEDULED, SECOND, FIRST, CUSTOMER, "", 1, BOOKED_AT)
GONE = Change(3, CANCELLED, SECOND, None, CUSTOMER, "", 2, BOOKED_AT)
A_SECOND = timedelta(seconds=1)
TRIES = 4
ADA, GRACE = "ada@example.com", "grace@example.org"


@dataclass
class Clock:
    moment: datetime = BOOKED_AT

    def __call__(self) -> datetime:
        return self.moment

    def pass_time(self, **parts: float) -> None:
        self.moment += timedelta(**parts)


@pytest.fixture(scope="module")
def notifier_tables(database):
    return database("notifier").with_tables("rebook", "notifier")


@pytest.fixture
def connection(notifier_tables) -> Iterator[Connection]:
    """Of a database whose earlier deliveries are all decided."""
    with closing(connect(notifier_tables.url)) as connection:
        with connection, connection.cursor() as cursor:
            cursor.execute("DELETE FROM delivery_events")
            cursor.execute("DELETE FROM deliveries")
        yield connection


@pytest.fixture
def clock() -> Clock:
    return Clock()


def new_shared(tries: int = TRIES) -> Shared:
    """Senders that wait 1, 2, 4 ... seconds, without jitter."""
    waits = Waits(A_SECOND, 60 * A_SECOND, jitter=lambda _low, high: high)
    press = Press(SETTINGS, ManageLinks(SETTINGS.manage_link_keys, SETTINGS.public_url))
    return Shared(press, Breaker(waits), Hands(), Patience(waits, tries, timedelta(hours=72)))


def new_outbox(port: int, clock: Clock, shared: Shared | None = None, **smtp: Any) -> Outbox:
    facts = {"smtp_security": "none", "smtp_ca_file": "", "smtp_user": "", "smtp_password": "", **smtp}
    settings = SmtpSettings("127.0.0.1", port, **facts, smtp_timeout_s=1)
    return Outbox(shared or new_shared(), MailServer(settings), clock)


def booked(connection: Connection, *changes: Change, **terms: Any) -> Booking:
    """A booking of its own to which these things happened, with their letters waiting."""
    booking = replace(EVERYDAY, booking_id=uuid4(), **terms)
    last = changes[-1]
    row = {name: getattr(booking, name) for name in bookings.BOOKING_COLUMNS}
    row |= {"team": list(booking.team), "reminders_minutes_before": []}
    row |= {"starts_at": last.slot.starts_at, "ends_at": last.slot.ends_at, "status": last.kind}
    row |= {"version": last.version, "changed_version": last.version}
    row |= {"calendar_sequence": last.calendar_sequence}
    with connection, connection.cursor() as cursor:
        columns, places = ", ".join(row), ", ".join(["%s"] * len(row))
        cursor.execute(f"INSERT INTO bookings ({columns}) VALUES ({places})", [*row.values()])
        for change in changes:
            bookings.record(cursor, booking.booking_id, change, "c-1")
            call_for(cursor, booking, change)
    return booking


def call_for(cursor: Any, booking: Booking, change: Change) -> None:
    cause = deliveries.Cause(booking.booking_id, change.version, "c-1")
    calls = called_for(change.kind, booking)
    deliveries.enqueue(
        cursor, [deliveries.New.of(cause, call, change.happened_at, "example.org") for call in calls]
    )


def remind(connection: Connection, booking: Booking, change: Change, minutes_before: int = 60) -> None:
    due_at = change.slot.starts_at - timedelta(minutes=minutes_before)
    call = Call(REMINDER, booking.customer_email)
    cause = deliveries.Cause(booking.booking_id, change.version, "c-1")
    new = deliveries.New.of(cause, call, due_at, "example.org", minutes_before)
    with connection, connection.cursor() as cursor:
        deliveries.enqueue(cursor, [new])


def park(cursor: Any, booking_id: UUID | str, kind: str = ERROR) -> None:
    """Let an event of that booking wait, whatever it may say."""
    cursor.execute(
        "INSERT INTO parked_events (source, stream, sequence, kind, reason, topic, key, headers) "
        "VALUES ('/booking-command/x', %s, 9, %s, 'why', 'rebook.bookings', %s, '[]')",
        (str(booking_id), kind, str(booking_id).encode()),
    )


def states(connection: Connection, booking: Booking) -> dict[tuple[str, int], str]:
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT letter, version, state FROM deliveries WHERE booking_id = %s", (booking.booking_id,)
        )
        return {(letter, version): state for letter, version, state in cursor.fetchall()}


def row_of(connection: Connection, booking: Booking, letter: str) -> dict[str, Any]:
    names = ("state", "tries", "deferrals", "outcomes", "reason")
    with connection, connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {', '.join(names)} FROM deliveries WHERE booking_id = %s AND letter = %s",
            (booking.booking_id, letter),
        )
        return dict(zip(names, cursor.fetchone(), strict=True))


def reported(connection: Connection) -> list[tuple[UUID, int, str]]:
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT outcome, state FROM delivery_events ORDER BY position")
        return cursor.fetchall()
