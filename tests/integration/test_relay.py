"""The relay on a real event store and a real broker: in order, at least once, one at a time, refilled when lost."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

import psycopg
import pytest
import requests
from booking_command.lease import Lease, LeaseLost
from booking_command.owned_topics import OWNED
from booking_command.relay import HistoryChanged, TopicsChanged, run
from booking_command.restoring import go_on_as_another
from booking_command.settings import RelaySettings
from booking_command.store import EventStore
from booking_command.team import TeamMember
from rebook.cloudevents import event_of
from rebook.kafka import admin, consumer, ensure_topic, topic_ids
from rebook.settings import load
from rebook_infra.ports import free_port
from rebook_infra.processes import script
from servers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rebook.cloudevents import Event

PATIENCE_S = 30


@pytest.fixture
def environment(event_store, kafka, topic_prefix) -> dict[str, str]:
    fresh = event_store()
    return {
        "BOOKING_COMMAND_DATABASE_URL": fresh.url,
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "TOPIC_PREFIX": topic_prefix,
        "BOOKING_COMMAND_RELAY_PORT": str(free_port()),
        "RELAY_LEASE_S": "2",
    }


@pytest.fixture
def settings(environment) -> RelaySettings:
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


class RelayProcess:
    """`booking-command relay` as it runs in production, with a port of its own."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self.port = free_port()
        self._log = log
        own = {"BOOKING_COMMAND_RELAY_PORT": str(self.port)}
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                script("booking-command", "relay"),
                env={**os.environ, **environment, **own},
                stdout=output,
                stderr=output,
            )

    def said(self) -> str:
        return self._log.read_text()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()

    def metric(self, name: str) -> float:
        text = requests.get(f"http://127.0.0.1:{self.port}/metrics", timeout=5).text
        [value] = [line.split()[1] for line in text.splitlines() if line.startswith(f"{name} ")]
        return float(value)


@pytest.fixture
def relay_process(environment, tmp_path) -> Iterator[Callable[[], RelayProcess]]:
    """Starts a relay process; all are gone after the test."""
    started: list[RelayProcess] = []

    def start() -> RelayProcess:
        started.append(RelayProcess(environment, tmp_path / f"relay-{len(started)}.log"))
        return started[-1]

    yield start
    for relay in started:
        relay.close()


def team_changes(settings: RelaySettings, email: str) -> None:
    """Three events of one stream."""
    store = EventStore(settings.database_url, connections=1)
    member = TeamMember.add(email)
    member.change_password()
    member.remove()
    store.append(member)
    store.close()


def published(settings: RelaySettings, count: int) -> list[Event]:
    """What is on the team's topic, repeats included, up to `count` different events."""
    found: list[Event] = []
    reader = consumer(settings, None)
    until(lambda: settings.topic("team") in reader.topics(), PATIENCE_S)
    reader.subscribe([settings.topic("team")])

    def enough() -> bool:
        for records in reader.poll(timeout_ms=500).values():
            found.extend(event_of(record.headers, record.value) for record in records)
        return len({event.id for event in found}) >= count

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
    for email, count in (("ada@example.org", 3), ("bob@example.org", 6)):
        team_changes(settings, email)
        with running(settings):
            published(settings, count)
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


def topic_ids_of(settings: RelaySettings) -> dict[str, str]:
    with admin(settings) as client:
        return topic_ids(client, [settings.topic(name) for name in OWNED])


def made_anew(before: dict[str, str], after: dict[str, str]) -> bool:
    return after.keys() == before.keys() and not {*before.values()} & {*after.values()}


def is_restored(settings: RelaySettings) -> None:
    """Go back to before the last event by PostgreSQL's own means, or so it seems, and say so."""
    with psycopg.connect(settings.database_url) as connection, connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM stored_events WHERE notification_id = (SELECT max(notification_id) FROM stored_events)"
        )
        go_on_as_another(cursor)


@pytest.mark.parametrize("has_cursors", [True, False], ids=["in place", "from an archive, without cursors"])
def test_the_topics_of_a_restored_store_are_made_anew_and_hold_its_history_alone(settings, has_cursors):
    team_changes(settings, "ada@example.org")
    with running(settings):
        published(settings, 3)
    before = topic_ids_of(settings)
    is_restored(settings)
    if not has_cursors:
        with psycopg.connect(settings.database_url) as connection:
            connection.execute("DELETE FROM relay_cursors")
    team_changes(settings, "bob@example.org")
    with running(settings):
        until(lambda: made_anew(before, topic_ids_of(settings)), PATIENCE_S, "topics of another id")
        events = published(settings, 5)
    assert [event.sequence for event in events] == [1, 2, 1, 2, 3]
    assert len({event.source for event in events[:2]} | {event.source for event in events[2:]}) == 2
    after = topic_ids_of(settings)
    with running(settings):
        published(settings, 5)
    assert topic_ids_of(settings) == after, "made anew once is enough"


def test_topics_that_were_there_before_a_new_store_are_left_alone(settings):
    with admin(settings) as client:
        for name in OWNED:
            ensure_topic(client, settings, name)
    before = topic_ids_of(settings)
    team_changes(settings, "ada@example.org")
    with running(settings):
        published(settings, 3)
    assert topic_ids_of(settings) == before


def test_a_relay_ends_when_its_store_becomes_another_and_publishes_nothing_under_its_old_name(settings):
    team_changes(settings, "ada@example.org")
    with running(settings) as ended:
        published(settings, 3)
        is_restored(settings)
        team_changes(settings, "bob@example.org")
        until(lambda: ended, PATIENCE_S)
    assert isinstance(ended[0], HistoryChanged)
    assert len(published(settings, 3)) == 3


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


def epoch(settings: RelaySettings) -> int:
    """How often the lease has changed hands."""
    with psycopg.connect(settings.database_url) as connection:
        return connection.execute("SELECT epoch FROM relay_lease").fetchone()[0]


def cursor(settings: RelaySettings) -> int:
    with psycopg.connect(settings.database_url) as connection:
        return connection.execute("SELECT coalesce(min(position), 0) FROM relay_cursors").fetchone()[0]


def firsts(events: list[Event]) -> list[int]:
    """The versions of one stream without what is repeated."""
    return list(dict.fromkeys(event.sequence for event in events))


def test_a_stopped_relay_is_replaced_and_ends_by_itself_once_it_goes_on(settings, relay_process):
    store = EventStore(settings.database_url, connections=1)
    member = TeamMember.add("ada@example.org")

    def change(times: int) -> int:
        for _ in range(times):
            member.change_password()
        return store.append(member)

    last = change(200)
    active = relay_process()
    until(lambda: cursor(settings) >= last, PATIENCE_S, "the first relay's publishing")
    standby = relay_process()
    change(200)  # so that it may well be stopped in the middle of a batch
    active.process.send_signal(signal.SIGSTOP)
    last = change(200)
    until(lambda: cursor(settings) >= last, PATIENCE_S, "the standby's publishing")
    assert epoch(settings) == 2
    active.process.send_signal(signal.SIGCONT)
    last = change(200)
    assert active.process.wait(PATIENCE_S) != 0
    assert "LeaseLost" in active.said()
    assert standby.process.poll() is None
    until(lambda: cursor(settings) >= last, PATIENCE_S, "the standby's publishing on")
    assert epoch(settings) == 2
    store.close()
    assert firsts(published(settings, 801)) == list(range(1, 802))


def test_a_relay_tells_its_backlog_on_a_port_of_its_own(settings, relay_process):
    team_changes(settings, "ada@example.org")
    relay = relay_process()
    until(lambda: cursor(settings) == 3, PATIENCE_S, "the backlog's end")
    until(lambda: relay.metric("relay_events_published_total") == 3, PATIENCE_S)
    until(lambda: relay.metric("relay_backlog_events") == 0, PATIENCE_S)


def test_past_holds_are_pruned_and_coming_ones_stay(settings):
    past, coming = uuid4(), uuid4()
    hold = "SELECT take_hold(%s, 'hana@example.org', %s, %s)"
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        connection.execute(hold, (past, "2020-11-05T09:00Z", "2020-11-05T09:30Z"))
        connection.execute(hold, (coming, "2030-11-05T09:00Z", "2030-11-05T09:30Z"))
        held = "SELECT booking_id FROM slot_holds"
        with running(settings):
            until(lambda: connection.execute(held).fetchall() == [(coming,)], PATIENCE_S)
