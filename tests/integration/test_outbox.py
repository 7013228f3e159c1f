"""Letters on their way: a real PostgreSQL, a real SMTP server that refuses, hangs up, stalls and is absent."""

from __future__ import annotations

import email
import email.policy
import threading
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from notifier.database import connect
from notifier.gallery import BOOKED_AT, FIRST
from rebook_infra.ports import free_port
from servers.notifier_side import (
    ADA,
    BOOKED,
    GONE,
    GRACE,
    MOVED,
    TRIES,
    Clock,
    booked,
    call_for,
    new_outbox,
    park,
    remind,
    reported,
    row_of,
    states,
)
from servers.smtp import HangingUpController

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from notifier.outbox import Outbox
    from psycopg2.extensions import connection as Connection  # noqa: N812


@dataclass
class MailServerDouble:
    """A real server whose answers a test decides; `None` takes the letter."""

    port: int = field(default_factory=free_port)
    at_data: Callable[[Any, str], str | None] = lambda _server, _to: None
    taken: list[tuple[str, str]] = field(default_factory=list)  # (recipient, subject)
    sources: list[bytes] = field(default_factory=list)
    sessions: int = 0
    _controller: HangingUpController | None = None

    def start(self) -> None:
        self._controller = HangingUpController(self, "127.0.0.1", self.port)
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


@pytest.fixture
def mail() -> Iterator[MailServerDouble]:
    server = MailServerDouble()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def outbox(mail: MailServerDouble, clock: Clock) -> Iterator[Outbox]:
    sender = new_outbox(mail.port, clock)
    yield sender
    sender.close()


def send_all(outbox: Outbox, connection: Connection) -> None:
    outbox.send_due(connection)


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


def test_a_connection_that_grows_old_is_replaced_between_two_letters_and_never_within_one(
    connection, mail, outbox, monkeypatch
):
    monkeypatch.setattr("notifier.smtp._IDLE_MAX_S", 0.0)
    booking = booked(connection, BOOKED)
    send_all(outbox, connection)
    assert set(states(connection, booking).values()) == {"sent"}
    assert [to for to, _ in mail.taken] == [ADA, GRACE]


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


def test_a_letter_that_the_server_choked_on_counts_as_late_once_a_change_has_overtaken_it(
    connection, mail, outbox, clock
):
    booking = booked(connection, BOOKED, MOVED)
    replies = iter(["421 Shutting down"])
    mail.at_data = lambda _server, to: next(replies, None) if to == ADA else None
    for _ in range(2):
        send_all(outbox, connection)
        clock.pass_time(seconds=5)
    decided = states(connection, booking)
    assert (decided["confirmation", 1], decided["team-confirmation", 1]) == ("skipped", "sent")
    assert (ADA, "Rescheduled") in mail.taken


def test_a_letter_that_an_operator_released_is_as_young_as_that(connection, mail, outbox, clock):
    booking = booked(connection, BOOKED)
    clock.pass_time(hours=100)
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "UPDATE deliveries SET released_at = %s WHERE letter = 'confirmation'", (clock.moment,)
        )
    send_all(outbox, connection)
    assert mail.taken == [(ADA, "Confirmed")]
    assert states(connection, booking)["team-confirmation", 1] == "skipped"


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


def test_a_reminder_in_the_queue_waits_while_an_event_of_its_booking_is_parked_and_then_is_judged_anew(
    connection, mail, outbox, clock
):
    booking = booked(connection, BOOKED)
    send_all(outbox, connection)
    mail.taken.clear()
    remind(connection, booking, BOOKED)
    with connection.cursor() as cursor:
        park(cursor, booking.booking_id)
    clock.moment = FIRST.starts_at - timedelta(hours=1)
    send_all(outbox, connection)
    assert states(connection, booking)["reminder", 1] == "pending"
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM parked_events")
        cursor.execute(
            "UPDATE bookings SET status = 'cancelled' WHERE booking_id = %s", (booking.booking_id,)
        )
    send_all(outbox, connection)
    assert mail.taken == []
    assert row_of(connection, booking, "reminder")["reason"] == "The meeting has been cancelled."


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


def test_a_second_sender_leaves_alone_what_the_first_has_on_the_wire(
    notifier_tables, connection, mail, outbox, clock
):
    for _ in range(3):
        booked(connection, BOOKED, MOVED)
    elsewhere = MailServerDouble()
    elsewhere.start()
    second = new_outbox(elsewhere.port, clock)

    def let_the_second_send_all_it_can(_server: Any, _to: str) -> None:
        if not elsewhere.taken:
            with closing(connect(notifier_tables.url)) as own:
                send_all(second, own)

    mail.at_data = let_the_second_send_all_it_can
    send_all(outbox, connection)
    second.close()
    elsewhere.stop()
    ids = [email.message_from_bytes(source)["Message-ID"] for source in mail.sources + elsewhere.sources]
    assert len(ids) == len(set(ids)) == 12
    assert mail.taken == [(ADA, "Confirmed"), (ADA, "Rescheduled")]


def test_a_letter_on_the_wire_of_a_sender_that_lost_its_database_is_left_alone_by_the_others(
    notifier_tables, connection, mail, outbox, clock
):
    booked(connection, BOOKED, team=(), host_email=ADA)
    doomed, own = connect(notifier_tables.url), connect(notifier_tables.url)
    other = new_outbox(mail.port, clock, outbox.shared)
    attempts = []

    def lose_the_database(_server: Any, _to: str) -> None:
        if not attempts:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(%s, 2000)", (doomed.info.backend_pid,))
            attempts.append(other.send_due(own))

    mail.at_data = lose_the_database
    with closing(doomed), pytest.raises((psycopg2.OperationalError, psycopg2.InterfaceError)):
        send_all(outbox, doomed)
    assert attempts == [0]
    send_all(other, own)
    other.close()
    own.close()
    assert mail.taken == [(ADA, "Confirmed"), (ADA, "New booking")]


def test_a_sender_that_began_on_empty_tables_looks_at_few_rows_when_there_are_many(connection, clock):
    new_outbox(free_port(), clock).send_due(connection)
    for _ in range(100):
        booked(connection, BOOKED)
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE take_delivery (%s)", (BOOKED_AT,))
        (((plan,),),) = cursor.fetchall()
    assert rows_looked_at(plan["Plan"]) <= 10


def rows_looked_at(node: dict[str, Any]) -> float:
    own = (
        node["Actual Rows"]
        + node.get("Rows Removed by Filter", 0)
        + node.get("Rows Removed by Join Filter", 0)
    )
    return own * node["Actual Loops"] + sum(map(rows_looked_at, node.get("Plans", [])))


def test_a_letter_that_was_taken_while_the_database_was_lost_is_not_sent_again(
    notifier_tables, connection, mail, outbox
):
    booked(connection, BOOKED)
    doomed = connect(notifier_tables.url)
    pid = doomed.info.backend_pid

    def lose_the_database(_server: Any, to: str) -> None:
        if to == ADA:
            with connection, connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(%s, 2000)", (pid,))

    mail.at_data = lose_the_database
    with pytest.raises((psycopg2.OperationalError, psycopg2.InterfaceError)):
        send_all(outbox, doomed)
    doomed.close()
    mail.at_data = lambda _server, _to: None
    send_all(outbox, connection)
    assert mail.taken == [(ADA, "Confirmed"), (GRACE, "New booking")]
    assert reported(connection) == [(1, "sent")] * 2
