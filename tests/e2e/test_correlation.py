"""One id ties a request to everything that it causes, so that an operator finds all of it."""

from __future__ import annotations

import json
import secrets
from contextlib import closing
from typing import TYPE_CHECKING

import psycopg2
import requests
from kafka import TopicPartition
from rebook.cloudevents import event_of
from rebook.kafka import BOOKINGS, DELIVERIES, PARTITIONS, KafkaSettings, consumer
from rebook.settings import load
from servers.people import Team, somebody
from servers.waiting import until

if TYPE_CHECKING:
    from servers.local_stack import LocalStack

PATIENCE_S = 60


def on_topic(stack: LocalStack, name: str, correlation_id: str) -> set[str]:
    """The types of the topic's events that carry the id."""
    settings = load(KafkaSettings, stack.environment)
    partitions = [TopicPartition(settings.topic(name), number) for number in range(PARTITIONS[name])]
    with closing(consumer(settings, None)) as reader:
        reader.assign(partitions)
        ends = reader.end_offsets(partitions)
        events = []
        while any(reader.position(partition) < end for partition, end in ends.items()):
            for records in reader.poll(1_000).values():
                events += [event_of(record.headers, record.value) for record in records]
    return {event.type for event in events if event.correlation_id == correlation_id}


def in_log(stack: LocalStack, process: str, correlation_id: str) -> set[str]:
    """What a process's log says of it."""
    lines = (stack.data_dir / "logs" / f"{process}.log").read_text().splitlines()
    return {json.loads(line)["event"] for line in lines if correlation_id in line}


def letters_of(stack: LocalStack, correlation_id: str) -> set[str]:
    with (
        closing(psycopg2.connect(stack.environment["NOTIFIER_DATABASE_URL"])) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT letter FROM deliveries WHERE correlation_id = %s", (correlation_id,))
        return {letter for (letter,) in cursor.fetchall()}


def test_the_id_of_a_request_is_in_its_events_letters_and_logs(stack, smtp):
    stack.wait_ready()
    offered, ada, wanted = Team.logged_in(stack).offer(), somebody(), f"find-{secrets.token_hex(8)}"
    body = {
        "meeting_type": offered.slug,
        "starts_at": offered.start(),
        "customer": {"name": "Ada Example", "email": ada, "timezone": "UTC"},
    }
    answer = requests.post(
        f"{stack.url}/v1/bookings", json=body, headers={"X-Correlation-Id": wanted}, timeout=10
    )
    assert (answer.status_code, answer.headers["X-Correlation-Id"]) == (201, wanted)
    letter = smtp.wait_for(lambda letter: ada in letter.recipients, PATIENCE_S)
    assert letter.message["X-Correlation-Id"] == wanted
    assert on_topic(stack, BOOKINGS, wanted) == {"rebook.BookingConfirmed.v1"}
    until(lambda: on_topic(stack, DELIVERIES, wanted), PATIENCE_S, "an event about a letter")
    assert letters_of(stack, wanted) == {"confirmation", "team-confirmation"}
    until(
        lambda: in_log(stack, "booking-command-web", wanted) == {"request"}, PATIENCE_S, "the request's line"
    )
    until(lambda: in_log(stack, "notifier-worker", wanted), PATIENCE_S, "the letter in the worker's log")
