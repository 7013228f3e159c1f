"""Tells the dead-letters topic what is parked and waits for an operator; the table stays the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rebook.kafka import DEAD_LETTERS, ensure_topic, producer
from rebook.parking import ERROR, GAP, UNREADABLE, raw_headers

if TYPE_CHECKING:
    from kafka import KafkaAdminClient
    from psycopg2.extensions import connection as Connection  # noqa: N812
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

    from rebook.kafka import KafkaSettings

GAP_PATIENCE_S = 3  # a gap while a topic is refilled ends by itself and is no news
_AT_ONCE = 500
_SEND_TIMEOUT_S = 10

_UNANNOUNCED = """
    SELECT source, stream, sequence, kind, reason, topic, key, headers, value FROM parked_events
    WHERE announced_at IS NULL
      AND (kind IN (%s, %s) OR kind = %s AND parked_at < now() - make_interval(secs => %s))
    ORDER BY parked_at LIMIT %s FOR UPDATE SKIP LOCKED
"""


def announce(connection: Connection, admin: KafkaAdminClient, settings: KafkaSettings, worker: str) -> int:
    """Write new dead letters to the topic, each at least once; how many. They keep their keys and headers."""
    with connection, connection.cursor() as cursor:
        cursor.execute(_UNANNOUNCED, (ERROR, UNREADABLE, GAP, GAP_PATIENCE_S, _AT_ONCE))
        letters = cursor.fetchall()
        if letters:
            ensure_topic(admin, settings, DEAD_LETTERS)
            _send(settings, worker, letters)
            _mark(cursor, letters)
    return len(letters)


def _send(settings: KafkaSettings, worker: str, letters: list[tuple[Any, ...]]) -> None:
    client = producer(settings, bootstrap_timeout_ms=2_000)
    try:
        topic = settings.topic(DEAD_LETTERS)
        sent = [client.send(topic, **_record(worker, *letter[3:])) for letter in letters]
        for future in sent:
            future.get(timeout=_SEND_TIMEOUT_S)
    finally:
        client.close(timeout=1)


def _record(
    worker: str, kind: str, reason: str, topic: str, key: Any, headers: Any, value: Any
) -> dict[str, Any]:
    why = {"rebook_reason": reason, "rebook_kind": kind, "rebook_topic": topic, "rebook_worker": worker}
    return {
        "key": key and bytes(key),
        "value": value and bytes(value),
        "headers": raw_headers(headers) + [(name, text.encode()) for name, text in why.items()],
    }


def _mark(cursor: Cursor, letters: list[tuple[Any, ...]]) -> None:
    for letter in letters:
        cursor.execute(
            "UPDATE parked_events SET announced_at = now() WHERE source = %s AND stream = %s AND sequence = %s",
            letter[:3],
        )
