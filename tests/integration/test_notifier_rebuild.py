"""`notifier rebuild`: bookings, changes and reminders as the topic has them, deliveries as they were."""

from __future__ import annotations

import subprocess
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from click.testing import CliRunner
from notifier.cli import main
from notifier.database import connect
from notifier.deliveries import GONE
from notifier.inbox import Inbox
from notifier.rebuilding import rebuild
from rebook.kafka import BOOKINGS, KafkaSettings, admin, ensure_topic, producer
from rebook.settings import load
from rebook_infra.processes import script
from servers.stories import Story, publish

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from psycopg2.extensions import connection as Connection  # noqa: N812
    from rebook.cloudevents import Event

CHANCE = 11
TUESDAY = datetime(2030, 11, 5, 14, 0, tzinfo=UTC)
KNOWLEDGE = ("bookings", "changes", "reminders")


@pytest.fixture
def environment(database, kafka, topic_prefix) -> dict[str, str]:
    return {
        "NOTIFIER_DATABASE_URL": database("notifier").with_tables("rebook", "notifier").url,
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "TOPIC_PREFIX": topic_prefix,
        "MAIL_FROM": "Rebook <bookings@example.org>",
    }


@pytest.fixture
def settings(environment) -> KafkaSettings:
    found = load(KafkaSettings, environment)
    with admin(found) as client:
        ensure_topic(client, found, BOOKINGS)
    return found


@pytest.fixture
def tables(environment) -> Iterator[Connection]:
    with closing(connect(environment["NOTIFIER_DATABASE_URL"])) as connection:
        yield connection


@pytest.fixture
def console(environment) -> Callable[..., list[str]]:
    def run(*words: str) -> list[str]:
        result = subprocess.run(script("notifier", *words), env=environment, capture_output=True, text=True)
        assert result.returncode == 0, result.stderr
        return result.stdout.splitlines()

    return run


def stories(count: int) -> list[Event]:
    chance, events = Random(CHANCE), []
    for _ in range(count):
        story = Story(UUID(int=chance.getrandbits(128), version=4), TUESDAY)
        events.append(story.begins())
        while not story.is_over and chance.random() < 0.6:
            events.append(story.goes_on(chance))
    return events


def handed_in(tables: Connection, *events: Event) -> None:
    with tables, tables.cursor() as cursor:
        for event in events:
            Inbox("example.org").handle(event, cursor)


def asked(tables: Connection, statement: str) -> list[Any]:
    with tables, tables.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def known(tables: Connection, *names: str) -> list[Any]:
    return [asked(tables, f"SELECT * FROM {name} ORDER BY 1, 2") for name in names]


def done(tables: Connection, statement: str) -> None:
    with tables, tables.cursor() as cursor:
        cursor.execute(statement)


def test_a_rebuild_makes_what_reading_makes_and_keeps_deliveries(tables, settings, console):
    events = stories(20)
    publish(settings, events + events[:10])
    handed_in(tables, *events)
    before = known(tables, *KNOWLEDGE, "deliveries")
    done(tables, "DELETE FROM reminders WHERE minutes_before = 60")
    done(tables, "UPDATE bookings SET title = 'Damaged', version = version + 1")
    done(tables, "UPDATE deliveries SET source = ''")  # as they were before their sources were kept
    told = console("rebuild")
    assert told[0] == f"{len(events) + 10} events read, 20 bookings known"
    assert told[1].startswith("0 letters skipped")
    assert known(tables, *KNOWLEDGE, "deliveries") == before
    assert asked(tables, "SELECT sum(next_offset) FROM consumer_offsets") == [(len(events) + 10,)]


def test_a_rebuild_that_ends_half_way_has_changed_nothing(tables, settings):
    events = stories(20)
    publish(settings, events)
    handed_in(tables, *events[:15])
    before = known(tables, *KNOWLEDGE, "deliveries")
    inbox, left = Inbox("example.org"), iter(range(12))

    def handle(event: Event, cursor: Any) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt
        inbox.handle(event, cursor)

    with pytest.raises(KeyboardInterrupt):
        rebuild(tables, settings, handle, lambda _: None)
    assert known(tables, *KNOWLEDGE, "deliveries") == before


def test_what_cannot_be_applied_is_parked_and_what_was_given_up_stays_so(tables, settings, console):
    gap, bad, sound = (Story(UUID(int=n, version=4), TUESDAY) for n in range(3))
    chance = Random(CHANCE)
    first, _lost, third = gap.begins(), gap.goes_on(chance), gap.goes_on(chance)
    good, broken, later = bad.begins(), replace(bad.goes_on(chance), data={}), bad.goes_on(chance)
    publish(settings, [first, third, good, broken, later, sound.begins()])
    with closing(producer(settings)) as client:
        client.send(settings.topic(BOOKINGS), b"no event").get(timeout=10)
    told = console("rebuild")
    assert told[0] == "7 events read, 3 bookings known"
    assert told[2].startswith("4 events wait or cannot be applied")
    kinds = "SELECT kind FROM parked_events ORDER BY kind"
    assert asked(tables, kinds) == [("error",), ("gap",), ("queued",), ("unreadable",)]
    console("dead-letters", "discard", broken.id, "--reason", "made by a test")
    console("rebuild")
    assert asked(tables, kinds) == [("discarded",), ("gap",), ("unreadable",)]


def test_letters_that_wait_for_what_is_gone_are_skipped_and_wait_again_when_it_comes_after_all(
    tables, settings, console, environment
):
    story = Story(UUID(int=1, version=4), TUESDAY)
    first, second = story.begins(), story.goes_on(Random(CHANCE))
    publish(settings, [first])
    handed_in(tables, first, second)
    waiting = "SELECT version, state, reason FROM deliveries WHERE letter NOT LIKE 'team-%' ORDER BY 1"
    assert console("rebuild")[1].startswith("2 letters skipped")
    assert asked(tables, waiting) == [(1, "pending", ""), (2, "skipped", GONE)]
    assert asked(tables, "SELECT count(*) FROM delivery_events WHERE NOT is_reported") == [(2,)]
    assert console("rebuild")[1].startswith("0 letters skipped")
    ((gone,),) = asked(tables, "SELECT delivery_id FROM deliveries WHERE version = 2 ORDER BY number LIMIT 1")
    retried = CliRunner().invoke(main, ["deliveries", "retry", str(gone)], env=environment)
    assert (retried.exit_code, "tells of what is lost" in retried.output) == (1, True)
    handed_in(tables, second)
    assert asked(tables, waiting) == [(1, "pending", ""), (2, "pending", "")]


def test_who_was_erased_stays_erased_even_where_a_topic_still_knows_them(tables, settings, console):
    story = Story(UUID(int=2, version=4), TUESDAY)
    begun, _lost, erased = story.begins(), story.moves(), story.is_erased()
    publish(settings, [begun, erased])
    assert console("rebuild")[2].startswith("1 events wait")
    assert story.customer not in str(known(tables, *KNOWLEDGE, "deliveries", "parked_events"))


def test_a_rebuild_without_a_topic_is_refused_in_a_line(environment, monkeypatch):
    monkeypatch.setattr("rebook.kafka._MADE_ANEW_WITHIN_S", 0)
    refused = CliRunner().invoke(main, ["rebuild"], env=environment)
    assert refused.exit_code == 1
    assert refused.output.startswith("Error: There is no topic test-")
