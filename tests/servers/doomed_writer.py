"""A program that appends to a store until it is killed: python doomed_writer.py DATABASE_URL SEED STREAM...

It stalls and rolls back now and then, kills itself at every point of a transaction, and prints a line for
each transaction that has ended.
"""

from __future__ import annotations

import os
import random
import signal
import sys

import psycopg
from psycopg import sql

_INSERT = """
INSERT INTO stored_events (originator_id, originator_version, topic, state)
SELECT {stream}, coalesce(max(originator_version), 0) + 1, 'Test', ''
FROM stored_events WHERE originator_id = {stream}
"""
_FATES = ("commit",) * 14 + (
    "stall", "stall", "roll back",
    "die inserting", "die inserted", "die stalling", "die committing",
)  # fmt: skip


def main(url: str, seed: str, *streams: str) -> None:
    chance = random.Random(seed)
    with psycopg.connect(url) as connection:
        while True:
            inserts = [
                sql.SQL(_INSERT).format(stream=sql.Literal(stream)).as_string()
                for stream in chance.choices(streams, k=chance.choice((1, 1, 2)))
            ]
            try:
                _append(connection, inserts, chance.choice(_FATES))
            except psycopg.Error:  # somebody else was first in that stream
                connection.rollback()
            print(flush=True)


def _append(connection: psycopg.Connection[object], inserts: list[str], fate: str) -> None:
    for insert in inserts:
        if fate == "die inserting":
            _send_and_die(connection, insert)
        connection.execute(insert)
    if fate == "die inserted":
        _die()
    if fate == "die stalling":
        _send_and_die(connection, "SELECT pg_sleep(0.02)")
    if fate == "stall":
        connection.execute("SELECT pg_sleep(0.01)")
    if fate == "die committing":
        _send_and_die(connection, "COMMIT")
    if fate == "roll back":
        connection.rollback()
    connection.commit()


def _send_and_die(connection: psycopg.Connection[object], statement: str) -> None:
    """Leave the server at work on a statement whose answer nobody will read."""
    if connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE:
        connection.execute("SELECT 1")  # begins the transaction
    connection.pgconn.send_query(statement.encode())
    connection.pgconn.flush()
    _die()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(*sys.argv[1:])
