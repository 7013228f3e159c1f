"""Topics that still hold what has been erased from the tables they are filled from.

The erasure's own transaction notes the topic; its owner drops it, and fills it anew as one that was lost. So nothing
is forgotten by a crash in between, and several erasures share one drop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rebook.kafka import drop_topic

if TYPE_CHECKING:
    from kafka import KafkaAdminClient

    from rebook.kafka import KafkaSettings

NOTE = "INSERT INTO stale_topics (topic) VALUES (%s) ON CONFLICT DO NOTHING"
_TAKE = "DELETE FROM stale_topics WHERE topic = %s RETURNING topic"


def note(cursor: Any, name: str) -> None:
    """Have one of our topics dropped, once this transaction is committed."""
    cursor.execute(NOTE, (name,))


def drop_noted(cursor: Any, client: KafkaAdminClient, settings: KafkaSettings, name: str) -> bool:
    """Drop one of our topics if that was noted; whether it was.

    Whoever notes it meanwhile waits for this transaction, and then has it dropped once more.
    """
    cursor.execute(_TAKE, (name,))
    is_noted = cursor.fetchone() is not None
    if is_noted:
        drop_topic(client, settings.topic(name))
    return is_noted
