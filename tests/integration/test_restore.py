"""Moving house, and going back to an earlier point: nothing is mailed again, and nothing is stale."""

from __future__ import annotations

import secrets
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from psycopg2 import sql
from rebook.kafka import KafkaSettings, admin, topic_ids
from rebook.settings import load
from rebook_infra import databases
from rebook_infra.databases import Database, Role
from servers.house import HANA, PATIENCE_S, House, start
from servers.people import by_api, links, somebody
from servers.postgres import FreshDatabase
from servers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from servers.postgres import PostgresServer
    from servers.smtp import SmtpServer

LATER = "451 4.7.1 Later"
FILLED = """
    SELECT count(*) FROM relay_cursors WHERE position = (SELECT max(notification_id) FROM stored_events)
    AND store_id = (SELECT store_id FROM store_ids ORDER BY first_position DESC LIMIT 1)
"""


@pytest.fixture
def build(database, kafka, smtp, tmp_path) -> Iterator[Callable[[], House]]:
    """Builds houses with nothing in them; all are empty again after the test."""
    built = []

    def house() -> House:
        built.append(House(database, kafka, smtp, tmp_path, f"test-{secrets.token_hex(4)}."))
        return built[-1]

    yield house
    smtp.reply_with(lambda _: None)
    for each in built:
        each.stop()


def subjects(smtp: SmtpServer, to: str) -> list[str]:
    return [letter.subject.partition(":")[0] for letter in smtp.letters(to)]


def wait_for_letters(smtp: SmtpServer, to: str, count: int) -> list[str]:
    until(lambda: len(smtp.letters(to)) >= count, PATIENCE_S, f"letter {count} to {to}")
    return subjects(smtp, to)


def wait_until_quiet(house: House) -> None:
    until(house.is_quiet, PATIENCE_S, "the end of all work")


def ids_of_topics(house: House) -> dict[str, str]:
    settings = load(KafkaSettings, house.environment)
    with admin(settings) as client:
        return topic_ids(client, [settings.topic(name) for name in ("bookings", "meeting-types", "team")])


def test_after_moving_house_nothing_is_mailed_again_and_what_waited_is_mailed_once(build, smtp, tmp_path):
    old, new, ada, bob = build(), build(), somebody(), somebody()
    old.open(host={"name": "Hana Host", "email": somebody()}, reminders_minutes_before=[1440, 60])
    old.start()
    first = old.book(5, ada)
    wait_for_letters(smtp, ada, 1)
    old.move(first, 6)
    wait_for_letters(smtp, ada, 2)
    smtp.reply_with(lambda letter: LATER if bob in letter.recipients else None)
    second = old.book(7, bob)
    waiting = "SELECT count(*) FROM deliveries WHERE state = 'pending' AND tries > 0"
    until(lambda: old.rows("notifier", waiting) == [(1,)], PATIENCE_S, "a letter that is put off")
    untold = "SELECT count(*) FROM delivery_events WHERE NOT is_reported"
    until(lambda: old.rows("notifier", untold) == [(0,)], PATIENCE_S, "all being told")
    until(lambda: len(old.shown(f"/v1/bookings/{first}")["history"]) == 6, PATIENCE_S)
    until(lambda: len(old.shown("/v1/bookings")["items"]) == 2, PATIENCE_S)
    shown = [old.shown(f"/v1/bookings{which}") for which in ("", f"/{first}")]
    old.stop()

    for command in ("booking-command", "notifier"):
        archive = str(tmp_path / command)
        old.console(command, "export", archive)
        new.console(command, "import", archive)
    smtp.reply_with(lambda _: None)
    new.team = old.team
    new.start()
    assert wait_for_letters(smtp, bob, 1) == ["Confirmed"]
    wait_until_quiet(new)
    until(lambda: new.shown(f"/v1/bookings/{first}") == shown[1], PATIENCE_S, "the same page")
    assert new.shown("/v1/bookings") == shown[0]
    assert new.console("notifier", "verify").endswith("2 bookings, 0 differences\n")
    assert "nothing wrong" in new.console("booking-command", "verify")

    move, cancel = links(smtp.letters(ada)[0])
    new.act(by_api(move).removeprefix("http://book.example.org"), {"starts_at": start(8)})
    new.act(by_api(cancel).removeprefix("http://book.example.org"), {})
    new.cancel(second)
    assert wait_for_letters(smtp, ada, 4) == ["Confirmed", "Rescheduled", "Rescheduled", "Cancelled"]
    wait_until_quiet(new)
    assert subjects(smtp, bob) == ["Confirmed", "Cancelled"]
    assert new.console("notifier", "verify").endswith("2 bookings, 0 differences\n")


class Archived:
    """A backup by `booking-command export`, restored into a new database."""

    def __init__(self, house: House, folder: Path, _: PostgresServer) -> None:
        self._house, self._archive = house, str(folder / "store.jsonl")
        house.console("booking-command", "export", self._archive)

    def restore(self) -> None:
        self._house.give("booking_command")
        self._house.console("booking-command", "import", self._archive)


class Copied:
    """A backup by PostgreSQL's own means, as a point in time is recovered."""

    def __init__(self, house: House, _: Path, postgres: PostgresServer) -> None:
        self._house, self._server = house, postgres.url
        self._name = f"booking_command_{secrets.token_hex(4)}"
        parts = [
            psycopg2.extensions.parse_dsn(house.environment[f"BOOKING_COMMAND_{whose}DATABASE_URL"])
            for whose in ("OWNER_", "")
        ]
        self._owner, self._runtime = (Role(part["user"], part["password"]) for part in parts)
        house.stop()
        copy = sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {}")
        names = (self._name, parts[0]["dbname"], self._owner.name)
        with closing(psycopg2.connect(self._server)) as connection:
            connection.autocommit = True
            connection.cursor().execute(copy.format(*map(sql.Identifier, names)))
        house.start()

    def restore(self) -> None:
        databases.ensure(self._server, [Database(self._name, self._owner, self._runtime)])
        urls = (databases.url(self._server, self._name, role) for role in (self._runtime, self._owner))
        self._house.give("booking_command", FreshDatabase(self._name, *urls))
        self._house.console("booking-command", "restored")


@pytest.mark.parametrize("kind", [Archived, Copied])
def test_after_a_restore_only_the_new_history_is_mailed_and_shown(build, smtp, tmp_path, postgres, kind: Any):
    house, host = build(), somebody()
    ada, bob, cleo, dora = (somebody() for _ in range(4))
    house.open(host={"name": "Hana Host", "email": host}, reminders_minutes_before=[1440, 60])
    house.start()
    moved, cancelled = house.book(5, ada), house.book(6, bob)
    wait_for_letters(smtp, host, 2)
    wait_until_quiet(house)
    backup = kind(house, tmp_path, postgres)
    house.move(moved, 7)
    house.cancel(cancelled)
    unknown = house.book(8, cleo)
    wait_for_letters(smtp, host, 5)
    wait_until_quiet(house)
    smtp.reply_with(lambda letter: LATER if {ada, dora} & {*letter.recipients} else None)
    house.act(f"/v1/bookings/{moved}/resend-confirmation", {})
    house.book(9, dora)
    waiting = "SELECT count(*) FROM deliveries WHERE state = 'pending' AND tries > 0"
    until(lambda: house.rows("notifier", waiting) == [(2,)], PATIENCE_S, "letters that are put off")
    house.stop()
    filled_before = ids_of_topics(house)

    backup.restore()
    smtp.reply_with(lambda _: None)
    house.start("relay")
    until(lambda: house.rows("booking_command", FILLED) == [(3,)], PATIENCE_S, "the topics being filled")
    assert not {*filled_before.values()} & {*ids_of_topics(house).values()}
    rebuilt = house.console("notifier", "rebuild")
    assert (
        rebuilt
        == "2 events read, 2 bookings known\n2 letters skipped that waited for events that are no more\n"
    )
    house.console("booking-query", "rebuild", "--drop-unknown")
    house.start("projector", "worker")
    house.move(moved, 10)
    house.cancel(cancelled)
    assert wait_for_letters(smtp, ada, 3) == ["Confirmed", "Rescheduled", "Rescheduled"]
    assert wait_for_letters(smtp, bob, 3) == ["Confirmed", "Cancelled", "Cancelled"]
    wait_until_quiet(house)

    assert [subjects(smtp, to) for to in (cleo, dora)] == [["Confirmed"], []]
    assert len(smtp.letters(host)) == 8
    sent = [letter.message["Message-ID"] for to in (ada, bob, host) for letter in smtp.letters(to)]
    assert len({*sent}) == len(sent)
    before, after = (sequence(letter) for letter in smtp.letters(ada)[1:])
    assert before < after
    assert {row["booking_id"]: row["status"] for row in house.shown("/v1/bookings")["items"]} == {
        moved: "rescheduled",
        cancelled: "cancelled",
    }
    assert house.shown(f"/v1/bookings/{moved}")["starts_at"] == start(10)
    assert house.pages.get(f"/v1/bookings/{unknown}").status_code == 404
    reminders = (
        "SELECT booking_id::text, minutes_before, due_at::date - now()::date FROM reminders ORDER BY 2"
    )
    assert house.rows("notifier", reminders) == [(moved, 60, 10), (moved, 1440, 9)]
    assert "nothing wrong" in house.console("booking-command", "verify")
    assert house.console("notifier", "verify") == "2 bookings, 0 differences\n"
    house.console("booking-query", "verify")
    lost = house.console("notifier", "deliveries", "list", "--lost")
    assert all(f"to {customer}" in lost for customer in (ada, bob, cleo, dora))
    assert HANA not in lost


def sequence(letter: Any) -> int:
    """SEQUENCE of the calendar file in a letter."""
    [calendar] = [part for part in letter.message.walk() if part.get_content_type() == "text/calendar"]
    [line] = [line for line in calendar.get_content().splitlines() if line.startswith("SEQUENCE:")]
    return int(line.partition(":")[2])
