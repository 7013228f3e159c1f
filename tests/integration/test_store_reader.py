"""The store is read in order while writers stall, roll back and die: nothing is missed, nothing is reordered."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import psycopg
import pytest
from booking_command.reader import read_after
from servers import doomed_writer
from servers.waiting import until

_INSERT = (
    "INSERT INTO stored_events (originator_id, originator_version, topic, state) VALUES (%s, %s, 'Test', '')"
)
WRITERS = 8
STREAMS_EACH = 40
PROCESSES = 4
LIVES_EACH = 6


@pytest.fixture
def store_url(event_store) -> str:
    return event_store().url


@pytest.fixture
def reader(store_url):
    with psycopg.connect(store_url, autocommit=True) as connection:
        yield connection


def positions(events) -> list[int]:
    return [event.position for event in events]


def test_an_event_behind_an_open_transaction_is_not_passed_over(store_url, reader):
    with psycopg.connect(store_url) as slow, psycopg.connect(store_url, autocommit=True) as quick:
        slow.execute(_INSERT, (uuid4(), 1))
        quick.execute(_INSERT, (uuid4(), 1))
        assert positions(read_after(reader, 0, 10)) == []
        slow.commit()
        assert positions(read_after(reader, 0, 10)) == [1, 2]


def test_a_transaction_that_never_ends_well_holds_nobody_up(store_url, reader):
    with psycopg.connect(store_url) as doomed, psycopg.connect(store_url, autocommit=True) as quick:
        doomed.execute(_INSERT, (uuid4(), 1))
        quick.execute(_INSERT, (uuid4(), 1))
        doomed.rollback()
        assert positions(read_after(reader, 0, 10)) == [2]


def test_a_writer_that_locked_but_has_not_drawn_yet_holds_back_only_what_it_may_draw(store_url, reader):
    with psycopg.connect(store_url, autocommit=True) as quick:
        quick.execute(_INSERT, (uuid4(), 1))
    with psycopg.connect(store_url) as waiting, psycopg.connect(store_url, autocommit=True) as quick:
        waiting.execute(
            "SELECT pg_advisory_xact_lock_shared((x'52'::bigint << 56) | last_value)"
            " FROM stored_events_notification_id_seq"
        )
        quick.execute(_INSERT, (uuid4(), 1))
        assert positions(read_after(reader, 0, 10)) == [1]
        waiting.execute(_INSERT, (uuid4(), 1))
        waiting.commit()
        assert positions(read_after(reader, 1, 10)) == [2, 3]


def write(store_url: str, seed: int, written: set[tuple[UUID, int]], gate: threading.Barrier) -> None:
    """Append to streams of one's own, and stall, roll back or lose the connection on the way."""
    chance = random.Random(seed)
    connection = psycopg.connect(store_url)
    gate.wait()
    for _ in range(STREAMS_EACH):
        stream, version = uuid4(), 0
        while version < 5:
            fate = chance.choice(["commit", "commit", "commit", "stall", "roll back", "die"])
            connection.execute(_INSERT, (stream, version + 1))
            if fate == "stall":
                connection.execute("SELECT pg_sleep(0.005)")
            if fate == "roll back":
                connection.rollback()
            elif fate == "die":
                connection.close()
                connection = psycopg.connect(store_url)
            else:
                connection.commit()
                version += 1
                written.add((stream, version))
    connection.close()


def test_writers_that_stall_roll_back_and_die_hide_nothing_and_reorder_nothing(store_url, reader):
    written: list[set[tuple[UUID, int]]] = [set() for _ in range(WRITERS)]
    gate = threading.Barrier(WRITERS)
    writers = [
        threading.Thread(target=write, args=(store_url, seed, written[seed], gate)) for seed in range(WRITERS)
    ]
    for writer in writers:
        writer.start()
    seen: list[tuple[UUID, int]] = []
    cursor, last_look = 0, False
    while not last_look:
        last_look = not any(writer.is_alive() for writer in writers)
        while batch := read_after(reader, cursor, 7):
            assert positions(batch) == sorted(positions(batch))
            cursor = batch[-1].position
            seen += [(event.stream_id, event.version) for event in batch]
    assert len(seen) == len(set(seen))
    assert set(seen) == set().union(*written)
    newest: dict[UUID, int] = {}
    for stream, version in seen:
        assert version == newest.get(stream, 0) + 1
        newest[stream] = version


def live_and_die(store_url: str, seed: int, streams: list[str]) -> None:
    """A writer process that is started again and again, and killed after some transactions if not sooner."""
    chance = random.Random(seed)
    for life in range(LIVES_EACH):
        program = [sys.executable, doomed_writer.__file__, store_url, f"{seed}-{life}", *streams]
        with subprocess.Popen(program, stdout=subprocess.PIPE) as writer:
            for _ in zip(range(chance.randrange(1, 60)), writer.stdout, strict=False):
                pass
            writer.kill()


def others_at_work(connection: psycopg.Connection) -> int:
    (count,) = connection.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    ).fetchone()
    return count


def test_writers_that_are_killed_and_come_back_hide_nothing_and_reorder_nothing(store_url, reader):
    streams = [str(uuid4()) for _ in range(6)]
    seen: list[tuple[int, UUID, int]] = []

    def read_on() -> None:
        while batch := read_after(reader, seen[-1][0] if seen else 0, 7):
            seen.extend((event.position, event.stream_id, event.version) for event in batch)

    with ThreadPoolExecutor(PROCESSES) as pool:
        lives = [pool.submit(live_and_die, store_url, seed, streams) for seed in range(PROCESSES)]
        while not all(life.done() for life in lives):
            read_on()
    for life in lives:
        life.result()
    until(lambda: not others_at_work(reader), 10, "the end of what the killed ones had begun")
    read_on()
    stored = "SELECT notification_id, originator_id, originator_version FROM stored_events ORDER BY 1"
    assert seen == reader.execute(stored).fetchall()
    for stream in streams:
        versions = [version for _, stream_id, version in seen if str(stream_id) == stream]
        assert versions == list(range(1, len(versions) + 1))
    assert len(seen) > PROCESSES * LIVES_EACH
