"""Kafka clients with the settings that keep events safe, and the topics with their owners' promises.

kafka-python is told everything that matters: idempotence is switched off silently by conflicting options,
auto-commit and topic auto-creation are on unless refused.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError, TopicAlreadyExistsError, UnknownTopicOrPartitionError
from kafka.net.compat import KafkaNetClient

from rebook.settings import setting, text, whole
from rebook.topics import BOOKINGS, DEAD_LETTERS, DELIVERIES, MEETING_TYPES, PARTITIONS, TEAM

if TYPE_CHECKING:
    from collections.abc import Iterator

_RECONNECT_WITHIN_MS = 1_000  # kafka-python waits up to 30 s between two tries, long after Kafka is back
_GONE_WITHIN_S = 10.0
_LOOK_EVERY_S = 0.05
_MADE_ANEW_WITHIN_S = 15.0  # after an erasure a topic is missing until its relay has started again
_NO_TOPIC_ID = "00000000-0000-0000-0000-000000000000"

__all__ = ["BOOKINGS", "DEAD_LETTERS", "DELIVERIES", "MEETING_TYPES", "PARTITIONS", "TEAM", "KafkaError"]


@dataclass(frozen=True)
class KafkaSettings:
    """Where Kafka is, and what its topics promise."""

    bootstrap_servers: str = setting(
        "KAFKA_BOOTSTRAP_SERVERS", text, "Kafka's addresses, `host:port`, separated by commas"
    )
    topic_prefix: str = setting("TOPIC_PREFIX", text, "What every topic's name begins with", "rebook.")
    topic_replication: int = setting(
        "TOPIC_REPLICATION_FACTOR", whole(1, 9), "Replicas of each topic (3 in production)", "1"
    )
    topic_min_isr: int = setting(
        "TOPIC_MIN_ISR",
        whole(1, 9),
        "Replicas that must have a record before it counts (2 in production)",
        "1",
    )
    topic_retention_ms: int = setting(
        "TOPIC_RETENTION_MS",
        whole(-1, 2**62),
        "How long topics keep records, in milliseconds; -1 for ever",
        "-1",
    )
    session_timeout_ms: int = setting(
        "KAFKA_SESSION_TIMEOUT_MS",
        whole(1_000, 600_000),
        "After how many milliseconds of silence a consumer's partitions go to another",
        "6000",
    )

    def topic(self, name: str) -> str:
        """The full name of one of the topics above."""
        return self.topic_prefix + name


def _made(kind: Any, settings: KafkaSettings, **options: Any) -> Any:
    """A client of that kind, which makes no topics, and of which nothing is left where Kafka does not answer.

    kafka-python 3.0.12 loses `allow_auto_create_topics` between its layers, and leaves the thread and the sockets
    of a client that could not be made.
    """
    clients = []

    def make(**config: Any) -> KafkaNetClient:
        client = KafkaNetClient(**config)
        client.cluster.config["allow_auto_create_topics"] = False
        clients.append(client)
        return client

    options = {
        "bootstrap_servers": settings.bootstrap_servers.split(","),
        "reconnect_backoff_max_ms": _RECONNECT_WITHIN_MS,
        "kafka_client": make,
        **options,
    }
    try:
        return kind(**options)
    except BaseException:
        for client in clients:
            client.close()
        raise


def producer(settings: KafkaSettings, **options: Any) -> KafkaProducer:
    """A producer that loses and doubles nothing while it lives; any error must end the process."""
    return _made(KafkaProducer, settings, acks="all", enable_idempotence=True, **options)


def consumer(settings: KafkaSettings, group: str | None, **options: Any) -> KafkaConsumer:
    """A consumer that commits nothing to Kafka: offsets live with the rows they made."""
    return _made(
        KafkaConsumer,
        settings,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        session_timeout_ms=settings.session_timeout_ms,
        heartbeat_interval_ms=settings.session_timeout_ms // 3,
        fetch_max_wait_ms=20,
        **options,
    )


@contextlib.contextmanager
def admin(settings: KafkaSettings, **options: Any) -> Iterator[KafkaAdminClient]:
    client: KafkaAdminClient = _made(KafkaAdminClient, settings, **options)
    try:
        yield client
    finally:
        client.close()


def topic_ids(client: KafkaAdminClient, topics: list[str]) -> dict[str, str]:
    """The id of each topic that exists; a topic made anew under an old name has another id."""
    described = client.describe_topics(topics)
    return {
        topic["name"]: str(topic["topic_id"])
        for topic in described
        if topic["error_code"] == 0 and str(topic["topic_id"]) != _NO_TOPIC_ID
    }


def topic_ids_once_made(client: KafkaAdminClient, topics: list[str]) -> dict[str, str]:
    """The id of each topic that exists; those that are missing get the time in which their owners make them anew."""
    patient_until_s = time.monotonic() + _MADE_ANEW_WITHIN_S
    while len(found := topic_ids(client, topics)) < len(topics) and time.monotonic() < patient_until_s:
        time.sleep(_LOOK_EVERY_S)
    return found


def ensure_topic(client: KafkaAdminClient, settings: KafkaSettings, name: str) -> str:
    """Create one of our topics unless it is there; its full name. Only the topic's owner calls this."""
    topic = settings.topic(name)
    create_topic(client, settings, topic, PARTITIONS[name])
    return topic


def ensured_topic_id(client: KafkaAdminClient, settings: KafkaSettings, name: str) -> str:
    """The id of one of our topics, which is made where it is missing. Only the topic's owner calls this.

    Raises:
        KafkaError: it is not there yet, or not there any more.
    """
    topic = settings.topic(name)
    found = topic_ids(client, [topic])
    if topic not in found:
        ensure_topic(client, settings, name)
        found = topic_ids(client, [topic])
    if topic not in found:
        raise KafkaError(f"{topic} is not there yet")
    return found[topic]


def create_topic(client: KafkaAdminClient, settings: KafkaSettings, topic: str, partitions: int) -> None:
    """Create a topic with the promises of ours unless one of that name is there."""
    wanted = {
        topic: {
            "num_partitions": partitions,
            "replication_factor": settings.topic_replication,
            "configs": {
                "retention.ms": str(settings.topic_retention_ms),
                "min.insync.replicas": str(settings.topic_min_isr),
            },
        }
    }
    with contextlib.suppress(TopicAlreadyExistsError):
        client.create_topics(wanted, wait_for_metadata=True)


def drop_topic(client: KafkaAdminClient, topic: str) -> None:
    """Delete a topic with all that it holds, and wait until it is gone.

    Raises:
        KafkaError: it is still there.
    """
    if topic_ids(client, [topic]):
        with contextlib.suppress(UnknownTopicOrPartitionError):
            client.delete_topics([topic])
    patient_until_s = time.monotonic() + _GONE_WITHIN_S
    while topic_ids(client, [topic]):
        if time.monotonic() > patient_until_s:
            raise KafkaError(f"{topic} cannot be deleted")
        time.sleep(_LOOK_EVERY_S)
