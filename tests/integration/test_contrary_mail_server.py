"""Every letter arrives once and in order, whatever the mail server does meanwhile."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import pytest
from notifier.database import connect
from servers.contrary_smtp import ContrarySmtp
from servers.notifier_side import ADA, BOOKED, GONE, GRACE, MOVED, booked, new_outbox, row_of
from servers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from notifier.letters import Booking
    from notifier.outbox import Outbox
    from psycopg2.extensions import connection as Connection  # noqa: N812
    from servers.notifier_side import Clock

STALLS = ("greeting", "EHLO", "MAIL", "RCPT", "DATA", "dot")


@pytest.fixture
def mail() -> Iterator[ContrarySmtp]:
    server = ContrarySmtp()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def outbox(mail: ContrarySmtp, clock: Clock) -> Iterator[Outbox]:
    sender = new_outbox(mail.port, clock)
    yield sender
    sender.close()


def once(step: str, act: str, recipient: str = ADA, times: int = 1):
    """Do that at the first so many times that the step comes, as far as it is known about whom it is."""
    left = iter([act] * times)

    def at_step(now: str, whose: str) -> str | None:
        return next(left, None) if now == step and whose in {"", recipient} else None

    return at_step


def send_until_settled(outbox: Outbox, connection: Connection, clock: Clock) -> None:
    """Let time pass between tries until every letter is decided."""
    for _ in range(30):
        outbox.send_due(connection)
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM deliveries WHERE state = 'pending'")
            if cursor.fetchone() == (0,):
                return
        clock.pass_time(seconds=2)
    raise AssertionError("letters are still pending")


def counts(connection: Connection, booking: Booking) -> tuple[int, int]:
    """Tries and deferrals of the letter to the customer."""
    row = row_of(connection, booking, "confirmation")
    assert row["state"] == "sent"
    return row["tries"], row["deferrals"]


@pytest.mark.parametrize("step", STALLS)
def test_a_server_that_falls_silent_at_any_step_counts_against_no_letter(
    connection, mail, outbox, clock, step
):
    booking = booked(connection, BOOKED)
    mail.at_step = once(step, "stall")
    outbox.send_due(connection)
    assert outbox.shared.breaker.is_open
    assert mail.taken == []
    send_until_settled(outbox, connection, clock)
    assert counts(connection, booking)[0] == 0
    assert sorted(to for to, _ in mail.taken) == [ADA, GRACE]


def test_a_server_that_answers_no_connection_touches_no_letter(connection, clock):
    booking = booked(connection, BOOKED)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, ExitStack() as queued:
        for _ in range(3):
            waiting = queued.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        outbox = new_outbox(full.getsockname()[1], clock)
        assert outbox.send_due(connection) == 0
    assert outbox.shared.breaker.is_open
    row = row_of(connection, booking, "confirmation")
    assert (row["state"], row["tries"], row["deferrals"]) == ("pending", 0, 0)


@pytest.mark.parametrize(
    ("step", "reply", "tries"),
    [
        ("greeting", "421 Not now", 0),
        ("greeting", "554 No service", 0),
        ("MAIL", "421 Shutting down", 0),
        ("RCPT", "421 Shutting down", 0),
        ("dot", "421 Shutting down", 0),
        ("MAIL", "451 Later", 1),
        ("MAIL", "452 Full", 1),
        ("RCPT", "450 Greylisted", 1),
        ("RCPT", "451 Later", 1),
        ("RCPT", "452 Full", 1),
        ("DATA", "451 Later", 1),
        ("dot", "451 Later", 1),
        ("dot", "452 Full", 1),
    ],
)
def test_a_letter_refused_for_now_at_any_step_arrives_once_later(
    connection, mail, outbox, clock, step, reply, tries
):
    booking = booked(connection, BOOKED)
    mail.at_step = once(step, reply)
    send_until_settled(outbox, connection, clock)
    assert counts(connection, booking)[0] == tries
    assert sorted(to for to, _ in mail.taken) == [ADA, GRACE]


@pytest.mark.parametrize(
    ("step", "tries"), [("MAIL", 0), ("RCPT", 1), ("DATA", 1), ("middle", 1), ("dot", 1)]
)
def test_a_connection_lost_at_any_step_of_a_letter_is_made_again_and_the_letter_arrives_once(
    connection, mail, outbox, clock, step, tries
):
    booking = booked(connection, BOOKED)
    mail.at_step = once(step, "hang up")
    send_until_settled(outbox, connection, clock)
    assert counts(connection, booking)[0] == tries
    assert sorted(to for to, _ in mail.taken) == [ADA, GRACE]


@pytest.mark.parametrize("step", ["RCPT", "DATA", "dot"])
def test_a_recipient_refused_for_good_keeps_nobody_else_from_their_letters(
    connection, mail, outbox, clock, step
):
    booking = booked(connection, BOOKED, MOVED)
    mail.at_step = lambda now, whose: "550 No such mailbox" if (now, whose) == (step, ADA) else None
    outbox.send_due(connection)
    assert [to for to, _ in mail.taken] == [GRACE, GRACE]
    assert row_of(connection, booking, "confirmation")["state"] == "failed"
    assert mail.steps["connect"] == 1


def test_a_server_in_trouble_is_bothered_by_one_probe_at_a_time(notifier_tables, connection, mail, clock):
    first = new_outbox(mail.port, clock)
    second = new_outbox(mail.port, clock, first.shared)
    for _ in range(2):
        booked(connection, BOOKED)
    mail.at_step = lambda step, _whose: "stall" if step == "MAIL" else None
    first.send_due(connection)
    clock.pass_time(seconds=1)
    probe = threading.Thread(target=first.send_due, args=(connection,))
    probe.start()
    until(lambda: mail.steps["MAIL"] == 2, 5, "the probe")
    with closing(connect(notifier_tables.url)) as own:
        assert second.send_due(own) == 0
    probe.join()
    assert mail.steps["MAIL"] == 2
    for sender in (first, second):
        sender.close()


def test_a_server_that_is_away_for_long_costs_no_letter_its_tries_and_what_is_late_is_overtaken(
    connection, mail, outbox, clock
):
    stays, moves = booked(connection, BOOKED), booked(connection, BOOKED, MOVED, GONE)
    mail.stop()
    for _ in range(20):
        assert outbox.send_due(connection) == 0
        clock.pass_time(seconds=60)
    mail.start()
    send_until_settled(outbox, connection, clock)
    assert counts(connection, stays) == (0, 0)
    assert [
        row_of(connection, moves, name)["state"] for name in ("confirmation", "rescheduled", "cancelled")
    ] == [
        "skipped",
        "skipped",
        "sent",
    ]
    assert len(mail.taken) == len(set(mail.ids())) == 4


def test_letters_of_one_person_keep_their_order_while_the_server_is_at_its_worst(connection, mail, clock):
    shared_outbox = new_outbox(mail.port, clock)
    bookings = [booked(connection, BOOKED, MOVED, GONE) for _ in range(4)]
    troubles = iter(["451 No", "421 Bye", "hang up", None, "stall", "452 No", None, "hang up", "451 No"] * 3)
    mail.at_step = lambda step, _whose: next(troubles, None) if step in {"RCPT", "dot"} else None
    send_until_settled(shared_outbox, connection, clock)
    shared_outbox.close()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT message_id, booking_id, recipient, version FROM deliveries WHERE state = 'sent'"
        )
        sent = {
            message_id: ((booking, recipient), version) for message_id, booking, recipient, version in cursor
        }
    assert sorted(mail.ids()) == sorted(sent)
    arrived: dict[object, list[int]] = {}
    for message_id in mail.ids():
        person, version = sent[message_id]
        arrived.setdefault(person, []).append(version)
    assert len(arrived) == 2 * len(bookings)
    assert all(versions == sorted(versions) and versions[-1] == 3 for versions in arrived.values())
