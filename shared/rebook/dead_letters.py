"""Tells the dead-letters topic what is parked and waits for an operator; the table stays the truth.

Each service tells of its own, in every topic of that name: one that was lost, or dropped because it held what has
been erased, is told again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog

from rebook.kafka import DEAD_LETTERS, KafkaError, ensured_topic_id, producer
from rebook.parking import ERROR, GAP, UNREADABLE, raw_headers

if TYPE_CHECKING:
    from kafka import KafkaAdminClient
    from psycopg2.extensions import connection as Connection  # noqa: N812
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

    from rebook.kafka import KafkaSettings

log = structlog.get_logger()

GAP_PATIENCE_S = 3  # a gap while a topic is refilled ends by itself and is no news
_AT_ONCE = 500
_PATIENCE_MS = 2_000  # for Kafka, and for a topic that another service drops at this moment

_WORTH_TELLING = "(kind IN (%s, %s) OR kind = %s AND parked_at < now() - make_interval(secs => %s))"
_ANY = f"SELECT EXISTS (SELECT FROM parked_events WHERE {_WORTH_TELLING})"  # noqa: S608 - a constant
_UNANNOUNCED = f"""
    SELECT source, stream, sequence, kind, reason, topic, key, headers, value FROM parked_events
    WHERE {_WORTH_TELLING} AND announced_in IS DISTINCT FROM %s
    ORDER BY parked_at LIMIT %s FOR UPDATE SKIP LOCKED
"""  # noqa: S608 - a constant
_KINDS = (ERROR, UNREADABLE, GAP, GAP_PATIENCE_S)
_MARK = """
    UPDATE parked_events SET announced_at = now(), announced_in = %s
    WHERE source = %s AND stream = %s AND sequence = %s
"""


def announce(connection: Connection, admin: KafkaAdminClient, settings: KafkaSettings, worker: str) -> None:
    """Write new dead letters to the topic, each at least once. They keep their keys and headers.

    Where Kafka does not take them they wait for the next time, and hold up nothing else.
    """
    try:
        with connection, connection.cursor() as cursor:
            _announce(cursor, admin, settings, worker)
    except KafkaError as error:
        log.warning("dead letters wait to be told", error=type(error).__name__)


def _announce(cursor: Cursor, admin: KafkaAdminClient, settings: KafkaSettings, worker: str) -> None:
    cursor.execute(_ANY, _KINDS)
    if cursor.fetchone() == (False,):
        return
    topic_id = ensured_topic_id(admin, settings, DEAD_LETTERS)
    cursor.execute(_UNANNOUNCED, (*_KINDS, topic_id, _AT_ONCE))
    letters = cursor.fetchall()
    if letters:
        _send(settings, worker, letters)
        for letter in letters:
            cursor.execute(_MARK, (topic_id, *letter[:3]))


def _send(settings: KafkaSettings, worker: str, letters: list[tuple[Any, ...]]) -> None:
    client = producer(settings, bootstrap_timeout_ms=_PATIENCE_MS, max_block_ms=_PATIENCE_MS)
    try:
        topic = settings.topic(DEAD_LETTERS)
        sent = [client.send(topic, **_record(worker, *letter[3:])) for letter in letters]
        for future in sent:
            future.get(timeout=_PATIENCE_MS / 1000)
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
