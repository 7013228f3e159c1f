"""Events a second that writers in several processes store: our recorder, the library's own, and bare INSERTs.

The three are run in turn, round by round, on one PostgreSQL with durability on.
"""

from __future__ import annotations

import multiprocessing as mp
import threading
import time
from typing import TYPE_CHECKING
from uuid import uuid4

import psycopg
from booking_command.store import EventStore
from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresFactory
from eventsourcing.utils import Environment
from psycopg.conninfo import conninfo_to_dict

if TYPE_CHECKING:
    from collections.abc import Callable

STATE = b"x" * 900  # bytes of a BookingConfirmed as it is stored
PROCESSES = 8
ROUND_S = 3.0
_BARE = """
CREATE TABLE IF NOT EXISTS bare_events (originator_id uuid NOT NULL, originator_version bigint NOT NULL, topic text,
    state bytea, notification_id bigserial, PRIMARY KEY (originator_id, originator_version));
CREATE UNIQUE INDEX IF NOT EXISTS bare_events_position ON bare_events (notification_id)
"""
_BARE_INSERT = (
    "INSERT INTO bare_events (originator_id, originator_version, topic, state) VALUES (%s, %s, %s, %s)"
    " RETURNING notification_id"
)


def prepare(url: str) -> None:
    """Make the tables that the two others write to."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_BARE)
    _library(url, 1, create="y")


def rates(url: str, writers: int) -> dict[str, float]:
    """Events a second of each, one round."""
    return {name: _rate(make, url, writers) for name, make in _KINDS.items()}


def _rate(kind: Callable[[str, int], Callable[[], object]], url: str, writers: int) -> float:
    processes = min(PROCESSES, writers)
    threads = writers // processes
    context = mp.get_context("fork")
    gate, counts = context.Barrier(processes * threads), context.Queue()
    started = [
        context.Process(target=_process, args=(kind, url, threads, gate, counts)) for _ in range(processes)
    ]
    for process in started:
        process.start()
    total = sum(counts.get(timeout=60) for _ in range(processes * threads))
    for process in started:
        process.join()
    return total / ROUND_S


def _process(kind, url: str, threads: int, gate, counts) -> None:
    append = kind(url, threads)
    writing = [threading.Thread(target=_write, args=(append, gate, counts)) for _ in range(threads)]
    for thread in writing:
        thread.start()
    for thread in writing:
        thread.join()


def _write(append: Callable[[], object], gate, counts) -> None:
    append()
    gate.wait(timeout=30)
    count, end = 0, time.monotonic() + ROUND_S
    while time.monotonic() < end:
        append()
        count += 1
    counts.put(count)


def _ours(url: str, threads: int) -> Callable[[], object]:
    recorder = EventStore(url, threads).appender
    return lambda: recorder.insert_events([_event()])


def _library(url: str, threads: int, create: str = "n") -> Callable[[], object]:
    parts = conninfo_to_dict(url)
    environment = {
        "POSTGRES_DBNAME": parts["dbname"],
        "POSTGRES_HOST": parts["host"],
        "POSTGRES_PORT": parts.get("port", "5432"),
        "POSTGRES_USER": parts["user"],
        "POSTGRES_PASSWORD": parts.get("password") or "-",
        "POSTGRES_POOL_SIZE": str(threads),
        "CREATE_TABLE": create,
    }
    recorder = PostgresFactory(Environment("library", environment)).application_recorder()
    return lambda: recorder.insert_events([_event()])


def _bare(url: str, threads: int) -> Callable[[], object]:
    own = threading.local()

    def append() -> object:
        if not hasattr(own, "connection"):
            own.connection = psycopg.connect(url, autocommit=True)
        event = _event()
        values = (event.originator_id, event.originator_version, event.topic, event.state)
        return own.connection.execute(_BARE_INSERT, values, prepare=True).fetchone()

    return append


def _event() -> StoredEvent:
    return StoredEvent(uuid4(), 1, "BookingConfirmed", STATE)


_KINDS = {"ours": _ours, "library": _library, "bare": _bare}
