"""`booking-command erase` on a real event store: what it takes out, what stays, and that it can be interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from booking_command.application import Bookings
from booking_command.cli import main
from booking_command.commands import Cancel, Conditions, Confirm, IdempotencyKey, Reschedule
from booking_command.erasure import Erasure
from booking_command.meeting_type import MeetingType
from booking_command.refusals import Busy
from booking_command.store import EventStore
from click.testing import CliRunner
from kafka.errors import TopicAuthorizationFailedError
from rebook import stale_topics
from rebook.kafka import KafkaSettings
from rebook.meeting_types import MeetingType as Terms
from rebook.settings import load
from rebook_infra.processes import script
from servers.command_side import MEETING_TYPE
from servers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    from click.testing import Result
    from servers.postgres import FreshDatabase

NOW = datetime(2030, 1, 1, tzinfo=UTC)
NINE = datetime(2030, 11, 5, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
ZED = {"name": "Zed Quux", "email": "Zed.Quux@example.org", "timezone": "Europe/London"}
BOB = {"name": "Bob Example", "email": "bob@example.org", "timezone": "Europe/London"}
PATIENCE_S = 30
STATES = "SELECT originator_id, convert_from(state, 'UTF8') FROM stored_events ORDER BY notification_id"
STUCK_FOR_LONG = (
    "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND now() - query_start > '3.5 s'"
)
WAITING = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND usename = current_user
"""


@pytest.fixture
def store(event_store) -> FreshDatabase:
    return event_store()


@pytest.fixture
def bookings(store: FreshDatabase) -> Iterator[Bookings]:
    with closing(EventStore(store.url, connections=8)) as stored:
        stored.append(MeetingType.define("intro", Terms.from_json(MEETING_TYPE), actor="hana@example.org"))
        yield Bookings(stored, now=lambda: NOW)


@pytest.fixture
def console(store: FreshDatabase) -> Callable[..., Result]:
    def run(*arguments: str) -> Result:
        variables = {
            "BOOKING_COMMAND_DATABASE_URL": store.url,
            "BOOKING_COMMAND_OWNER_DATABASE_URL": store.owner_url,
        }
        return CliRunner().invoke(main, arguments, env=variables)

    return run


def said(result: Result, code: int = 0) -> str:
    assert isinstance(result.exception, (SystemExit, type(None))), result.exception
    assert result.exit_code == code, result.output
    return result.output


def book(bookings: Bookings, customer: dict[str, str], hours: int, key: str = "") -> UUID:
    conditions = (
        Conditions(key=IdempotencyKey.of("public", key, "POST", "/v1/bookings", {})) if key else Conditions()
    )
    return bookings.confirm(
        Confirm("intro", NINE + hours * HOUR, customer, "Zed's notes"), conditions
    ).booking_id


def rows(store: FreshDatabase, query: str) -> list[Any]:
    with psycopg.connect(store.owner_url) as owner:
        return owner.execute(query).fetchall()


def personal(store: FreshDatabase) -> list[Any]:
    """Events that still say who the customer was, or what was typed about them."""
    return [
        state for _, state in rows(store, STATES) if any(word in state.lower() for word in ("zed", "quux"))
    ]


def test_erasing_blanks_every_event_of_that_customer_and_nothing_else(store, bookings, console):
    upcoming, gone = book(bookings, ZED, 0, key="zed's key"), book(bookings, ZED, 1)
    bookings.reschedule(Reschedule(gone, NINE + 5 * HOUR, actor="customer", reason="Zed is late"))
    bookings.cancel(Cancel(gone, actor="hana@example.org", reason="Zed is ill"))
    other = book(bookings, BOB, 2)
    before = dict(rows(store, STATES))[other]
    output = said(console("erase", "ZED.quux@Example.ORG", "--yes", "--patience-s", "0"), 1)
    assert "2 bookings, of which 1 upcoming" in output
    assert f"{upcoming} stands: 2030-11-05T09:00:00Z to 2030-11-05T09:30:00Z with hana@example.org" in output
    assert "the relay drops and refills them" in output
    assert not [state for state in personal(store) if "Bob" not in state]
    assert dict(rows(store, STATES))[other] == before
    assert rows(store, "SELECT * FROM idempotency_keys") == []
    assert rows(store, "SELECT topic FROM stale_topics") == [("bookings",)]
    assert len(rows(store, "SELECT FROM slot_holds")) == 2
    assert "nothing wrong" in said(console("verify"))
    assert "CustomerErased" in said(console("show", str(upcoming)))
    assert '"timezone":"Europe/London"' in dict(rows(store, STATES + " LIMIT 2"))[upcoming]


def test_erasing_again_finds_nobody_and_tells_of_topics_that_wait(store, bookings, console):
    book(bookings, ZED, 0)
    said(console("erase", ZED["email"], "--yes", "--patience-s", "0"), 1)
    events = rows(store, STATES)
    again = said(console("erase", ZED["email"], "--yes"), 1)
    assert "Nobody with that address has a booking. Topics still hold" in again
    assert rows(store, STATES) == events
    with psycopg.connect(store.owner_url) as owner:
        owner.execute("DELETE FROM stale_topics")
    assert (
        said(console("erase", ZED["email"], "--yes"), 1) == "Error: Nobody with that address has a booking.\n"
    )


def test_looking_for_a_customer_takes_as_long_as_it_takes(store, bookings, console):
    book(bookings, ZED, 0)
    with ThreadPoolExecutor(1) as pool:
        with psycopg.connect(store.owner_url) as owner:
            owner.execute("LOCK TABLE stored_events")
            erasing = pool.submit(console, "erase", ZED["email"], "--yes", "--patience-s", "0")
            until(lambda: erasing.done() or rows(store, STUCK_FOR_LONG), PATIENCE_S)
        assert "no personal data of 1 booking" in said(erasing.result(), 1)


def test_nothing_is_erased_where_nobody_can_be_asked(store, bookings, console):
    book(bookings, ZED, 0)
    assert "Say --yes" in said(console("erase", ZED["email"]), 2)
    assert "is not an e-mail address" in said(console("erase", "zed"), 2)
    assert personal(store)


def test_an_erasure_that_is_killed_half_way_is_finished_by_the_next(store, bookings, console):
    first, second = book(bookings, ZED, 0), book(bookings, ZED, 1)
    erased = "SELECT originator_id FROM stored_events WHERE topic = 'CustomerErased'"
    with psycopg.connect(store.owner_url) as owner:
        owner.execute("SELECT FROM stored_events WHERE originator_id = %s FOR UPDATE", (second,))
        process = subprocess.Popen(
            script("booking-command", "erase", ZED["email"], "--yes"),
            env={**os.environ, "BOOKING_COMMAND_OWNER_DATABASE_URL": store.owner_url},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(lambda: rows(store, erased) == [(first,)], PATIENCE_S, "the first booking's erasure")
        process.send_signal(signal.SIGKILL)
        process.wait()
        owner.execute(WAITING)  # its server process would go on when the lock is gone
    assert len(personal(store)) == 1
    assert rows(store, "SELECT topic FROM stale_topics") == [("bookings",)]
    assert "1 booking," in said(console("erase", ZED["email"], "--yes", "--patience-s", "0"), 1)
    assert personal(store) == []
    assert sorted(rows(store, erased)) == sorted([(first,), (second,)])


def test_a_rival_command_never_leaves_anything_behind(store, bookings):
    booking_id, stop = book(bookings, ZED, 0), threading.Event()

    def move(start: datetime) -> None:
        while not stop.is_set():
            with suppress(Busy):
                bookings.reschedule(
                    Reschedule(booking_id, start, actor="hana@example.org", reason="Zed asked")
                )

    with ThreadPoolExecutor(2) as pool, closing(EventStore(store.owner_url, connections=1)) as stored:
        rivals = [pool.submit(move, NINE + hours * HOUR) for hours in (1, 2)]

        def until_moved(events: int) -> None:
            until(lambda: len(rows(store, STATES)) > events or any(one.done() for one in rivals), PATIENCE_S)

        try:
            until_moved(10)
            Erasure(stored).erase(booking_id)
            until_moved(len(rows(store, STATES)) + 5)
        finally:
            stop.set()
        for rival in rivals:
            rival.result()
    assert personal(store) == []


class Forbidden:
    """Kafka, as it answers those who may not delete a topic."""

    def describe_topics(self, topics: list[str]) -> list[dict[str, Any]]:
        return [{"name": topic, "topic_id": topic, "error_code": 0} for topic in topics]

    def delete_topics(self, topics: list[str]) -> None:
        raise TopicAuthorizationFailedError(topics)


def test_a_topic_that_kafka_does_not_let_go_stays_noted_and_is_tried_again_later(store):
    settings = load(KafkaSettings, {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"})
    with psycopg.connect(store.url) as connection, connection.cursor() as cursor:
        stale_topics.note(cursor, "bookings")
        assert not stale_topics.drop_noted(cursor, Forbidden(), settings, "bookings")
    assert rows(store, "SELECT topic, try_at > now() FROM stale_topics") == [("bookings", True)]
