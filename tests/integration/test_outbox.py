"""Letters on their way: a real PostgreSQL, a real SMTP server that refuses, hangs up, stalls and is absent."""

from __future__ import annotations

import email
import email.policy
import threading
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import psycopg2
import pytest
from aiosmtpd.controller import Controller
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
from rebook.migrations import migrate
from rebook_infra.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from psycopg2.extensions import connection as Connection  # noqa: N812

BOOKED = Change(1, CONFIRMED, FIRST, None, CUSTOMER, "", 0, BOOKED_AT)
MOVED = Change(2, RESCHEDULED, SECOND, FIRST, CUSTOMER, "", 1, BOOKED_AT)
GONE = Change(3, CANCELLED, SECOND, None, CUSTOMER, "", 2, BOOKED_AT)
A_SECOND = timedelta(seconds=1)
TRIES = 4


@dataclass
class Clock:
    moment: datetime = BOOKED_AT

    def __call__(self) -> datetime:
        return self.moment

    def pass_time(self, **parts: float) -> None:
        self.moment += timedelta(**parts)


@dataclass
class MailServerDouble:
    """A real server whose answers a test decides; `None` takes the letter."""

    port: int = field(default_factory=free_port)
    at_data: Callable[[Any, str], str | None] = lambda _server, _to: None
    taken: list[tuple[str, str]] = field(default_factory=list)  # (recipient, subject)
    sources: list[bytes] = field(default_factory=list)
    sessions: int = 0
    _controller: Controller | None = None

    def start(self) -> None:
        self._controller = Controller(self, "127.0.0.1", self.port)
        self._controller.start()

    def stop(self) -> None:
        if self._controller:
            self._controller.stop()
            self._controller = None

    async def handle_EHLO(self, server, session, _envelope, hostname, responses):  # noqa: N802
        self.sessions += 1
        session.host_name = hostname
        return responses

    async def handle_DATA(self, server, _session, envelope) -> str:  # noqa: N802
        (recipient,) = envelope.rcpt_tos
        refusal = self.at_data(server, recipient)
        if refusal:
            return refusal
        source = envelope.original_content
        message = email.message_from_bytes(source, policy=email.policy.default)
        self.taken.append((recipient, str(message["Subject"]).partition(":")[0]))
        self.sources.append(source)
        return "250 Kept"


@pytest.fixture(scope="module")
def urls(database):
    fresh = database("notifier")
    with closing(psycopg2.connect(fresh.owner_url)) as owner:
        migrate(owner, [files("rebook") / "sql", files("notifier") / "sql"])
    return fresh


@pytest.fixture
def connection(urls) -> Iterator[Connection]:
    """Of a database whose earlier deliveries are all decided."""
    with closing(connect(urls.url)) as connection:
        with connection, connection.cursor() as cursor:
            cursor.execute("DELETE FROM delivery_events")
            cursor.execute("DELETE FROM deliveries")
        yield connection


@pytest.fixture
def mail() -> Iterator[MailServerDouble]:
    server = MailServerDouble()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def outbox(mail: MailServerDouble, clock: Clock) -> Iterator[Outbox]:
    sender = new_outbox(mail, clock)
    yield sender
    sender.close()


def new_outbox(mail: MailServerDouble, clock: Clock) -> Outbox:
    """A sender that waits 1, 2, 4 ... seconds, without jitter."""
    waits = Waits(A_SECOND, 60 * A_SECOND, jitter=lambda _low, high: high)
    press = Press(SETTINGS, ManageLinks(SETTINGS.manage_link_keys, SETTINGS.public_url))
    smtp = SmtpSettings("127.0.0.1", mail.port, "none", "", "", "", smtp_timeout_s=1)
    shared = Shared(press, Breaker(waits), Hands(), Patience(waits, TRIES, timedelta(hours=72)))
    return Outbox(shared, MailServer(smtp), clock)


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


def send_all(outbox: Outbox, connection: Connection) -> None:
    outbox.send_due(connection)


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


ADA, GRACE = "ada@example.com", "grace@example.org"


def test_letters_go_out_in_order_over_one_connection_and_each_is_reported(connection, mail, outbox):
    booked(connection, BOOKED, MOVED, GONE)
    send_all(outbox, connection)
    assert mail.taken == [
        (ADA, "Confirmed"),
        (GRACE, "New booking"),
        (ADA, "Rescheduled"),
        (GRACE, "Rescheduled"),
        (ADA, "Cancelled"),
        (GRACE, "Cancelled"),
    ]
    assert mail.sessions == 1
    assert reported(connection) == [(1, "sent")] * 6


def test_an_event_that_comes_again_sends_nothing_again(connection, mail, outbox):
    booking = booked(connection, BOOKED)
    send_all(outbox, connection)
    with connection, connection.cursor() as cursor:
        call_for(cursor, booking, BOOKED)
    send_all(outbox, connection)
    assert len(mail.taken) == 2


def test_a_letter_refused_for_now_holds_back_only_the_later_ones_of_its_person(
    connection, mail, outbox, clock
):
    booking = booked(connection, BOOKED, MOVED)
    mail.at_data = lambda _server, to: "451 4.7.1 Come back later" if to == ADA else None
    send_all(outbox, connection)
    assert mail.taken == [(GRACE, "New booking"), (GRACE, "Rescheduled")]
    assert row_of(connection, booking, "confirmation")["tries"] == 1
    mail.at_data = lambda _server, _to: None
    send_all(outbox, connection)
    assert len(mail.taken) == 2, "its wait is not over"


def test_a_letter_refused_for_now_goes_out_when_its_wait_is_over(connection, mail, outbox, clock):
    booking = booked(connection, BOOKED)
    mail.at_data = lambda _server, to: "452 Full" if to == ADA else None
    send_all(outbox, connection)
    mail.at_data = lambda _server, _to: None
    clock.pass_time(seconds=1)
    send_all(outbox, connection)
    assert mail.taken[-1] == (ADA, "Confirmed")
    assert row_of(connection, booking, "confirmation")["state"] == "sent"


def test_a_letter_refused_for_good_fails_at_once_and_frees_the_next(connection, mail, outbox):
    booking = booked(connection, BOOKED, MOVED)
    replies = iter(["550 5.1.1 <ada@example.com> unknown, see http://x/manage/token", None])
    mail.at_data = lambda _server, to: next(replies, None) if to == ADA else None
    send_all(outbox, connection)
    assert states(connection, booking)["confirmation", 1] == "failed"
    assert (ADA, "Rescheduled") in mail.taken
    reason = row_of(connection, booking, "confirmation")["reason"]
    assert reason == "The mail server answered: 550 5.1.1 unknown, see"
    assert (1, "failed") in reported(connection)


def test_a_letter_whose_tries_are_used_up_fails_and_frees_the_next(connection, mail, outbox, clock):
    booking = booked(connection, BOOKED)
    mail.at_data = lambda _server, to: "451 No" if to == ADA else None
    for _ in range(TRIES + 2):
        send_all(outbox, connection)
        clock.pass_time(seconds=60)
    row = row_of(connection, booking, "confirmation")
    assert (row["state"], row["tries"], row["outcomes"]) == ("failed", TRIES, 1)


def test_a_connection_lost_over_a_letter_is_tried_again_and_the_letter_comes_once(
    connection, mail, outbox, clock
):
    booked(connection, BOOKED, team=())
    hang_ups = iter([True, True])

    def hang_up(server: Any, _to: str) -> str | None:
        if next(hang_ups, False):
            server.transport.abort()
            return "250 never heard"
        return None

    mail.at_data = hang_up
    for _ in range(3):
        send_all(outbox, connection)
        clock.pass_time(seconds=2)
    assert sorted(mail.taken) == [(ADA, "Confirmed"), (GRACE, "New booking")]


def test_a_kept_connection_that_ended_meanwhile_counts_against_no_letter(connection, mail, outbox):
    booked(connection, BOOKED)
    send_all(outbox, connection)
    mail.stop()
    mail.start()
    again = booked(connection, BOOKED)
    send_all(outbox, connection)
    assert len(mail.taken) == 4
    assert row_of(connection, again, "confirmation")["tries"] == 0


def test_an_absent_server_touches_no_letter_and_is_probed_once_per_wait(connection, mail, outbox, clock):
    booking = booked(connection, BOOKED)
    mail.stop()
    assert not outbox.send_due(connection)
    assert outbox.shared.breaker.is_open
    mail.start()
    assert not outbox.send_due(connection), "the breaker is open"
    clock.pass_time(seconds=1)
    send_all(outbox, connection)
    assert len(mail.taken) == 2
    assert not outbox.shared.breaker.is_open
    row = row_of(connection, booking, "confirmation")
    assert (row["tries"], row["deferrals"]) == (0, 0)


def test_a_server_that_shuts_down_or_stalls_counts_against_no_letter(connection, mail, outbox, clock):
    booking = booked(connection, BOOKED)
    hold = threading.Event()
    answers = iter([lambda: "421 Shutting down", lambda: hold.wait(2) and None])
    mail.at_data = lambda _server, _to: next(answers, lambda: None)()
    for _ in range(2):
        send_all(outbox, connection)
        clock.pass_time(seconds=5)
    hold.set()
    send_all(outbox, connection)
    assert {to for to, _ in mail.taken} == {ADA, GRACE}
    assert [row_of(connection, booking, name)["tries"] for name in ("confirmation", "team-confirmation")] == [
        0,
        0,
    ]


def test_a_letter_that_fell_due_too_long_ago_is_skipped_and_says_so(connection, mail, outbox, clock):
    booking = booked(connection, BOOKED)
    clock.pass_time(hours=73)
    send_all(outbox, connection)
    assert mail.taken == []
    assert set(states(connection, booking).values()) == {"skipped"}
    assert reported(connection) == [(1, "skipped")] * 2


def test_a_late_letter_that_a_change_has_overtaken_is_skipped_and_the_later_one_goes(
    connection, mail, outbox, clock
):
    booking = booked(connection, BOOKED, replace(MOVED, happened_at=BOOKED_AT + timedelta(seconds=50)))
    clock.pass_time(seconds=61)
    send_all(outbox, connection)
    assert mail.taken == [(ADA, "Rescheduled"), (GRACE, "Rescheduled")]
    assert states(connection, booking)["confirmation", 1] == "skipped"


@pytest.mark.parametrize(
    ("changes", "at", "why"),
    [
        ([BOOKED, MOVED, GONE], FIRST.starts_at - timedelta(hours=1), "The meeting has been cancelled."),
        ([BOOKED, MOVED], FIRST.starts_at - timedelta(hours=1), "The meeting has been moved."),
        ([BOOKED], FIRST.starts_at, "The meeting has begun."),
    ],
)
def test_nobody_is_reminded_of_a_meeting_that_is_cancelled_moved_or_begun(
    connection, mail, outbox, clock, changes, at, why
):
    booking = booked(connection, *changes)
    send_all(outbox, connection)
    mail.taken.clear()
    remind(connection, booking, BOOKED)
    clock.moment = at
    send_all(outbox, connection)
    assert mail.taken == []
    assert row_of(connection, booking, "reminder")["reason"] == why


def test_a_late_reminder_of_a_meeting_still_to_come_is_sent(connection, mail, outbox, clock):
    booking = booked(connection, BOOKED)
    remind(connection, booking, BOOKED)
    clock.moment = FIRST.starts_at - timedelta(minutes=10)
    send_all(outbox, connection)
    assert (ADA, "Reminder") in mail.taken


def test_a_letter_that_cannot_be_written_fails_alone(connection, mail, outbox):
    bad = booked(connection, BOOKED, customer_timezone="Nowhere/Land")
    send_all(outbox, connection)
    assert mail.taken == [(GRACE, "New booking")]
    assert row_of(connection, bad, "confirmation")["state"] == "failed"


def test_a_second_sender_leaves_alone_what_the_first_has_on_the_wire(urls, connection, mail, outbox, clock):
    for _ in range(3):
        booked(connection, BOOKED, MOVED)
    elsewhere = MailServerDouble()
    elsewhere.start()
    second = new_outbox(elsewhere, clock)

    def let_the_second_send_all_it_can(_server: Any, _to: str) -> None:
        if not elsewhere.taken:
            with closing(connect(urls.url)) as own:
                send_all(second, own)

    mail.at_data = let_the_second_send_all_it_can
    send_all(outbox, connection)
    second.close()
    elsewhere.stop()
    ids = [email.message_from_bytes(source)["Message-ID"] for source in mail.sources + elsewhere.sources]
    assert len(ids) == len(set(ids)) == 12
    assert mail.taken == [(ADA, "Confirmed"), (ADA, "Rescheduled")]


def test_a_letter_that_was_taken_while_the_database_was_lost_is_not_sent_again(
    urls, connection, mail, outbox
):
    booked(connection, BOOKED)
    doomed = connect(urls.url)
    pid = doomed.info.backend_pid

    def lose_the_database(_server: Any, to: str) -> None:
        if to == ADA:
            with connection, connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(%s)", (pid,))

    mail.at_data = lose_the_database
    with pytest.raises((psycopg2.OperationalError, psycopg2.InterfaceError)):
        send_all(outbox, doomed)
    doomed.close()
    mail.at_data = lambda _server, _to: None
    send_all(outbox, connection)
    assert mail.taken == [(ADA, "Confirmed"), (GRACE, "New booking")]
    assert reported(connection) == [(1, "sent")] * 2
