"""How the notifier is doing: what its workers say about themselves, and what waits in its tables."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import psycopg2
from flask import Blueprint, current_app
from prometheus_client import Gauge
from rebook.events import LETTERS
from rebook.progress import SILENT_AFTER_S, status
from rebook.serving import ready

from notifier.deliveries import FAILED, PENDING
from notifier.inbox import NAME

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

blueprint = Blueprint("health", __name__)

_FORGOTTEN_AFTER = "1 hour"

_WAITING = {
    PENDING: Gauge(
        "deliveries_pending", "Letters to be sent, reminders that are not due left out", ["letter"]
    ),
    FAILED: Gauge("deliveries_failed", "Letters refused for good or with all tries used up", ["letter"]),
}
_SERVER = Gauge("mail_server_is_well", "1 while the mail server lets itself be used")

_BACKLOG = """
    SELECT (SELECT count(*) FROM deliveries WHERE state = 'pending'),
           (SELECT count(*) FROM deliveries WHERE state = 'failed'),
           (SELECT count(*) FROM delivery_events WHERE NOT is_reported)
"""
_BY_LETTER = """
    SELECT state, letter, count(*) FROM deliveries WHERE state = 'pending' GROUP BY state, letter
    UNION ALL
    SELECT state, letter, count(*) FROM deliveries WHERE state = 'failed' GROUP BY state, letter
"""
_SENDERS = """
    SELECT count(*), coalesce(bool_and(server_is_well), false) FROM senders
    WHERE seen_at > now() - make_interval(secs => %s)
"""
_BEAT = """
    INSERT INTO senders (instance, seen_at, server_is_well) VALUES (%s, now(), %s)
    ON CONFLICT (instance) DO UPDATE SET seen_at = now(), server_is_well = excluded.server_is_well
"""


class Pulse:
    """Says that this process's senders live, and measures what waits."""

    def __init__(self) -> None:
        self._instance: UUID = uuid4()

    def beat(self, connection: Connection, *, server_is_well: bool) -> None:
        with connection, connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit = off")
            cursor.execute("DELETE FROM senders WHERE seen_at < now() - %s::interval", (_FORGOTTEN_AFTER,))
            cursor.execute(_BEAT, (self._instance, server_is_well))
            cursor.execute(_BY_LETTER)
            counts = {(state, letter): count for state, letter, count in cursor.fetchall()}
        for state, gauge in _WAITING.items():
            for letter in LETTERS:
                gauge.labels(letter).set(counts.get((state, letter), 0))
        _SERVER.set(server_is_well)

    def end(self, connection: Connection) -> None:
        """Say that these senders have stopped, as it was asked to."""
        with connection, connection.cursor() as cursor:
            cursor.execute("DELETE FROM senders WHERE instance = %s", (self._instance,))


@blueprint.get("/readyz")
def readiness() -> tuple[dict[str, str], int]:
    try:
        with closing(_connect()) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except psycopg2.OperationalError:
        return ready(False)
    return ready(True)


@blueprint.get("/statusz")
def service_status() -> tuple[dict[str, Any], int]:
    """The whole service: 200 when events are read, have been caught up with once, and letters can be sent."""
    try:
        with closing(_connect()) as connection, connection.cursor() as cursor:
            reads, facts = status(cursor, NAME)
            sends, letters = _letters(cursor)
    except psycopg2.OperationalError:
        return {"status": "not ready", "database": "unavailable"}, 503
    is_well = reads and sends
    return {"status": "ready" if is_well else "not ready", **facts, **letters}, 200 if is_well else 503


def _letters(cursor: Cursor) -> tuple[bool, dict[str, Any]]:
    cursor.execute(_SENDERS, (SILENT_AFTER_S,))
    senders, server_is_well = cursor.fetchone() or (0, False)
    pending, failed, unreported = _backlog(cursor)
    smtp = ("reachable" if server_is_well else "in trouble") if senders else "unknown"
    return bool(senders and server_is_well), {
        "senders": senders,
        "smtp": smtp,
        "pending_deliveries": pending,
        "failed_deliveries": failed,
        "unreported_deliveries": unreported,
    }


def _backlog(cursor: Cursor) -> tuple[int, int, int]:
    cursor.execute(_BACKLOG)
    row = cursor.fetchone()
    assert row is not None
    return row


def _connect() -> Connection:
    return psycopg2.connect(current_app.extensions["rebook_database_url"], connect_timeout=2)
