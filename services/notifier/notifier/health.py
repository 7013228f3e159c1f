"""How the notifier is doing: what its workers say about themselves, and what waits in its tables."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import psycopg2
from flask import Blueprint, current_app
from prometheus_client import Gauge
from rebook.health import ready, tell_status
from rebook.progress import SILENT_AFTER_S, status

from notifier.inbox import NAME

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

blueprint = Blueprint("health", __name__)

_BEAT_EVERY_S = 1.0
_FORGOTTEN_AFTER = "1 hour"

_PENDING = Gauge("deliveries_pending", "Letters that wait to be sent, reminders that are not due left out")
_FAILED = Gauge("deliveries_failed", "Letters that were refused for good or whose tries are used up")
_SERVER = Gauge("mail_server_is_well", "1 while the mail server lets itself be used")

_BACKLOG = """
    SELECT (SELECT count(*) FROM deliveries WHERE state = 'pending'),
           (SELECT count(*) FROM deliveries WHERE state = 'failed'),
           (SELECT count(*) FROM delivery_events WHERE NOT is_reported)
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
    """Says once a second that this sender lives, and measures what waits."""

    def __init__(self) -> None:
        self._instance: UUID = uuid4()
        self._beat_at_s = 0.0

    def beat(self, connection: Connection, *, server_is_well: bool) -> None:
        if time.monotonic() - self._beat_at_s < _BEAT_EVERY_S:
            return
        self._beat_at_s = time.monotonic()
        with connection, connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit = off")
            cursor.execute("DELETE FROM senders WHERE seen_at < now() - %s::interval", (_FORGOTTEN_AFTER,))
            cursor.execute(_BEAT, (self._instance, server_is_well))
            pending, failed, _ = _backlog(cursor)
        _PENDING.set(pending)
        _FAILED.set(failed)
        _SERVER.set(server_is_well)

    def end(self, connection: Connection) -> None:
        """Say that this sender has stopped, as it was asked to."""
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


def service_status() -> tuple[bool, dict[str, Any]]:
    """Whether events are read, have been caught up with once, and letters can be sent; and the facts."""
    try:
        with closing(_connect()) as connection, connection.cursor() as cursor:
            reads, facts = status(cursor, NAME)
            sends, letters = _letters(cursor)
    except psycopg2.OperationalError:
        return False, {"database": "unavailable"}
    return reads and sends, {"database": "available", **facts, **letters}


blueprint.record_once(lambda state: tell_status(state.app, service_status))

_OLDEST = """
    SELECT coalesce(extract(epoch FROM now() - min(fell_due_at)), 0)::float8 FROM deliveries WHERE state = 'pending'
"""


def _letters(cursor: Cursor) -> tuple[bool, dict[str, Any]]:
    cursor.execute(_SENDERS, (SILENT_AFTER_S,))
    senders, server_is_well = cursor.fetchone() or (0, False)
    pending, failed, unreported = _backlog(cursor)
    cursor.execute(_OLDEST)
    (oldest_s,) = cursor.fetchone() or (0.0,)
    smtp = ("reachable" if server_is_well else "in trouble") if senders else "unknown"
    return bool(senders and server_is_well), {
        "senders": senders,
        "smtp": smtp,
        "smtp_reachable": bool(senders and server_is_well),
        "pending_deliveries": pending,
        "failed_deliveries": failed,
        "unreported_deliveries": unreported,
        "oldest_pending_seconds": oldest_s,
    }


def _backlog(cursor: Cursor) -> tuple[int, int, int]:
    cursor.execute(_BACKLOG)
    row = cursor.fetchone()
    assert row is not None
    return row


def _connect() -> Connection:
    return psycopg2.connect(current_app.extensions["rebook_database_url"], connect_timeout=2)
