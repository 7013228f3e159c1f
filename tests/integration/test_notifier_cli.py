"""What an operator of the notifier sees and does at the console."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from click.testing import CliRunner
from notifier.cli import main
from rebook.cloudevents import Event
from rebook.events import BOOKING_CANCELLED
from servers.notifier_side import ADA, BOOKED, GRACE, MOVED, booked, new_outbox, row_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

    Run = Callable[..., Result]


@pytest.fixture
def run(notifier_tables) -> Run:
    """Runs a command of the notifier on the tests' tables."""
    environment = {
        "NOTIFIER_DATABASE_URL": notifier_tables.url,
        "MAIL_FROM": "Rebook <bookings@example.org>",
    }
    return lambda *words: CliRunner().invoke(main, words, env=environment)


@pytest.fixture
def refused(connection, clock, smtp) -> Any:
    """A booking whose letter to the customer was refused for good."""
    booking = booked(connection, BOOKED)
    smtp.reply_with(lambda letter: "550 5.1.1 No such mailbox" if ADA in letter.recipients else None)
    outbox = new_outbox(smtp.port, clock)
    outbox.send_due(connection)
    smtp.reply_with(lambda _: None)
    yield booking
    outbox.close()


def ids(result: Result) -> list[str]:
    return [line.split()[0] for line in result.output.splitlines() if not line.startswith(" ")]


def test_deliveries_are_listed_by_state_letter_booking_and_recipient(run, refused, connection):
    other = booked(connection, BOOKED)
    listed = run("deliveries", "list", "--state", "failed")
    assert [listed.exit_code, len(ids(listed))] == [0, 1]
    assert f"confirmation to {ADA}, booking {refused.booking_id}" in listed.output
    assert "550 5.1.1 No such mailbox" in listed.output
    assert len(ids(run("deliveries", "list", "--letter", "team-confirmation"))) == 2
    assert len(ids(run("deliveries", "list", "--booking", str(other.booking_id), "--recipient", GRACE))) == 1
    assert len(ids(run("deliveries", "list", "--limit", "3"))) == 3
    assert run("deliveries", "list", "--recipient", "nobody@example.org").output == "none\n"


def test_one_delivery_is_shown_with_all_that_became_of_it(run, refused):
    [delivery] = ids(run("deliveries", "list", "--state", "failed"))
    shown = run("deliveries", "show", delivery)
    assert shown.exit_code == 0
    for fact in (delivery, str(refused.booking_id), ADA, "failed: The mail server answered: 550"):
        assert fact in shown.output
    unknown = run("deliveries", "show", str(uuid4()))
    assert (unknown.exit_code, "There is no delivery" in unknown.output) == (1, True)


def test_a_failed_letter_that_is_retried_goes_out_and_both_outcomes_are_told(
    run, refused, connection, clock, smtp
):
    assert run("deliveries", "retry", "--failed").exit_code == 0
    outbox = new_outbox(smtp.port, clock)
    clock.moment = datetime.now(UTC)  # a retry is due by the clock of the database
    outbox.send_due(connection)
    outbox.close()
    row = row_of(connection, refused, "confirmation")
    assert (row["state"], row["outcomes"]) == ("sent", 2)
    [delivery] = ids(run("deliveries", "list", "--booking", str(refused.booking_id), "--recipient", ADA))
    told = [
        line.split()[1].rstrip(":") for line in run("deliveries", "show", delivery).output.splitlines()[-2:]
    ]
    assert told == ["failed", "sent"]


def test_a_letter_that_was_sent_is_not_tried_again(run, refused, connection):
    [sent] = ids(run("deliveries", "list", "--state", "sent"))
    again = run("deliveries", "retry", sent)
    assert (again.exit_code, "was sent already" in again.output) == (1, True)
    assert row_of(connection, refused, "team-confirmation")["state"] == "sent"


def test_a_retry_says_what_it_wants_to_know(run):
    assert run("deliveries", "retry").exit_code == 2


def test_an_event_that_could_not_be_applied_is_listed_and_applied_once_it_can_be(
    run, connection, notifier_tables
):
    booking = booked(connection, BOOKED, MOVED)
    event_id = f"{booking.booking_id}:3"
    data = {"booking_id": str(booking.booking_id), "actor": "customer", "reason": "Ill"}
    moment = "2030-10-21T09:00:00Z"
    event = Event(
        event_id, "/booking-command/x", BOOKING_CANCELLED, str(booking.booking_id), moment, 3, 3, "c", data
    )
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO parked_events (source, stream, sequence, kind, reason, topic, headers, value) "
            "VALUES (%s, %s, 3, 'error', 'ValueError: once', 'rebook.bookings', %s, %s)",
            (event.source, event.subject, _headers(event), event.value()),
        )
    assert event_id in run("dead-letters", "list").output
    assert run("dead-letters", "retry", event_id).exit_code == 0
    assert row_of(connection, booking, "cancelled")["state"] == "pending"
    assert run("dead-letters", "list").output == "nothing waits\n"


def test_an_event_whose_subject_is_no_booking_is_discarded_all_the_same(run, connection):
    event = Event("x:1", "/booking-command/x", BOOKING_CANCELLED, "x", "2030-10-21T09:00:00Z", 1, 1, "c", {})
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO parked_events (source, stream, sequence, kind, reason, topic, headers, value) "
            "VALUES (%s, %s, 1, 'error', 'DataError: once', 'rebook.bookings', %s, %s)",
            (event.source, event.subject, _headers(event), event.value()),
        )
    assert "x:1 is discarded\n" in run("dead-letters", "discard", "x:1", "--reason", "made by a test").output
    assert run("dead-letters", "list").output == "nothing waits\n"


def _headers(event: Event) -> str:
    return json.dumps([[name, value.decode()] for name, value in event.headers()])
