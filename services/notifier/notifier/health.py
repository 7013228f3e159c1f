"""How the notifier is doing: what its workers say about themselves, and what waits in its tables."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg2
from flask import Blueprint, current_app
from rebook.health import ready, tell_status
from rebook.postgres import connect
from rebook.progress import SILENT_AFTER_S, status

from notifier.inbox import NAME

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

blueprint = Blueprint("health", __name__)

_BACKLOG = """
    SELECT (SELECT count(*) FROM deliveries WHERE state = 'pending'),
           (SELECT count(*) FROM deliveries WHERE state = 'failed'),
           (SELECT count(*) FROM delivery_events WHERE NOT is_reported)
"""
_OLDEST = """
    SELECT coalesce(extract(epoch FROM now() - min(fell_due_at)), 0)::float8 FROM deliveries WHERE state = 'pending'
"""
_SENDERS = """
    SELECT count(*), coalesce(bool_and(server_is_well), false) FROM senders
    WHERE seen_at > now() - make_interval(secs => %s)
"""


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
    return connect(current_app.extensions["rebook_database_url"], connect_timeout=2)
