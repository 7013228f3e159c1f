"""What the senders of a process say about themselves, and what they count for /metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from prometheus_client import Gauge
from rebook.events import LETTERS

from notifier.deliveries import FAILED, PENDING

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812

_FORGOTTEN_AFTER = "1 hour"

_WAITING = {
    PENDING: Gauge(
        "deliveries_pending", "Letters to be sent, reminders that are not due left out", ["letter"]
    ),
    FAILED: Gauge("deliveries_failed", "Letters refused for good or with all tries used up", ["letter"]),
}
_SERVER = Gauge("mail_server_is_well", "1 while the mail server lets itself be used")

_BY_LETTER = """
    SELECT state, letter, count(*) FROM deliveries WHERE state = 'pending' GROUP BY state, letter
    UNION ALL
    SELECT state, letter, count(*) FROM deliveries WHERE state = 'failed' GROUP BY state, letter
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
