"""Reads a topic from its beginning to its end, once, for whoever has lost what it once wrote there."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING

import structlog
from kafka import TopicPartition

from rebook.cloudevents import NotAnEvent, event_of
from rebook.kafka import KafkaError, consumer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kafka import KafkaConsumer
    from kafka.consumer.fetcher import ConsumerRecord

    from rebook.cloudevents import Event
    from rebook.kafka import KafkaSettings

log = structlog.get_logger()

_QUIET_MS = 500  # of nothing new, after all that was promised has come
_STALLED_AFTER_S = 30


def read_to_end(settings: KafkaSettings, name: str) -> Iterator[Event]:
    """Every event on one of our topics, in order per key; none if there is no such topic.

    Raises:
        KafkaError: the topic cannot be read, or stops answering before its end.
    """
    with closing(consumer(settings, None, bootstrap_timeout_ms=5_000)) as reader:
        topic = settings.topic(name)
        partitions = [TopicPartition(topic, number) for number in reader.partitions_for_topic(topic)]
        reader.assign(partitions)
        for record in _records(reader, partitions):
            try:
                yield event_of(record.headers, record.value)
            except NotAnEvent:
                log.warning(
                    "record is no event", topic=topic, partition=record.partition, offset=record.offset
                )


def _records(reader: KafkaConsumer, partitions: list[TopicPartition]) -> Iterator[ConsumerRecord]:
    if not partitions:
        return
    reader.seek_to_beginning(*partitions)
    ends = reader.end_offsets(partitions)
    last_progress = time.monotonic()
    while True:
        polled = reader.poll(_QUIET_MS, max_records=5_000)
        for records in polled.values():
            yield from records
        if polled:
            last_progress = time.monotonic()
        elif all(reader.position(partition) >= end for partition, end in ends.items()):
            return  # the embedded broker's end offsets can be a few short, hence the quiet moment too
        elif time.monotonic() - last_progress > _STALLED_AFTER_S:
            raise KafkaError(f"{partitions[0].topic} does not answer")
