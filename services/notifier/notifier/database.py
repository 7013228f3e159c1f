"""Connections to the notifier's database that are made anew for as long as it takes."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING

import structlog
from psycopg2.extras import register_uuid
from rebook import postgres
from rebook.kafka import KafkaError
from rebook.pauses import next_pause_s

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from psycopg2.extensions import connection as Connection  # noqa: N812

log = structlog.get_logger()

_LOST = (*postgres.TROUBLE, KafkaError)


def connect(url: str) -> Connection:
    """A connection on which whoever holds locks and falls silent is cut off by the server."""
    connection = postgres.connect(url, connect_timeout=3)
    prepare(connection)
    return connection


def prepare(connection: Connection) -> None:
    """Read and write ids as UUID objects on this connection."""
    register_uuid(conn_or_curs=connection)  # type: ignore[no-untyped-call]


def keep_at(name: str, url: str, stop: threading.Event, session: Callable[[Connection], None]) -> None:
    """Run `session` until it ends by itself, over again with a new connection when PostgreSQL or Kafka is lost."""
    pause_s = 0.0
    while not stop.wait(pause_s):
        began_s = time.monotonic()
        try:
            with closing(connect(url)) as connection:
                session(connection)
        except _LOST as error:
            pause_s = next_pause_s(pause_s, began_s)
            log.warning("starting over", part=name, error=type(error).__name__, pause_s=pause_s)
        else:
            return
