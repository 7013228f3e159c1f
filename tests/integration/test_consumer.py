"""The consumer on a real Kafka and a real PostgreSQL, with the smallest projection there can be."""

from __future__ import annotations

import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from kafka import TopicPartition
from rebook import kafka as rebook_kafka
from rebook.batches import ATTEMPTS_MAX
from rebook.cloudevents import Event
from rebook.consumer import Consumer, Handle, VersionGap, Work
from rebook.dead_letters import GAP_PATIENCE_S
from rebook.events import CUSTOMER_ERASED
from rebook.kafka import BOOKINGS, DEAD_LETTERS, TEAM, KafkaSettings
from rebook.offsets import Overtaken, load, move
from rebook.progress import status
from rebook.topic_reader import read_to_end
from servers.kafka import settings_of
from servers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg2.extensions import cursor as Cursor  # noqa: N812

WORKER = "reader"
POISON = "rebook.Poison.v1"
ADDED = "rebook.Added.v1"


def event(stream: str, version: int, kind: str = ADDED, **data: Any) -> Event:
    return Event(
        id=f"{stream}:{version}",
        source="/booking-command/store",
        type=kind,
        subject=stream,
        time="2030-11-04T09:00:00Z",
        sequence=version,
        position=version,
        correlation_id="test",
        data=data,
    )


def remember(event: Event, cursor: Cursor) -> None:
    """A projection with a version guard: one row a stream, and one for every event applied."""
    if event.type == POISON:
        raise ValueError("nobody can apply this")
    cursor.execute("SELECT version FROM seen WHERE stream = %s", (event.subject,))
    row = cursor.fetchone()
    version = row[0] if row else 0
    if event.sequence > version + 1:
        raise VersionGap(f"{event.subject} is at {version}")
    if event.sequence == version + 1:
        cursor.execute(
            "INSERT INTO seen VALUES (%s, %s) ON CONFLICT (stream) DO UPDATE SET version = excluded.version",
            (event.subject, event.sequence),
        )
        cursor.execute("INSERT INTO applied VALUES (%s, %s)", (event.subject, event.sequence))


class Bench:
    """One reader's database and one prefix of topics, with what tests do to them."""

    def __init__(self, settings: KafkaSettings, url: str) -> None:
        self.settings = settings
        self.url = url
        self.connection = psycopg2.connect(url)
        self.connection.autocommit = True
        self._producer = rebook_kafka.producer(settings)

    def close(self) -> None:
        self._producer.close()
        self.connection.close()

    def refresh(self) -> None:
        """Another producer: this one may have given up on its broker."""
        self._producer.close(timeout=1)
        self._producer = rebook_kafka.producer(self.settings)

    def create(self, *names: str) -> None:
        with rebook_kafka.admin(self.settings) as admin:
            for name in names:
                rebook_kafka.ensure_topic(admin, self.settings, name)

    def delete(self, name: str) -> None:
        with rebook_kafka.admin(self.settings) as admin:
            admin.delete_topics([self.settings.topic(name)])
            until(lambda: not rebook_kafka.topic_ids(admin, [self.settings.topic(name)]), 10)

    def send(self, *events: Event, topic: str = BOOKINGS) -> None:
        for each in events:
            self.send_raw(each.subject.encode(), each.value(), each.headers(), topic)

    def send_many(self, events: list[Event]) -> None:
        """Send without waiting for each."""
        topic = self.settings.topic(BOOKINGS)
        for each in events:
            self._producer.send(topic, each.value(), each.subject.encode(), each.headers())
        self._producer.flush()

    def send_raw(self, key: bytes, value: bytes, headers: Any, topic: str = BOOKINGS) -> None:
        self._producer.send(self.settings.topic(topic), value, key, headers).get(timeout=10)

    def rows(self, query: str) -> list[Any]:
        with self.connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall()

    def versions(self) -> dict[str, int]:
        return dict(self.rows("SELECT stream, version FROM seen"))

    def applied(self) -> list[tuple[str, int]]:
        return self.rows("SELECT stream, version FROM applied ORDER BY place")

    def until_versions(self, **wanted: int) -> None:
        until(lambda: self.versions() == wanted, 20, f"versions {wanted}")

    def healthy(self) -> bool:
        with self.connection.cursor() as cursor:
            return status(cursor, WORKER)[0]

    def facts(self) -> dict[str, Any]:
        with self.connection.cursor() as cursor:
            return status(cursor, WORKER)[1]

    @contextmanager
    def reading(
        self, handle: Handle = remember, topics: tuple[str, ...] = (BOOKINGS,), **more: Any
    ) -> Iterator[None]:
        stop = threading.Event()
        consumer = Consumer(self.settings, self.url, Work(WORKER, topics, handle, **more))
        thread = threading.Thread(target=consumer.run, args=(stop,))
        thread.start()
        try:
            yield
            assert thread.is_alive()
        finally:
            stop.set()
            thread.join(10)


@pytest.fixture
def bench(kafka: Any, database: Any, topic_prefix: str) -> Iterator[Bench]:
    fresh = database("reader").with_tables("rebook")
    with closing(psycopg2.connect(fresh.owner_url)) as owner, owner, owner.cursor() as cursor:
        cursor.execute("CREATE TABLE seen (stream text PRIMARY KEY, version bigint)")
        cursor.execute("CREATE TABLE applied (stream text, version bigint, place bigserial)")
    settings = settings_of(kafka.bootstrap_servers, topic_prefix)
    with closing(Bench(settings, fresh.url)) as made:
        yield made


def test_events_become_rows_in_the_order_of_their_stream(bench):
    bench.create(BOOKINGS)
    bench.send(event("a", 1), event("b", 1), event("a", 2))
    with bench.reading():
        bench.until_versions(a=2, b=1)
        bench.send(event("b", 2))
        bench.until_versions(a=2, b=2)
    assert len(bench.applied()) == 4


def test_a_reader_goes_on_where_it_stopped_and_repeated_events_change_nothing(bench):
    bench.create(BOOKINGS)
    bench.send(event("a", 1), event("a", 2))
    with bench.reading():
        bench.until_versions(a=2)
    bench.send(event("a", 1), event("a", 2), event("a", 3))
    with bench.reading():
        bench.until_versions(a=3)
    assert bench.applied() == [("a", 1), ("a", 2), ("a", 3)]


def test_a_gap_parks_its_stream_and_ends_by_itself(bench):
    bench.create(BOOKINGS)
    with bench.reading():
        bench.send(event("a", 1), event("a", 3), event("a", 4), event("b", 1))
        bench.until_versions(a=1, b=1)
        until(lambda: bench.facts()["parked_streams"] == 1, 5)
        bench.send(event("a", 2))
        bench.until_versions(a=4, b=1)
    assert bench.rows("SELECT * FROM parked_events") == []
    assert [version for stream, version in bench.applied() if stream == "a"] == [1, 2, 3, 4]


def test_a_gap_that_lasts_becomes_a_dead_letter_and_still_heals(bench):
    bench.create(BOOKINGS)
    with bench.reading():
        bench.send(event("a", 2, reason="moved"))
        until(lambda: list(read_to_end(bench.settings, DEAD_LETTERS)), GAP_PATIENCE_S + 10)
        bench.send(event("a", 1))
        bench.until_versions(a=2)
    (letter,) = read_to_end(bench.settings, DEAD_LETTERS)
    assert (letter.id, letter.data) == ("a:2", {"reason": "moved"})


def test_an_event_that_cannot_be_applied_parks_its_own_stream_only(bench):
    bench.create(BOOKINGS)
    others = [event(f"s{number}", 1) for number in range(50)]
    with bench.reading():
        bench.send(*others[:25], event("a", 1), event("a", 2, POISON), event("a", 3), *others[25:])
        bench.until_versions(a=1, **{other.subject: 1 for other in others})
        until(lambda: list(read_to_end(bench.settings, DEAD_LETTERS)), 10)
    parked = bench.rows("SELECT stream, sequence, kind, reason FROM parked_events ORDER BY sequence")
    assert parked[0] == ("a", 2, "error", "ValueError: nobody can apply this")
    assert parked[1][:3] == ("a", 3, "queued")
    assert bench.facts()["dead_letters"] == 1


def test_dead_letters_whose_topic_another_service_drops_meanwhile_hold_up_nobody(bench, monkeypatch):
    bench.create(BOOKINGS)
    dropped = []

    def after_a_drop(*settings: Any, **options: Any) -> Any:
        if not dropped:
            bench.delete(DEAD_LETTERS)
            dropped.append(DEAD_LETTERS)
        return rebook_kafka.producer(*settings, **options)

    monkeypatch.setattr("rebook.dead_letters.producer", after_a_drop)
    with bench.reading():
        bench.send(event("a", 1, POISON))
        until(lambda: dropped, 10)
        bench.send(event("b", 1))
        bench.until_versions(b=1)
        until(lambda: list(read_to_end(bench.settings, DEAD_LETTERS)), 20)


def test_an_event_with_what_no_index_can_hold_is_parked_like_any_other_that_cannot_be_applied(bench):
    bench.create(BOOKINGS)

    def index(event: Event, cursor: Cursor) -> None:
        if event.sequence == 2:
            cursor.execute("CREATE TEMP TABLE long (text text PRIMARY KEY)")
            cursor.execute(
                "INSERT INTO long SELECT string_agg(md5(n::text), '') FROM generate_series(1, 999) n"
            )
        remember(event, cursor)

    with bench.reading(index):
        bench.send(event("a", 1), event("a", 2))
        until(lambda: bench.rows("SELECT * FROM parked_events WHERE sequence = 2"), 10)
    assert bench.rows("SELECT kind FROM parked_events") == [("error",)]


def test_an_event_that_ends_the_process_each_time_is_parked_in_the_end(bench):
    bench.create(BOOKINGS)
    with bench.reading():
        until(lambda: bench.rows("SELECT * FROM consumer_offsets"), 10)
    bench.send(event("a", 1), event("a", 2))
    bench.rows(
        f"UPDATE consumer_offsets SET attempts = {ATTEMPTS_MAX} RETURNING attempts"
    )  # what it leaves behind
    with bench.reading():
        until(lambda: bench.rows("SELECT * FROM parked_events WHERE sequence = 2"), 10)
    parked = bench.rows("SELECT kind, reason FROM parked_events ORDER BY sequence")
    assert parked[0] == ("error", "The process ended while it was applied.")
    assert parked[1][0] == "queued"


@pytest.mark.parametrize("trouble", ["gives up", "is gone"])
def test_trouble_of_the_database_is_no_attempt_at_an_event(bench, trouble):
    bench.create(BOOKINGS)
    tried: list[int] = []

    def troubled(event: Event, cursor: Cursor) -> None:
        tried.append(event.sequence)
        if len(tried) == 1 and trouble == "gives up":
            cursor.execute("SET LOCAL statement_timeout = 1; SELECT pg_sleep(10)")
        if len(tried) == 1:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        if len(tried) == 2:
            attempts.extend(bench.rows("SELECT max(attempts) FROM consumer_offsets"))
        remember(event, cursor)

    attempts: list[tuple[int]] = []
    with bench.reading(troubled):
        bench.send(event("a", 1))
        bench.until_versions(a=1)
    assert attempts == [(1,)]


def test_a_parked_event_that_is_released_goes_on_with_all_that_waited_behind_it(bench):
    bench.create(BOOKINGS)
    bench.send(event("a", 1), event("a", 2, POISON), event("a", 3))

    def mended(event: Event, cursor: Cursor) -> None:
        remember(Event(**{**event_fields(event), "type": ADDED}), cursor)

    with bench.reading():
        until(lambda: bench.facts()["dead_letters"] == 1 and bench.facts()["parked_streams"] == 1, 10)
    with bench.reading(mended):
        bench.connection.cursor().execute("UPDATE parked_events SET kind = 'queued'")
        bench.until_versions(a=3)


def event_fields(event: Event) -> dict[str, Any]:
    return {name: getattr(event, name) for name in Event.__slots__}


def test_a_record_that_is_no_event_is_set_aside(bench):
    bench.create(BOOKINGS)
    with bench.reading():
        bench.send_raw(b"a", b"not json", [("ce_id", b"a:1")])
        bench.send_raw(b"a", b"{}", [("other", b"\0\xff")])
        bench.send_raw(b"a", b"[" * 100_000, event("a", 1).headers())
        bench.send(event("a", 1))
        bench.until_versions(a=1)
    assert bench.rows("SELECT count(*) FROM parked_events WHERE kind = 'unreadable'") == [(3,)]


def test_a_backlog_of_several_batches_is_applied_in_order_around_what_cannot_be(bench):
    bench.create(BOOKINGS)
    versions, streams = 60, [f"s{number}" for number in range(40)]
    history = [event(stream, version) for version in range(1, versions + 1) for stream in streams]
    history[1_500] = event(history[1_500].subject, history[1_500].sequence, POISON)
    bench.send_many(history)
    stopped = {history[1_500].subject: history[1_500].sequence - 1}
    with bench.reading():
        bench.until_versions(**(dict.fromkeys(streams, versions) | stopped))
        until(lambda: bench.facts()["dead_letters"] == 1, 5)
    for stream in streams:
        reached = stopped.get(stream, versions)
        assert [version for of, version in bench.applied() if of == stream] == list(range(1, reached + 1))


def test_a_topic_deleted_and_refilled_under_a_live_consumer_loses_nothing(bench):
    bench.create(BOOKINGS)
    history = [event("a", version) for version in range(1, 101)]
    with bench.reading():
        bench.send(*history)
        bench.until_versions(a=100)
        bench.delete(BOOKINGS)
        bench.create(BOOKINGS)
        bench.send(event("new", 1), *(event("a", version) for version in range(1, 131)))
        bench.until_versions(a=130, new=1)
    assert [version for stream, version in bench.applied() if stream == "a"] == list(range(1, 131))


def test_a_topic_that_does_not_exist_yet_is_waited_for(bench):
    bench.create(BOOKINGS)
    with bench.reading(topics=(BOOKINGS, TEAM)):
        bench.send(event("a", 1))
        bench.until_versions(a=1)
        assert not bench.healthy()
        bench.create(TEAM)
        bench.send(event("m", 1), topic=TEAM)
        bench.until_versions(a=1, m=1)
        until(bench.healthy, 15)
    assert not bench.healthy()


def test_a_consumer_that_was_paused_while_another_went_on_commits_nothing(bench):
    bench.create(BOOKINGS)
    paused, resume = threading.Event(), threading.Event()

    def count(event: Event, cursor: Cursor) -> None:
        cursor.execute("INSERT INTO applied VALUES (%s, %s)", (event.subject, event.sequence))

    def pause() -> None:
        if bench.applied() == [("a", 1)] and not paused.is_set():
            paused.set()
            resume.wait(10)

    with bench.reading(count, after_batch=pause):
        bench.send(event("a", 1))
        assert paused.wait(10)
        bench.send(event("a", 2), event("a", 3))
        with psycopg2.connect(bench.url) as another, another.cursor() as cursor:
            count(event("a", 2), cursor)
            cursor.execute("UPDATE consumer_offsets SET next_offset = 2 WHERE next_offset = 1")
        another.close()
        resume.set()
        until(lambda: ("a", 3) in bench.applied(), 10)
    assert bench.applied() == [("a", 1), ("a", 2), ("a", 3)]


def test_consumers_share_the_work_and_nothing_counts_twice(bench):
    bench.create(BOOKINGS)

    def count(event: Event, cursor: Cursor) -> None:
        cursor.execute("INSERT INTO applied VALUES (%s, %s)", (event.subject, event.sequence))

    with bench.reading(count):
        bench.send(*(event(f"s{number}", 1) for number in range(100)))
        with bench.reading(count):
            bench.send(*(event(f"s{number}", 2) for number in range(100)))
            until(lambda: bench.facts()["instances"] == 2, 10)
            bench.send(*(event(f"s{number}", 3) for number in range(100)))
        bench.send(*(event(f"s{number}", 4) for number in range(100)))
        until(lambda: len(bench.applied()) >= 400, 20)
    assert sorted(bench.applied()) == sorted((f"s{n}", v) for n in range(100) for v in range(1, 5))


def test_nothing_of_a_backlog_is_lost_or_doubled_when_another_consumer_joins(bench):
    bench.create(BOOKINGS)
    bench.send_many([event(f"s{number}", 1) for number in range(5_000)])

    def count(event: Event, cursor: Cursor) -> None:
        cursor.execute("INSERT INTO applied VALUES (%s, %s)", (event.subject, event.sequence))

    with bench.reading(count):
        until(bench.applied, 10)
        with bench.reading(count):
            until(lambda: len(bench.applied()) >= 5_000, 30)
            until(lambda: bench.facts()["instances"] == 2, 10)
    assert len(set(bench.applied())) == len(bench.applied()) == 5_000


def test_it_goes_on_when_its_connection_was_cut(bench):
    bench.create(BOOKINGS)
    with bench.reading():
        bench.send(event("a", 1))
        bench.until_versions(a=1)
        bench.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        bench.send(event("a", 2))
        bench.until_versions(a=2)


def test_it_goes_on_after_kafka_was_away(bench, kafka):
    bench.create(BOOKINGS)
    with bench.reading():
        bench.send(event("a", 1))
        bench.until_versions(a=1)
        until(bench.healthy, 20)
        kafka.stop()
        until(lambda: not bench.facts()["instances"], 20, "silence")
        kafka.start()
        bench.create(BOOKINGS)  # the embedded broker forgets
        bench.refresh()
        bench.send(event("a", 1), event("a", 2))
        until(lambda: bench.versions() == {"a": 2}, 40, "what it had missed")
        until(bench.healthy, 40)
    assert len(bench.applied()) == 2


def test_a_member_without_partitions_stands_by_and_keeps_nobody_from_being_well(bench):
    bench.create(TEAM)  # of one partition
    with bench.reading(topics=(TEAM,)), bench.reading(topics=(TEAM,)):
        until(lambda: bench.facts()["instances"] == 2 and bench.healthy(), 40)
        bench.send(event("m", 1), topic=TEAM)
        bench.until_versions(m=1)
        assert bench.healthy()


def test_an_offset_moves_only_from_where_it_was_read(bench):
    partition = TopicPartition("t", 0)
    topic_id = "00000000-0000-0000-0000-000000000001"
    with bench.connection.cursor() as cursor:
        stale = load(cursor, partition, topic_id)
        move(cursor, {partition: stale}, {partition: stale._replace(next_offset=7)})
        with pytest.raises(Overtaken):
            move(cursor, {partition: stale}, {partition: stale._replace(next_offset=9)})
        assert load(cursor, partition, topic_id).next_offset == 7


def test_an_erased_customer_is_gone_from_what_is_parked_and_the_dead_letters_are_told_anew(bench):
    bench.create(BOOKINGS)
    forgotten: list[str] = []

    def told() -> str:
        return str([letter.data for letter in read_to_end(bench.settings, DEAD_LETTERS)])

    with bench.reading(forget=lambda stream, _: forgotten.append(stream)):
        bench.send(event("b", 1, POISON, notes="keep"))
        bench.send(event("a", 1), event("a", 2, POISON, customer={"name": "Zed", "timezone": "UTC"}))
        until(lambda: "Zed" in told() and "keep" in told(), 20)
        bench.send(event("a", 3, reason="Zed"), event("a", 4, CUSTOMER_ERASED))
        until(lambda: "Zed" not in told() and "keep" in told(), 20)
    parked = bench.rows(
        "SELECT sequence, kind, value, reason FROM parked_events WHERE stream = 'a' ORDER BY 1"
    )
    assert [(sequence, kind) for sequence, kind, *_ in parked] == [(2, "error"), (3, "queued"), (4, "queued")]
    assert not any(b"Zed" in bytes(value) for _, _, value, _ in parked)
    assert parked[0][3] == "ValueError"
    assert set(forgotten) == {"a"}
