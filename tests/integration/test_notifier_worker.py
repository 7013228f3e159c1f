"""The notifier's worker process whole: Kafka in, SMTP out, and what became of each letter back to Kafka."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg2
import pytest
import requests
from rebook.cloudevents import Event
from rebook.events import EMAIL_FAILED, EMAIL_SENT, check
from rebook.kafka import BOOKINGS, DELIVERIES, KafkaSettings, admin, ensure_topic
from rebook.manage_links import ManageLinks
from rebook.settings import load
from rebook.topic_reader import read_to_end
from rebook_infra.ports import free_port
from rebook_infra.processes import script
from servers.stories import Story, publish
from servers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE_S = 30


@pytest.fixture
def environment(database, kafka, topic_prefix, smtp) -> dict[str, str]:
    return {
        **os.environ,
        **fresh_database(database),
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "TOPIC_PREFIX": topic_prefix,
        "PUBLIC_URL": "http://127.0.0.1:8000",
        "MANAGE_LINK_KEYS": "k" * 40,
        "MAIL_FROM": "Rebook <bookings@example.org>",
        "SMTP_HOST": smtp.host,
        "SMTP_PORT": str(smtp.port),
        "NOTIFIER_WORKER_PORT": str(free_port()),
    }


def fresh_database(database) -> dict[str, str]:
    return {"NOTIFIER_DATABASE_URL": database("notifier").with_tables("rebook", "notifier").url}


@pytest.fixture
def settings(environment) -> KafkaSettings:
    found = load(KafkaSettings, environment)
    with admin(found) as client:
        ensure_topic(client, found, BOOKINGS)
    return found


@contextmanager
def worker(environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A worker process that is ready; it must stop cleanly when it is told to."""
    process = subprocess.Popen(script("notifier", "worker"), env=environment, stdout=subprocess.PIPE)
    try:
        url = f"http://127.0.0.1:{environment['NOTIFIER_WORKER_PORT']}/readyz"
        until(lambda: answers(url), PATIENCE_S)
        yield process
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=6)
        process.log = output.splitlines()
        assert process.returncode == 0
        assert b"@" not in output.replace(b"@timestamp", b""), "an address was logged"
    finally:
        process.kill()
        process.wait()


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=1).ok
    except requests.RequestException:
        return False


def somebody(**facts: Any) -> Story:
    """A booking of a meeting in three days, unless said otherwise, with no reminders."""
    in_three_days = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)
    return Story(uuid4(), **{"starts_at": in_three_days, "reminders_minutes": (), **facts})


def told(settings: KafkaSettings, booking: Story) -> list[tuple[str, str]]:
    """Type and recipient of what the deliveries topic says about a booking, in the order of recipients."""
    events = [event for event in read_to_end(settings, DELIVERIES) if event.subject == str(booking.id)]
    assert not any(check(event.type, event.data) for event in events)
    return sorted(((event.type, event.data["recipient"]) for event in events), key=lambda said: said[1])


def test_a_booking_is_mailed_and_reported_and_a_worker_without_a_memory_mails_nothing_again(
    environment, settings, smtp, database
):
    booking = somebody()
    with worker(environment):
        publish(settings, [booking.begins()])
        smtp.wait_for(lambda letter: booking.host in letter.recipients)
        until(lambda: len(told(settings, booking)) == 2, PATIENCE_S)
    assert told(settings, booking) == [(EMAIL_SENT, booking.customer), (EMAIL_SENT, booking.host)]
    with worker(environment | fresh_database(database)):
        publish(settings, [booking.ends()])
        smtp.wait_for(lambda letter: booking.host in letter.recipients and "Cancelled" in letter.subject)
    subjects = [letter.subject.partition(":")[0] for letter in smtp.letters(booking.customer)]
    assert subjects == ["Confirmed", "Cancelled"]


def test_a_lost_table_is_refilled_without_a_customer_who_has_been_erased_since(
    environment, settings, smtp, database
):
    booking = somebody(reminders_minutes=(60,))
    with worker(environment):
        publish(settings, [booking.begins()])
        until(lambda: len(told(settings, booking)) == 2, PATIENCE_S)
    publish(settings, [booking.is_erased()])
    fresh = environment | fresh_database(database)
    with worker(fresh):
        until(
            lambda: sorted(told(settings, booking)) == [(EMAIL_SENT, ""), (EMAIL_SENT, booking.host)],
            PATIENCE_S,
        )
        assert booking.customer not in rows(fresh)
    assert len(smtp.letters(booking.customer)) == len(smtp.letters(booking.host)) == 1


def test_a_worker_that_starts_again_reads_only_what_is_new_unless_rows_were_lost(
    environment, settings, smtp, database
):
    booking = somebody()
    with worker(environment):
        publish(settings, [booking.begins()])
        until(lambda: len(told(settings, booking)) == 2, PATIENCE_S)
    assert [started(environment) for _ in range(2)] == [(2, 0), (0, 0)]
    connection = psycopg2.connect(environment["NOTIFIER_DATABASE_URL"])
    with closing(connection), connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM deliveries WHERE letter = 'confirmation'")
        cursor.execute("DELETE FROM delivery_events WHERE state = 'sent'")
    assert started(environment) == (2, 2)
    assert len(smtp.letters(booking.customer)) == 1


def test_records_that_no_table_can_hold_are_passed_over_and_the_others_beside_them_are_not(
    environment, settings
):
    wrong = [{"delivery_id": None}, {"event_id": "foo"}, {"minutes_before": 2**40}, {"message_id": "\0"}]
    records = [email_sent(**facts) for facts in ({}, *wrong, {})]
    with admin(settings) as client:
        ensure_topic(client, settings, DELIVERIES)
    publish(settings, records, to=DELIVERIES)
    assert [started(environment) for _ in range(2)] == [(6, 2), (0, 0)]


def email_sent(**facts: Any) -> Event:
    ids = {name: str(uuid4()) for name in ("delivery_id", "booking_id")}
    letter = {"letter": "confirmation", "recipient": "ada@example.org", "message_id": "<1@example.org>"}
    data = {**ids, **letter, "event_id": f"{ids['booking_id']}:1", "minutes_before": None, **facts}
    moment = "2030-11-05T14:00:00Z"
    return Event("a:1", "/notifier", EMAIL_SENT, ids["booking_id"], moment, 1, 1, "c", data)


def started(environment: dict[str, str]) -> tuple[int, int]:
    """How much of the deliveries topic a worker read at its start, and how much of it its tables had lost."""
    with worker(environment) as process:
        pass
    lines = [json.loads(line) for line in process.log]
    [said] = [line for line in lines if line["event"] == "deliveries topic read to its end"]
    return said["read"], said["restored"]


def test_a_worker_goes_on_after_a_rebuild_beside_it(environment, settings, smtp):
    booking = somebody()
    with worker(environment):
        publish(settings, [booking.begins()])
        until(lambda: len(told(settings, booking)) == 2, PATIENCE_S)
        rebuilt = subprocess.run(
            script("notifier", "rebuild"), env=environment, capture_output=True, text=True
        )
        assert rebuilt.stdout.startswith("1 events read, 1 bookings known\n"), rebuilt.stderr
        publish(settings, [booking.ends()])
        until(lambda: len(told(settings, booking)) == 4, PATIENCE_S)
    subjects = [letter.subject.partition(":")[0] for letter in smtp.letters(booking.customer)]
    assert subjects == ["Confirmed", "Cancelled"]


def test_a_lost_topic_is_told_everything_again_while_the_worker_runs(environment, settings, smtp):
    booking = somebody()
    with worker(environment):
        publish(settings, [booking.begins()])
        until(lambda: len(told(settings, booking)) == 2, PATIENCE_S)
        with admin(settings) as client:
            client.delete_topics([settings.topic(DELIVERIES)])
        until(lambda: told(settings, booking) != [], PATIENCE_S)
        assert set(told(settings, booking)) == {(EMAIL_SENT, booking.customer), (EMAIL_SENT, booking.host)}
    assert len(smtp.letters(booking.customer)) == 1


def test_a_reminder_goes_out_within_seconds_of_falling_due(environment, settings, smtp):
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=1, seconds=8)
    booking = somebody(starts_at=soon, reminders_minutes=(1, 60))
    with worker(environment):
        publish(settings, [booking.begins()])
        reminder = smtp.wait_for(
            lambda letter: booking.customer in letter.recipients and letter.subject.startswith("Reminder"), 30
        )
    assert "/reschedule" in reminder.text
    assert [letter.subject.partition(":")[0] for letter in smtp.letters(booking.customer)] == [
        "Confirmed",
        "Reminder",
    ]


def test_no_log_line_topic_metric_row_or_letter_to_the_team_holds_a_manage_token(environment, settings, smtp):
    booking = somebody()
    links = ManageLinks((environment["MANAGE_LINK_KEYS"],), environment["PUBLIC_URL"])
    url, signature = links.url(booking.id), links.token(booking.id).partition(".")[2]
    smtp.reply_with(
        lambda letter: f"550 Spam: {url}/cancel {signature}" if signature in letter.text else None
    )
    with worker(environment) as process:
        publish(settings, [booking.begins()])
        until(lambda: len(told(settings, booking)) == 2, PATIENCE_S)
        metrics = requests.get(
            f"http://127.0.0.1:{environment['NOTIFIER_WORKER_PORT']}/metrics", timeout=5
        ).text
    smtp.reply_with(lambda _: None)
    assert told(settings, booking)[0] == (EMAIL_FAILED, booking.customer)
    said = [str(process.log), metrics, rows(environment)]
    said += [str(event) for name in (BOOKINGS, DELIVERIES) for event in read_to_end(settings, name)]
    said += [letter.source.decode() + letter.text + letter.html for letter in smtp.letters(booking.host)]
    assert "deliveries_decided_total" in metrics
    assert not any(signature in text for text in said)


def rows(environment: dict[str, str]) -> str:
    """Everything in the notifier's tables."""
    connection = psycopg2.connect(environment["NOTIFIER_DATABASE_URL"])
    found = ""
    with closing(connection), connection, connection.cursor() as cursor:
        for table in (
            "bookings",
            "changes",
            "deliveries",
            "delivery_events",
            "reminders",
            "consumer_offsets",
        ):
            cursor.execute(f"SELECT * FROM {table}")
            found += str(cursor.fetchall())
    return found
