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
    from collections.abc import Iterator, Mapping

    from kafka import KafkaConsumer
    from kafka.consumer.fetcher import ConsumerRecord

    from rebook.cloudevents import Event
    from rebook.kafka import KafkaSettings

log = structlog.get_logger()

_QUIET_MS = 500  # of nothing new, after all that was promised has come
_QUIET_WITHIN_S = 3.0  # on a topic that others go on writing to, what was promised is enough
_STALLED_AFTER_S = 30


def read_to_end(settings: KafkaSettings, name: str) -> Iterator[Event]:
    """Every event on one of our topics, in order per key; none if there is no such topic.

    Raises:
        KafkaError: the topic cannot be read, or stops answering before its end.
    """
    for record in records_to_end(settings, name, {}):
        try:
            yield event_of(record.headers, record.value)
        except NotAnEvent:
            log.warning(
                "record is no event", topic=record.topic, partition=record.partition, offset=record.offset
            )


def records_to_end(
    settings: KafkaSettings, name: str, positions: Mapping[int, int]
) -> Iterator[ConsumerRecord]:
    """Every record on one of our topics, from these offsets on where partitions have one.

    Raises:
        KafkaError: the topic cannot be read, or stops answering before its end.
    """
    with closing(consumer(settings, None, bootstrap_timeout_ms=5_000)) as reader:
        topic = settings.topic(name)
        partitions = [TopicPartition(topic, number) for number in reader.partitions_for_topic(topic)]
        if partitions:
            reader.assign(partitions)
            _place(reader, partitions, positions)
            yield from _records(reader, partitions)


def _place(reader: KafkaConsumer, partitions: list[TopicPartition], positions: Mapping[int, int]) -> None:
    beginnings = reader.beginning_offsets(partitions)
    for partition in partitions:
        reader.seek(partition, max(beginnings[partition], positions.get(partition.partition, 0)))


def _records(reader: KafkaConsumer, partitions: list[TopicPartition]) -> Iterator[ConsumerRecord]:
    ends = reader.end_offsets(partitions)
    last_progress_s = time.monotonic()
    there_since_s: float | None = None
    while True:
        polled = reader.poll(_QUIET_MS, max_records=5_000)
        for records in polled.values():
            yield from records
        now_s = time.monotonic()
        if all(reader.position(partition) >= end for partition, end in ends.items()):
            there_since_s = there_since_s or now_s
            if not polled or now_s - there_since_s > _QUIET_WITHIN_S:
                return  # the embedded broker's end offsets can be a few short, hence the quiet moment
        elif polled:
            last_progress_s = now_s
        elif now_s - last_progress_s > _STALLED_AFTER_S:
            raise KafkaError(f"{partitions[0].topic} does not answer")
