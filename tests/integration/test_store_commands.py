"""The console commands on the event store: what they show, find and publish."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from booking_command.accounts import Accounts
from booking_command.application import Bookings
from booking_command.cli import main
from booking_command.commands import Cancel, Confirm, Reschedule
from booking_command.meeting_type import MeetingType
from booking_command.store import EventStore
from click.testing import CliRunner
from kafka import KafkaConsumer
from rebook.cloudevents import event_of
from rebook.meeting_types import MeetingType as Terms
from servers.command_side import ADA, MEETING_TYPE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from click.testing import Result
    from servers.postgres import FreshDatabase

NOW = datetime(2030, 1, 1, tzinfo=UTC)
NINE = datetime(2030, 11, 5, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
UNTITLED = """
UPDATE stored_events SET state = convert_to((convert_from(state, 'UTF8')::jsonb - 'title')::text, 'UTF8')
WHERE originator_id = %s AND originator_version = 1
"""
SHORTENED = """
UPDATE slot_holds SET during = during * tstzrange('2030-11-05T14:00Z', '2030-11-05T14:10Z') WHERE booking_id = %s
"""


@pytest.fixture
def store(event_store) -> Iterator[FreshDatabase]:
    """A store with three bookings: one moved, one cancelled, one as it was made."""
    fresh = event_store()
    stored = EventStore(fresh.url, connections=1)
    Accounts(stored).add("hana@example.org", "correct horse")
    terms = Terms.from_json(MEETING_TYPE)
    stored.append(MeetingType.define("intro", terms, actor="hana@example.org"))
    yield fresh
    stored.close()


@pytest.fixture
def bookings(store: FreshDatabase) -> Iterator[list[str]]:
    """Their ids, in that order."""
    stored = EventStore(store.url, connections=1)
    at = Bookings(stored, now=lambda: NOW)
    made = [at.confirm(Confirm("intro", NINE + hours * HOUR, ADA)).booking_id for hours in range(3)]
    at.reschedule(Reschedule(made[0], NINE + 5 * HOUR, actor="hana@example.org", reason="late\ntrain"))
    at.cancel(Cancel(made[1], actor="customer", reason="ill"))
    yield [str(booking) for booking in made]
    stored.close()


@pytest.fixture
def console(store: FreshDatabase) -> Callable[..., Result]:
    def run(*arguments: str, **variables: str) -> Result:
        environment = {"BOOKING_COMMAND_DATABASE_URL": store.url, **variables}
        return CliRunner().invoke(main, arguments, env=environment)

    return run


def said(result: Result, code: int = 0) -> list[str]:
    """The lines that a command said, if it ended with that code and by its own will."""
    assert isinstance(result.exception, (SystemExit, type(None))), result.exception
    assert result.exit_code == code, result.output
    return result.output.splitlines()


def kept(store: FreshDatabase) -> dict[str, list[Any]]:
    """Every row of every table that the store's truth is in."""
    tables = (
        "stored_events",
        "credentials",
        "api_tokens",
        "ended_sessions",
        "slot_holds",
        "idempotency_keys",
    )
    with psycopg.connect(store.owner_url) as owner:
        return {table: owner.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in tables}


def change(store: FreshDatabase, statement: str, *values: Any) -> None:
    with psycopg.connect(store.owner_url) as owner:
        owner.execute(statement, values)


def test_a_bookings_stream_is_shown_with_every_fact(console, bookings):
    shown = said(console("show", bookings[0]))
    assert "BookingConfirmed" in shown[0]
    assert any("BookingRescheduled" in line and "by hana@example.org" in line for line in shown)
    assert any('"late\\ntrain"' in line for line in shown)
    versions = [json.loads(line)["sequence"] for line in said(console("show", bookings[0], "--json"))]
    assert versions == [1, 2]


@pytest.mark.parametrize(
    ("name", "type_"), [("intro", "MeetingTypeDefined"), ("Hana@example.org", "TeamMember")]
)
def test_a_type_is_shown_by_its_slug_and_a_member_by_their_address(console, name, type_):
    assert type_ in said(console("show", name))[0]


def test_what_is_not_there_is_told_in_a_line(console):
    assert said(console("show", "nobody@example.org"), 1)[0].startswith("Error: Nothing is stored under")
    assert "Not a booking's id" in said(console("show", "?"), 2)[-1]


def test_the_log_lists_events_in_order_and_by_what_is_asked_for(console, bookings):
    positions = [int(line.split()[0]) for line in said(console("log"))]
    assert positions == sorted(positions)
    assert len(positions) == 7
    assert [line.split()[0] for line in said(console("log", "--from-position", "6"))] == ["6", "7"]
    [cancelled] = said(console("log", "--type", "BookingCancelled", "--json"))
    assert json.loads(cancelled)["subject"] == bookings[1]
    assert said(console("log", "--until", "2020-01-01T00:00:00Z")) == []
    assert "Not a time with an offset" in said(console("log", "--since", "yesterday"), 2)[-1]


def test_the_log_names_no_customer(console, bookings):
    assert ADA["email"] not in "".join(said(console("log")))


@pytest.mark.usefixtures("bookings")
def test_a_sound_store_verifies(console):
    assert said(console("verify")) == ["7 events checked, nothing wrong"]


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        ("DELETE FROM stored_events WHERE originator_id = %s AND originator_version = 1", "its versions are"),
        (
            "UPDATE stored_events SET state = 'no json' WHERE originator_id = %s AND originator_version = 2",
            "version 2 cannot be read",
        ),
        (
            UNTITLED,
            "version 1: title",
        ),
        ("UPDATE stored_events SET topic = 'Unheard' WHERE originator_id = %s", "version 1 cannot be read"),
        ("DELETE FROM slot_holds WHERE booking_id = %s", "its hold is none, but its events imply hana"),
        (
            SHORTENED,
            "its hold is hana@example.org from 2030-11-05T14:00:00+00:00 to 2030-11-05T14:10:00+00:00",
        ),
        ("UPDATE slot_holds SET booking_id = gen_random_uuid() WHERE booking_id = %s", "but no events"),
    ],
)
def test_damage_to_the_store_is_found(console, store, bookings, damage, found):
    change(store, damage, bookings[0])
    assert any(found in line for line in said(console("verify"), 1))


def test_a_hold_of_a_cancelled_booking_is_found(console, store, bookings):
    change(
        store,
        "INSERT INTO slot_holds VALUES (%s, 'hana@example.org', tstzrange('2030-12-01Z', '2030-12-02Z'))",
        bookings[1],
    )
    assert any("but its events imply none" in line for line in said(console("verify"), 1))


def test_holds_that_overlap_are_found(console, store, bookings):
    change(store, "ALTER TABLE slot_holds DROP CONSTRAINT slot_holds_never_overlap")
    change(
        store, "UPDATE slot_holds SET during = '[2030-11-05Z,2030-11-06Z)' WHERE booking_id = %s", bookings[2]
    )
    assert any("overlaps that of" in line for line in said(console("verify"), 1))


def test_the_store_is_published_again_on_a_topic_of_its_own(console, kafka, topic_prefix, bookings):
    topic = f"{topic_prefix}history"
    variables = {"KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers, "TOPIC_PREFIX": topic_prefix}
    told = said(console("republish", "--from-position", "3", "--to-topic", topic, **variables))
    assert told == [f"5 events published on {topic}"]
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=kafka.bootstrap_servers,
        auto_offset_reset="earliest",
        consumer_timeout_ms=3_000,
    )
    read = [event_of(record.headers, record.value) for record in consumer]
    consumer.close()
    assert sorted(event.position for event in read) == [3, 4, 5, 6, 7]
    assert [event.sequence for event in read if event.subject == bookings[0]] == [1, 2]


@pytest.fixture
def archive(console, bookings, tmp_path) -> Path:
    """The store with three bookings, exported."""
    path = tmp_path / "store.jsonl"
    assert said(console("export", str(path))) == [f"{path} holds the whole store"]
    return path


@pytest.fixture
def elsewhere(event_store) -> FreshDatabase:
    """Another store, with nothing in it."""
    return event_store()


def imported(store: FreshDatabase, archive: Path) -> Result:
    environment = {"BOOKING_COMMAND_OWNER_DATABASE_URL": store.owner_url}
    return CliRunner().invoke(main, ["import", str(archive)], env=environment)


def test_a_store_moves_house_whole(archive, store, elsewhere):
    assert said(imported(elsewhere, archive)) == ["7 events imported"]
    assert kept(elsewhere) == kept(store)
    assert archive.stat().st_mode & 0o077 == 0


def test_events_keep_their_source_after_a_move_and_further_ones_have_another(
    archive, store, elsewhere, bookings
):
    imported(elsewhere, archive)
    moved = EventStore(elsewhere.url, connections=1)
    Bookings(moved, now=lambda: NOW).confirm(Confirm("intro", NINE + 7 * HOUR, ADA))
    moved.close()
    here, there = (
        [json.loads(line) for line in said(CliRunner().invoke(main, ["log", "--json"], env=of(one)))]
        for one in (store, elsewhere)
    )
    assert there[:-1] == here
    assert there[-1]["position"] == here[-1]["position"] + 1
    assert there[-1]["source"] not in {event["source"] for event in here}
    assert said(CliRunner().invoke(main, ["verify"], env=of(elsewhere)))


def test_events_after_a_restore_by_postgresqls_own_means_have_another_source_each_time(store, bookings):
    owner = {"BOOKING_COMMAND_OWNER_DATABASE_URL": store.owner_url}
    told = [said(CliRunner().invoke(main, ["restored"], env=owner)) for _ in range(2)]
    assert all(line.startswith("From position 8 on, events are of the store ") for [line] in told)
    assert told[0] != told[1], "what was stored under the first name may be lost again"
    stored = EventStore(store.url, connections=1)
    Bookings(stored, now=lambda: NOW).cancel(Cancel(bookings[2], actor="customer", reason=""))
    stored.close()
    events = [json.loads(line) for line in said(CliRunner().invoke(main, ["log", "--json"], env=of(store)))]
    assert len({event["source"] for event in events[:-1]}) == 1
    assert events[-1]["source"].rpartition("/")[2] == told[1][0].split()[-1]


def test_an_archive_of_a_store_that_has_just_moved_moves_on(archive, elsewhere, event_store, tmp_path):
    imported(elsewhere, archive)
    further, again = event_store(), tmp_path / "again.jsonl"
    said(CliRunner().invoke(main, ["export", str(again)], env=of(elsewhere)))
    assert said(imported(further, again)) == ["7 events imported"]


def of(store: FreshDatabase) -> dict[str, str]:
    return {"BOOKING_COMMAND_DATABASE_URL": store.url}


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda lines: lines[:-1], "The archive ends early."),
        (lambda lines: lines[1:], "no archive of an event store"),
        (lambda lines: [lines[0], *lines[2:]], "The archive is damaged"),
        (lambda lines: [*lines[:3], "?", *lines[3:]], "not every line is JSON"),
        (lambda lines: [*lines[:-1], '{"row": {}, "of": "pg_authid"}', lines[-1]], "The archive is damaged"),
    ],
    ids=["cut", "headless", "an event missing", "no JSON", "a foreign table"],
)
def test_a_damaged_archive_fills_nothing(archive, elsewhere, damage, told):
    archive.write_text("\n".join(damage(archive.read_text().splitlines())))
    assert told in said(imported(elsewhere, archive), 1)[0]
    assert not any(kept(elsewhere).values())


def test_an_archive_replaces_neither_a_store_nor_a_file(archive, store, console):
    assert "needs an empty one" in said(imported(store, archive), 1)[0]
    assert "is there already" in said(console("export", str(archive)), 1)[0]
