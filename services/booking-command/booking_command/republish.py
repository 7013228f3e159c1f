"""Fills topics from the store once more, or one topic with the whole history for a reader that needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rebook.kafka import BOOKINGS, PARTITIONS, admin, create_topic, ensure_topic, producer

from booking_command.contract import Contract
from booking_command.owned_topics import OWNED
from booking_command.reader import read_after

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg import Connection
    from rebook.kafka import KafkaSettings

_BATCH = 5_000
_SEND_TIMEOUT_S = 30.0


def republish(
    connection: Connection[Any],
    settings: KafkaSettings,
    *,
    from_position: int,
    to_topic: str | None,
    progress: Callable[[int], None],
) -> int:
    """Publish every event from `from_position` on; how many those were. Readers skip what they have.

    Without `to_topic` (a full name) they go where the relay puts them.

    Raises:
        KafkaError: Kafka has not taken all of them; doing it again is safe.
    """
    topics = _topics(settings, to_topic)
    contract = Contract.of_store(connection)
    sender = producer(settings, linger_ms=10, batch_size=131_072)
    position, count = from_position - 1, 0
    try:
        while batch := read_after(connection, position, _BATCH):
            sent = []
            for stored in batch:
                name, key, event = contract.event(stored)
                sent.append(sender.send(topics[name], event.value(), key.encode(), event.headers()))
            sender.flush(timeout=_SEND_TIMEOUT_S)
            for future in sent:
                future.get(timeout=_SEND_TIMEOUT_S)
            position, count = batch[-1].position, count + len(batch)
            progress(len(batch))
    finally:
        sender.close(timeout=_SEND_TIMEOUT_S)
    return count


def _topics(settings: KafkaSettings, to_topic: str | None) -> dict[str, str]:
    with admin(settings) as topics:
        if to_topic is None:
            return {name: ensure_topic(topics, settings, name) for name in OWNED}
        create_topic(topics, settings, to_topic, PARTITIONS[BOOKINGS])
        return dict.fromkeys(OWNED, to_topic)
