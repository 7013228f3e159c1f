"""`booking-query rebuild` on a real Kafka and PostgreSQL: the tables change places under those who read and write."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import psycopg2
import pytest
from bench.history import history
from booking_query import schema
from booking_query.replaying import Replay
from booking_query.second_set import Hindered, SecondSet
from kafka import TopicPartition
from rebook import events
from rebook.kafka import BOOKINGS, DEAD_LETTERS, DELIVERIES, admin, producer, topic_ids
from rebook.topic_reader import read_to_end
from servers import doomed_rebuild
from servers.query_side import event
from servers.read_side import booking_id, cancelled, confirmed, letter, moved, the_team
from servers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servers.read_side import ReadSide

KILLS = 20


class Client:
    """Writes events and reads what comes of them, until it is told to stop."""

    def __init__(self, side: ReadSide, name: str) -> None:
        self.stop = threading.Event()
        self.pairs = 0
        self.wrong: list[str] = []
        self._side = side
        self._name = name

    def work(self) -> None:
        while not self.stop.is_set():
            name = f"{self._name}{self.pairs}"
            self._write_and_read(confirmed(name), 1)
            self._write_and_read(moved(name, 2), 2)
            for path in ("bookings/counts", "bookings?filter=upcoming&limit=5", "meeting-types/intro-call"):
                self._read(path)

    def _write_and_read(self, written, version: int) -> None:
        self._side.send(written)
        details = self._read(f"bookings/{written.subject}?min_version={version}")
        self.pairs += 1
        if (details["version"], len(details["history"])) != (version, version):
            self.wrong.append(f"{written.id} was not seen")

    def _read(self, path: str):
        """The answer; a projection that takes more than two seconds is asked again."""

        def ask():
            answer = self._side.site.team.get(f"/v1/{path}")
            if answer.status_code != 200 and answer.json["code"] != "not-yet":
                self.wrong.append(f"{path}: {answer.text}")
                return {"version": 0, "history": []}
            return answer.json if answer.status_code == 200 else None

        return until(ask, 15, path)


@contextmanager
def clients(side: ReadSide, count: int) -> Iterator[list[Client]]:
    working = [Client(side, f"client{number}x") for number in range(count)]
    with ThreadPoolExecutor(count) as threads:
        running = [threads.submit(client.work) for client in working]
        try:
            yield working
        finally:
            for client in working:
                client.stop.set()
        for each in running:
            each.result()


def test_nobody_who_reads_or_writes_notices_that_the_tables_are_made_anew(read_side):
    read_side.send(*the_team(read_side.site), *history(3_000))
    with read_side.projecting():
        read_side.until_read(3_003)
        with clients(read_side, 2) as working:
            for _ in range(3):
                before = [client.pairs for client in working]
                (said,) = read_side.rebuild()
                assert "are served now" in said
                until(lambda b=before: all(c.pairs > n for c, n in zip(working, b, strict=True)), 10, "reads")
        assert [client.wrong for client in working] == [[], []]
        assert read_side.verify() == []
    assert read_side.sessions == 1


def test_wherever_a_rebuild_is_killed_what_is_served_is_right_and_another_one_completes(read_side):
    read_side.send(*the_team(read_side.site), *history(400))
    with read_side.projecting():
        read_side.until_read(403)
        before = read_side.contents()
        with killer(read_side) as kill:
            _, statements = kill(0)
            chance = random.Random(20)
            ended = []
            for number in range(KILLS):
                if number % 3 == 0:
                    read_side.rows("DROP SCHEMA IF EXISTS rebuild CASCADE")
                ended.append(kill(chance.randint(1, statements) * chance.choice((1, -1)))[0])
                assert read_side.contents() == before
        read_side.send(confirmed("after"))
        read_side.rebuild()
        until(lambda: booking_id("after") in str(read_side.contents()), 10)
        assert read_side.verify() == []
    assert sum(code < 0 for code in ended) > KILLS / 2


@contextmanager
def killer(side: ReadSide):
    """Runs a rebuild that is killed in a statement; gives its exit code, and how many statements it took."""
    program = subprocess.Popen(
        [sys.executable, "-P", doomed_rebuild.__file__],
        env=side.environment() | {"PATH": "/usr/bin"},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip

    def kill(statement: int) -> tuple[int, int]:
        program.stdin.write(f"{statement}\n")
        program.stdin.flush()
        code, statements = program.stdout.readline().split()
        return int(code), int(statements)

    try:
        yield kill
    finally:
        program.communicate(timeout=10)


def test_a_second_rebuild_says_so_in_one_line(read_side):
    with closing(SecondSet(read_side.fresh.owner_url, "rebuild")):
        refused = read_side.run("rebuild")
    assert (refused.returncode, refused.stderr) == (1, "Error: Another one is at work already.\n")


def test_a_long_read_is_waited_for_and_no_other_read_waits_with_it(read_side):
    read_side.send(*the_team(read_side.site), confirmed("ada"))
    with (
        read_side.projecting(),
        ThreadPoolExecutor(1) as threads,
        closing(psycopg2.connect(read_side.fresh.url)) as other,
    ):
        read_side.until_read(4)
        with other.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM bookings")
            rebuilding = threads.submit(read_side.rebuild)
            waiting = "SELECT 1 FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND NOT granted"
            until(lambda: read_side.rows(waiting), 20, "the swap")
            with closing(psycopg2.connect(read_side.fresh.url)) as reader, reader.cursor() as reads:
                reads.execute("SET lock_timeout = '1s'")
                for _ in range(50):
                    reads.execute("SELECT count(*) FROM bookings")
                    reader.commit()
            assert not rebuilding.done()
            other.commit()
        rebuilding.result()


def test_after_retention_has_cut_the_topics_a_topic_with_everything_stands_in(read_side):
    team = the_team(read_side.site)
    past = [*team, confirmed("ada"), confirmed("bob"), moved("ada", 2)]
    since = [cancelled("bob", 2), confirmed("cyd")]
    everything = read_side.create_history()
    with read_side.projecting():
        read_side.send(*at_positions(past, 1), letter("ada"))
        read_side.until_read(7)
        read_side.cut(BOOKINGS)
        read_side.send(*at_positions(past, 1), topic=everything)
        read_side.send(*at_positions(since, 7))
        read_side.until_read(9)
        with pytest.raises(Hindered, match="Retention has cut"):
            read_side.rebuild()
        before = read_side.contents()
        assert read_side.verify(everything) == []
        read_side.rebuild(everything)
        assert read_side.contents() == before
        read_side.send(moved("cyd", 2))
        until(lambda: read_side.versions() == {"ada": 2, "bob": 2, "cyd": 2}, 10)


def test_a_topic_that_ends_before_the_cut_ones_begin_is_refused(read_side):
    everything = read_side.create_history()
    read_side.send(*at_positions([confirmed("ada"), moved("ada", 2)], 1))
    read_side.cut(BOOKINGS)
    read_side.send(*at_positions([confirmed("ada")], 1), topic=everything)
    read_side.send(*at_positions([cancelled("ada", 3)], 3))
    with pytest.raises(Hindered, match="at position 1 of the store"):
        read_side.rebuild(everything)


def test_tokens_of_a_removed_member_stay_revoked_whatever_the_order_on_the_topic(read_side):
    member, token, _ = the_team(read_side.site)
    removed = event(
        events.TEAM_MEMBER_REMOVED, member.subject, 2, {"member_id": member.subject, "generation": 2}
    )
    everything = read_side.create_history()
    read_side.send(*at_positions([member, token, removed], 1))
    with read_side.projecting():
        read_side.until_read(3)
        first, last, between = at_positions([member, removed, token], 1)
        between, last = (
            between.__class__(**fields(between, position=2)),
            last.__class__(**fields(last, position=3)),
        )
        read_side.send(first, last, between, topic=everything)
        read_side.rebuild(everything)
    assert read_side.rows("SELECT revoked_at IS NULL FROM api_tokens") == [(False,)]


def fields(given, **changes):
    return {name: getattr(given, name) for name in given.__slots__} | changes


def at_positions(given, first: int):
    """The same events, at places in the store one after another."""
    return [each.__class__(**fields(each, position=first + number)) for number, each in enumerate(given)]


def test_what_was_discarded_stays_discarded_and_no_dead_letter_is_told_of_twice(read_side):
    broken = event(events.BOOKING_CONFIRMED, booking_id("bob"), 1, {"title": "Half an event"})
    worse = event(events.BOOKING_CONFIRMED, booking_id("cyd"), 1, {"title": "Half an event"})
    with read_side.projecting():
        read_side.send(confirmed("ada"), moved("ada", 2, kind="rebook.BookingCancelled.v1"), broken, worse)
        read_side.send(event(events.BOOKING_RESCHEDULED, booking_id("ada"), 3, {}), cancelled("ada", 4))
        until(lambda: dead_letters(read_side) == 3, 20, "three dead letters")
        letter_id = f"{booking_id('ada')}:3"
        assert read_side.run("dead-letters", "discard", letter_id, "--reason", "a test").returncode == 0
        assert read_side.versions() == {"ada": 4}
        read_side.rebuild()
        read_side.send(confirmed("after"))
        until(lambda: "after" in read_side.versions(), 10)
    assert read_side.versions() == {"ada": 4, "after": 1}
    kept = read_side.rows(
        "SELECT stream, kind, reason, announced_at IS NULL FROM parked_events ORDER BY kind, stream"
    )
    assert (booking_id("ada"), "discarded", "a test", False) in kept
    assert sorted(row[:2] for row in kept if row[1] == "error") == sorted(
        (booking_id(name), "error") for name in ("bob", "cyd")
    )
    assert dead_letters(read_side) == 3


def dead_letters(side: ReadSide) -> int:
    return len(list(read_to_end(side.settings, DEAD_LETTERS)))


def test_a_parked_event_that_the_topics_have_lost_still_waits_afterwards(read_side):
    with read_side.projecting():
        read_side.send(confirmed("ada"), cancelled("bob", 2))
        until(lambda: read_side.rows("SELECT 1 FROM parked_events"), 10)
        read_side.delete(BOOKINGS)
        read_side.create(BOOKINGS)
        read_side.send(confirmed("ada"))
        read_side.rebuild()
        read_side.send(confirmed("bob"))
        until(lambda: read_side.versions() == {"ada": 1, "bob": 2}, 10)


def test_what_is_served_is_never_exchanged_for_something_older(read_side):
    with read_side.projecting():
        read_side.send(confirmed("ada"), moved("ada", 2), confirmed("bob"))
        read_side.until_read(3)
        read_side.delete(BOOKINGS)
        read_side.create(BOOKINGS)
        read_side.send(confirmed("ada"))
        with pytest.raises(Hindered, match="do not tell of 4 rows") as refused:
            read_side.rebuild()
        assert f"booking {booking_id('ada')}: is there as it was before" in str(refused.value)
        assert read_side.versions() == {"ada": 2, "bob": 1}
        assert read_side.rebuild(drop_unknown=True)[0].startswith("Going on")
        assert read_side.versions() == {"ada": 1}


def test_a_view_on_a_served_table_is_named_and_nothing_is_exchanged(read_side):
    with read_side.projecting():
        read_side.send(confirmed("ada"))
        read_side.until_read(1)
        read_side.rows("CREATE VIEW mine AS SELECT title FROM bookings")
        with pytest.raises(Hindered, match="view mine depends on table bookings"):
            read_side.rebuild()
        read_side.send(moved("ada", 2))
        until(lambda: read_side.versions() == {"ada": 2}, 10)


def test_lines_about_letters_outlive_their_topic(read_side):
    with read_side.projecting():
        read_side.send(confirmed("ada"), letter("ada"))
        read_side.until_read(2)
        read_side.cut(DELIVERIES)
        read_side.rebuild()
        assert read_side.verify() == []
    assert read_side.rows("SELECT type FROM booking_history ORDER BY type") == [
        ("confirmed",),
        ("email-sent",),
    ]


def test_the_new_tables_are_of_this_version_and_older_programs_do_not_touch_newer_ones(read_side):
    read_side.send(confirmed("ada"))
    read_side.rows("DELETE FROM migrations WHERE name LIKE '0003%'")
    read_side.rows("DROP FUNCTION count_changed_bookings() CASCADE")
    with read_side.projecting():
        read_side.until_read(1)
        with pytest.raises(Hindered, match="older version"):
            read_side.verify()
        read_side.rebuild()
        read_side.send(cancelled("ada", 2))
        read_side.until_read(2)
        assert schema.migrate(psycopg2.connect(read_side.fresh.owner_url)) == []
        assert read_side.verify() == []
    read_side.rows("INSERT INTO migrations VALUES ('9999-later.sql', now())")
    with pytest.raises(Hindered, match="newer version"):
        read_side.rebuild()


def test_a_rebuild_before_the_first_migration_or_without_topics_says_what_is_missing(
    read_side, database, monkeypatch
):
    monkeypatch.setattr("rebook.kafka._MADE_ANEW_WITHIN_S", 0)
    read_side.delete(DELIVERIES)
    with pytest.raises(Hindered, match=f"no topic {read_side.settings.topic(DELIVERIES)}"):
        read_side.rebuild()
    with pytest.raises(Hindered, match="migrate"):
        SecondSet(database("booking_query").owner_url, "rebuild")


def test_a_topic_that_is_being_made_anew_is_waited_for(read_side):
    read_side.send(confirmed("ada"))
    with read_side.projecting():
        read_side.until_read(1)
    read_side.delete(BOOKINGS)
    shown = []

    @contextmanager
    def owner_at_work(what, _):
        shown.append(what)
        if what.startswith("Waiting"):
            read_side.create(BOOKINGS)
            read_side.send(confirmed("ada"))
        yield lambda _: None

    read_side.rebuild(show=owner_at_work)
    assert shown[0] == f"Waiting for {read_side.settings.topic(BOOKINGS)}"
    assert read_side.versions() == {"ada": 1}


def test_no_partition_is_left_behind_while_others_are_read_on(read_side):
    topic = read_side.settings.topic(BOOKINGS)
    with closing(producer(read_side.settings)) as sender:
        for number in range(12 * 1_500):
            sender.send(topic, b"", partition=number % 12)
        sender.flush()
    with admin(read_side.settings) as topics:
        ids = topic_ids(topics, [topic])
    with (
        closing(psycopg2.connect(read_side.fresh.url)) as connection,
        Replay(read_side.settings, connection, ids, is_wanted=lambda _: False) as replay,
    ):
        for step in range(100, 1_501, 100):
            replay.read_to({TopicPartition(topic, n): step - n * 5 for n in range(12)})
        replay.read_to({TopicPartition(topic, n): 1_500 for n in range(12)})
        assert {each.next_offset for each in replay.positions.values()} == {1_500}
