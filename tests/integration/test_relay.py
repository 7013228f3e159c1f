"""The relay on a real event store and a real broker: in order, at least once, one at a time, refilled when lost."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from importlib.resources import files
from typing import TYPE_CHECKING

import psycopg
import pytest
from booking_command.lease import Lease, LeaseLost
from booking_command.relay import TopicsChanged, run
from booking_command.settings import RelaySettings
from booking_command.store import EventStore
from booking_command.team import TeamMember
from rebook.cloudevents import event_of
from rebook.kafka import admin, consumer
from rebook.migrations import migrate
from rebook.settings import load
from rebook_infra.ports import free_port
from servers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rebook.cloudevents import Event

PATIENCE_S = 30


@pytest.fixture
def settings(database, kafka, topic_prefix) -> RelaySettings:
    fresh = database("relay")
    with psycopg.connect(fresh.owner_url) as owner:
        migrate(owner, [files("booking_command") / "sql"])
    environment = {
        "BOOKING_COMMAND_DATABASE_URL": fresh.url,
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "TOPIC_PREFIX": topic_prefix,
        "BOOKING_COMMAND_RELAY_PORT": str(free_port()),
        "RELAY_LEASE_S": "2",
    }
    return load(RelaySettings, environment)


@contextmanager
def running(settings: RelaySettings) -> Iterator[list[BaseException]]:
    """A relay in a thread; yields what ended it, if anything did."""
    stop, ended = threading.Event(), []

    def relay() -> None:
        try:
            run(settings, stop)
        except Exception as error:  # told to the test
            ended.append(error)

    thread = threading.Thread(target=relay)
    thread.start()
    try:
        yield ended
    finally:
        stop.set()
        thread.join(PATIENCE_S)


def team_changes(settings: RelaySettings, email: str) -> None:
    """Three events of one stream."""
    store = EventStore(settings.database_url, connections=1)
    member = TeamMember.add(email)
    member.change_password()
    member.remove()
    store.append(member)
    store.close()


def published(settings: RelaySettings, count: int) -> list[Event]:
    """The first `count` events on the team's topic."""
    found: list[Event] = []
    reader = consumer(settings, None)
    until(lambda: settings.topic("team") in reader.topics(), PATIENCE_S)
    reader.subscribe([settings.topic("team")])

    def enough() -> bool:
        for records in reader.poll(timeout_ms=500).values():
            found.extend(event_of(record.headers, record.value) for record in records)
        return len(found) >= count

    until(enough, PATIENCE_S)
    reader.close()
    return found


def test_what_is_stored_is_published_in_the_order_of_its_stream(settings):
    team_changes(settings, "ada@example.org")
    with running(settings):
        team_changes(settings, "bob@example.org")
        events = published(settings, 6)
    assert [event.sequence for event in events] == [1, 2, 3, 1, 2, 3]
    assert [event.position for event in events] == sorted(event.position for event in events)


def test_a_relay_that_starts_again_repeats_nothing_it_knows_of(settings):
    for email in ("ada@example.org", "bob@example.org"):
        team_changes(settings, email)
        with running(settings):
            published(settings, 3)
    assert [event.sequence for event in published(settings, 6)] == [1, 2, 3, 1, 2, 3]


def test_a_topic_that_was_lost_is_filled_again(settings):
    team_changes(settings, "ada@example.org")
    with running(settings) as ended:
        published(settings, 3)
        with admin(settings) as client:
            client.delete_topics([settings.topic("team")])
        until(lambda: ended, PATIENCE_S)
    assert isinstance(ended[0], TopicsChanged)
    with running(settings):
        assert [event.sequence for event in published(settings, 3)] == [1, 2, 3]


def test_a_standby_takes_over_from_a_relay_that_went_silent(settings):
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        silent = Lease(connection, "silent", settings.lease_s)
        assert silent.take()
        assert not Lease(connection, "standby", settings.lease_s).take()
        team_changes(settings, "ada@example.org")
        with running(settings):
            published(settings, 3)
        with pytest.raises(LeaseLost):
            silent.advance([settings.topic("team")], 1)
