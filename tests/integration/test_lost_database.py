"""What readers are told when PostgreSQL crashes under them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import psycopg2
import pytest
from booking_query.database import Database
from servers.postgres import PostgresServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

READERS = 16


@pytest.fixture
def own_server(scratch: Path) -> Iterator[PostgresServer]:
    home = scratch / "crashing"
    home.mkdir()
    started = PostgresServer(home)
    yield started
    started.server.stop()


def test_a_crash_of_postgresql_is_told_as_its_loss_wherever_it_meets_a_reader(own_server: PostgresServer):
    """libpq has several ways to find out; one of them psycopg2 tells as a bare DatabaseError."""
    database = Database(own_server.url)
    told: list[psycopg2.Error] = []
    reading = threading.Barrier(READERS + 1)

    def read() -> None:
        database.row("SELECT 1")
        reading.wait()
        try:
            while True:
                database.rows("SELECT * FROM generate_series(1, 2000)")
        except psycopg2.Error as error:
            told.append(error)

    threads = [threading.Thread(target=read) for _ in range(READERS)]
    for thread in threads:
        thread.start()
    reading.wait()
    own_server.server.crash()
    for thread in threads:
        thread.join()
    assert {type(error) for error in told} == {psycopg2.OperationalError}
