"""Topics that still hold what has been erased from the tables they are filled from.

The erasure's own transaction notes the topic; its owner drops it, and fills it anew as one that was lost. So nothing
is forgotten by a crash in between, and several erasures share one drop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog

from rebook.kafka import KafkaError, drop_topic

if TYPE_CHECKING:
    from kafka import KafkaAdminClient

    from rebook.kafka import KafkaSettings

log = structlog.get_logger()

NOTE = "INSERT INTO stale_topics (topic) VALUES (%s) ON CONFLICT DO NOTHING"
_TAKE = "DELETE FROM stale_topics WHERE topic = %s AND try_at <= now() RETURNING topic"
_NOTE_AGAIN = "INSERT INTO stale_topics VALUES (%s, now() + make_interval(secs => %s)) ON CONFLICT DO NOTHING"
_AGAIN_AFTER_S = 10.0


def note(cursor: Any, name: str) -> None:
    """Have one of our topics dropped, once this transaction is committed."""
    cursor.execute(NOTE, (name,))


def drop_noted(cursor: Any, client: KafkaAdminClient, settings: KafkaSettings, name: str) -> bool:
    """Drop one of our topics if that was noted; whether it is gone. Where Kafka refuses, it stays noted.

    Whoever notes it meanwhile waits for this transaction, and then has it dropped once more.
    """
    cursor.execute(_TAKE, (name,))
    if cursor.fetchone() is None:
        return False
    topic = settings.topic(name)
    try:
        drop_topic(client, topic)
    except KafkaError as error:
        log.warning("topic holds what was erased, and cannot be dropped", topic=topic, error=str(error))
        cursor.execute(_NOTE_AGAIN, (name, _AGAIN_AFTER_S))
        return False
    log.info("topic dropped, since it held what was erased", topic=topic)
    return True
