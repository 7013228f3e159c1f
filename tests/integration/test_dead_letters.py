"""`dead-letters`, the operator's command, on a real PostgreSQL with the smallest projection there can be."""

from __future__ import annotations

import json
from contextlib import closing
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from bench.history import history
from booking_query.cli import main as booking_query
from click.testing import CliRunner
from rebook import parking
from rebook.cloudevents import Event
from rebook.consumer import VersionGap
from rebook.dead_letters_cli import dead_letters
from rebook.parking import ERROR, GAP, QUEUED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg2.extensions import cursor as Cursor  # noqa: N812

ADDED, POISON = "rebook.Added.v1", "rebook.Poison.v1"
STORE, RESTORED = "/booking-command/store", "/booking-command/restored"


def event(version: int, kind: str = ADDED, source: str = STORE) -> Event:
    return Event(
        id=f"a:{version}",
        source=source,
        type=kind,
        subject="a",
        time="2030-11-04T09:00:00Z",
        sequence=version,
        position=version,
        correlation_id="test",
        data={"notes": "Bring ink."},
    )


class Desk:
    """An operator's terminal; the service knows `known` types and passes over all others, which count as well."""

    def __init__(self, url: str) -> None:
        self.known = {ADDED}
        self._url = url
        self.connection = psycopg2.connect(url)
        self.connection.autocommit = True

    def close(self) -> None:
        self.connection.close()

    def open(self) -> tuple[Any, Any]:
        return psycopg2.connect(self._url), self.handle

    def handle(self, given: Event, cursor: Cursor) -> None:
        if given.type == POISON and POISON not in self.known:
            raise ValueError("nobody can apply this")
        cursor.execute("SELECT coalesce(max(version), 0) FROM applied")
        (version,) = cursor.fetchone()
        if given.sequence > version + 1:
            raise VersionGap(f"the row is at version {version}")
        if given.sequence == version + 1:
            cursor.execute("INSERT INTO applied VALUES (%s, %s)", (given.sequence, given.type in self.known))

    def park(self, given: Event, kind: str, reason: str = "why") -> None:
        record = SimpleNamespace(
            topic="rebook.bookings", key=b"a", headers=given.headers(), value=given.value()
        )
        with self.connection.cursor() as cursor:
            parking.park(cursor, record, given, kind, reason)

    def park_unreadable(self, value: bytes) -> None:
        record = SimpleNamespace(
            topic="rebook.bookings", partition=3, offset=7, key=b"a", headers=event(1).headers(), value=value
        )
        with self.connection.cursor() as cursor:
            parking.park_unreadable(cursor, record, "0b9c6f0e", "the value is no JSON object")

    def apply(self, given: Event) -> None:
        with self.connection.cursor() as cursor:
            self.handle(given, cursor)

    def run(self, *arguments: str, code: int = 0) -> str:
        result = CliRunner().invoke(dead_letters("reader", self.open), arguments)
        assert isinstance(result.exception, (SystemExit, type(None))), result.exception
        assert result.exit_code == code, result.output
        return result.output

    def applied(self) -> list[tuple[int, bool]]:
        """Versions that count, and whether the event itself was applied."""
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT version, is_known FROM applied ORDER BY version")
            return cursor.fetchall()


@pytest.fixture
def desk(database: Any) -> Iterator[Desk]:
    fresh = database("desk").with_tables("rebook")
    with closing(psycopg2.connect(fresh.owner_url)) as owner, owner, owner.cursor() as cursor:
        cursor.execute("CREATE TABLE applied (version bigint, is_known boolean)")
    with closing(Desk(fresh.url)) as made:
        yield made


@pytest.fixture
def poisoned(desk: Desk) -> Desk:
    """Version 1 is applied, 2 cannot be, 3 waits behind it."""
    desk.apply(event(1))
    desk.park(event(2, POISON), ERROR, "ValueError: nobody can apply this")
    desk.park(event(3), QUEUED, "An earlier event of its stream is parked.")
    return desk


def test_the_list_names_the_first_of_each_stream_and_what_is_behind_it(poisoned):
    said = poisoned.run("list")
    assert said.startswith("a:2\n    rebook.Poison.v1, error since ")
    assert "1 more behind it\n    ValueError: nobody can apply this\n" in said
    assert "a:3" not in said


def test_an_empty_list_says_so(desk):
    assert desk.run("list") == "nothing waits\n"
    assert desk.run("list", "--discarded") == "nothing was discarded\n"


def test_show_tells_reason_headers_and_data(poisoned):
    said = poisoned.run("show", "a:2")
    assert "ValueError: nobody can apply this\n" in said
    assert "ce_source: /booking-command/store\n" in said
    assert json.loads(said[said.index("{") :]) == {"notes": "Bring ink."}


def test_a_retry_that_fails_again_says_why_and_exits_with_1(poisoned):
    assert poisoned.run("retry", "a:2", code=1) == (
        "a:2: 0 applied; a:2 waits: ValueError: nobody can apply this\n"
    )
    assert poisoned.applied() == [(1, True)]


@pytest.mark.parametrize("what", ["a:2", "--all"])
def test_a_retry_that_succeeds_takes_all_that_waited_behind_with_it(poisoned, what):
    poisoned.known.add(POISON)
    assert poisoned.run("retry", what) == "a:2: 2 applied, nothing waits\n"
    assert poisoned.applied() == [(1, True), (2, True), (3, True)]
    assert poisoned.run("list") == "nothing waits\n"


def test_a_discarded_event_counts_and_changes_nothing_and_the_later_ones_go_on(poisoned):
    assert poisoned.run("discard", "a:2", "--reason", "made by a test") == "a:2 is discarded\n"
    assert poisoned.applied() == [(1, True), (2, False), (3, True)]
    assert poisoned.run("list") == "nothing waits\n"
    assert "made by a test" in poisoned.run("list", "--discarded")


def test_only_the_first_of_a_stream_can_be_discarded_and_only_for_a_reason(poisoned):
    assert "An earlier event of its stream waits too" in poisoned.run(
        "discard", "a:3", "--reason", "r", code=1
    )
    assert "Missing option '--reason'" in poisoned.run("discard", "a:2", code=2)
    assert poisoned.applied() == [(1, True)]


def test_a_gap_that_will_never_heal_can_be_discarded(desk):
    desk.park(event(2), GAP)
    desk.run("discard", "a:2", "--reason", "its topic lost version 1")
    assert (desk.applied(), desk.run("list")) == ([], "nothing waits\n")


def test_a_record_that_is_no_event_is_tried_again_or_given_up(desk):
    desk.park_unreadable(b"[]")
    (letter_id,) = [line for line in desk.run("list").splitlines() if line.startswith("rebook.bookings/3:7")]
    assert "is still no event" in desk.run("retry", letter_id, code=1)
    assert desk.run("show", letter_id).endswith("\n[]\n")
    desk.run("discard", letter_id, "--reason", "somebody else's")
    assert desk.run("list") == "nothing waits\n"


def test_a_record_that_can_be_read_by_now_is_applied_in_its_stream(desk):
    desk.park_unreadable(b"{}")
    assert desk.run("retry", "rebook.bookings/3:7") == "rebook.bookings/3:7: 1 applied, nothing waits\n"
    assert (desk.applied(), desk.run("list")) == ([(1, True)], "nothing waits\n")


def test_what_two_stores_call_the_same_has_to_be_told_apart(desk):
    for source in (STORE, RESTORED):
        desk.park(event(1, source=source), ERROR)
    assert "say --source" in desk.run("retry", "a:1", code=1)
    assert desk.run("retry", "a:1", "--source", RESTORED) == "a:1: 1 applied, nothing waits\n"


@pytest.mark.parametrize("unknown", ["a:9", "a", "a:x", "a:99999999999999999999", "a\0:1"])
def test_what_is_no_dead_letter_is_said_to_be_none(desk, unknown):
    assert "There is no dead letter" in desk.run("show", unknown, code=1)


def test_booking_query_makes_the_rows_of_what_it_retries(database):
    fresh, given = database("booking_query").with_tables("rebook", "booking_query"), next(history(1))
    with closing(Desk(fresh.url)) as desk:
        desk.park(given, ERROR)
        environment = {"BOOKING_QUERY_DATABASE_URL": fresh.url}
        result = CliRunner().invoke(booking_query, ["dead-letters", "retry", given.id], env=environment)
        assert result.output == f"{given.id}: 1 applied, nothing waits\n"
        with desk.connection.cursor() as cursor:
            cursor.execute("SELECT booking_id FROM bookings")
            assert cursor.fetchall() == [(given.subject,)]


@pytest.mark.parametrize("command", ["list", "show", "retry", "discard"])
def test_every_command_explains_itself_with_an_example_of_its_own_service(command):
    result = CliRunner().invoke(booking_query, ["dead-letters", command, "--help"])
    assert f"Example: booking-query dead-letters {command}" in result.output
