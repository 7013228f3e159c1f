"""Which topics tell the whole history: the live ones, or one filled with it where retention has cut those."""

from __future__ import annotations

import hashlib
import json
import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kafka import TopicPartition
from rebook.kafka import DELIVERIES, KafkaError, admin, consumer, topic_ids, topic_ids_once_made
from rebook.topic_reader import read_to_end

from booking_query import schema
from booking_query.projector import TOPICS
from booking_query.second_set import Hindered

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from importlib.resources.abc import Traversable

    from kafka import KafkaConsumer
    from kafka.consumer.fetcher import ConsumerRecord
    from rebook.kafka import KafkaSettings

    from booking_query.refilling import Show

_PATIENCE_MS = 5_000
_FOUND_WITHIN_S = 10.0


@dataclass(frozen=True)
class Telling:
    """Topics by their full names, with the ids that they have now.

    Attributes:
        live: what the projector follows.
        filled: one that was filled with the whole history of the store, and is read before the live ones; or none.
        has_all_letters: whether the topic of deliveries begins at its beginning.
    """

    live: Mapping[str, str]
    filled: Mapping[str, str]
    has_all_letters: bool

    @property
    def plan(self) -> str:
        """The same for two rebuilds that make the same of the same."""
        facts = [dict(self.live), dict(self.filled), sorted(schema.versions()), _program()]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def telling(settings: KafkaSettings, from_topic: str | None, show: Show) -> Telling:
    """The topics to read.

    Raises:
        Hindered: one is missing, or they do not tell everything.
    """
    live = [settings.topic(name) for name in TOPICS]
    wanted = [*live, from_topic] if from_topic else live
    with admin(settings, bootstrap_timeout_ms=_PATIENCE_MS) as client:
        ids = topic_ids(client, wanted)
        if missing := [topic for topic in live if topic not in ids]:
            with show(f"Waiting for {', '.join(missing)}", None):
                ids |= topic_ids_once_made(client, missing)
    if missing := [topic for topic in wanted if topic not in ids]:
        raise Hindered(f"There is no topic {missing[0]}: whoever owns it makes it and fills it.")
    deliveries = settings.topic(DELIVERIES)
    with closing(consumer(settings, None, bootstrap_timeout_ms=_PATIENCE_MS)) as reader:
        cut = _cut(reader, live)
        if from_topic:
            stores = {each: at for each, at in cut.items() if each.topic != deliveries}
            _must_join(settings, reader, from_topic, stores)
        else:
            _must_be_whole(settings, [each for each in cut if each.topic != deliveries])
    filled = {from_topic: ids.pop(from_topic)} if from_topic else {}
    return Telling(ids, filled, all(each.topic != deliveries for each in cut))


def _cut(reader: KafkaConsumer, topics: Iterable[str]) -> dict[TopicPartition, int]:
    """The partitions that retention has cut, and where they begin now."""
    beginnings = reader.beginning_offsets(_partitions(reader, topics))
    return {partition: offset for partition, offset in beginnings.items() if offset > 0}


def _partitions(reader: KafkaConsumer, topics: Iterable[str]) -> list[TopicPartition]:
    return [
        TopicPartition(topic, number) for topic in topics for number in reader.partitions_for_topic(topic)
    ]


def _must_be_whole(settings: KafkaSettings, cut: list[TopicPartition]) -> None:
    if cut:
        history = settings.topic("history")
        raise Hindered(
            f"Retention has cut {cut[0].topic}. Fill a topic with the whole history by `booking-command republish "
            f"--from-position 1 --to-topic {history}`, then say --from-topic {history}."
        )


def _must_join(
    settings: KafkaSettings, reader: KafkaConsumer, filled: str, cut: Mapping[TopicPartition, int]
) -> None:
    """See by the positions in the store that nothing was cut from the live topics that the filled one lacks."""
    ends = reader.end_offsets([*_partitions(reader, [filled]), *cut])
    last = {each: end - 1 for each, end in ends.items() if each.topic == filled and end > 0}
    first = {each: offset for each, offset in cut.items() if offset < ends[each]}
    records = _records_at(reader, last | first)
    reaches_to = max((_position(records[each]) for each in last), default=0)
    begin_at = max((_position(records[each]) for each in first), default=0)
    if begin_at > reaches_to and not _are_there(settings, reaches_to + 1, begin_at):
        raise Hindered(
            f"Retention has cut what happened after {filled} ends, at position {reaches_to} of the store: fill "
            "another one by `booking-command republish`."
        )


def _are_there(settings: KafkaSettings, first: int, last: int) -> bool:
    """Whether the live topics hold the events of all these positions."""
    owned = (topic for topic in TOPICS if topic != DELIVERIES)
    events = (event for topic in owned for event in read_to_end(settings, topic))
    there = {event.position for event in events if first <= event.position <= last}
    return len(there) == last - first + 1


def _records_at(
    reader: KafkaConsumer, places: Mapping[TopicPartition, int]
) -> dict[TopicPartition, ConsumerRecord]:
    """The record at each of these places."""
    reader.assign(list(places))
    for partition, offset in places.items():
        reader.seek(partition, offset)
    found: dict[TopicPartition, ConsumerRecord] = {}
    deadline_s = time.monotonic() + _FOUND_WITHIN_S
    while len(found) < len(places):
        if time.monotonic() > deadline_s:
            raise KafkaError("Kafka does not answer")
        for partition, records in reader.poll(100).items():
            found.setdefault(partition, records[0])
            reader.pause(partition)
    return found


def _position(record: ConsumerRecord) -> int:
    """The place of a record's event in the store; 0 of what is no event."""
    try:
        return int(dict(record.headers)["ce_position"])
    except (KeyError, ValueError):
        return 0


def _program() -> str:
    """The same for as long as the programs that make rows of events are."""
    digest = hashlib.sha256()
    for folder in schema.packages():
        for file in sorted(_sources(folder), key=lambda file: file.name):
            digest.update(file.read_bytes())
    return digest.hexdigest()


def _sources(folder: Traversable) -> list[Traversable]:
    return [file for file in folder.iterdir() if file.name.endswith(".py")]
