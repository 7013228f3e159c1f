"""Replaying topics into read tables, beside a bare loop that reads and decodes the same records."""

from __future__ import annotations

import gc
import json
import sys
import threading
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

import psycopg2
from bench.history import history
from booking_query import schema
from booking_query.projector import NAME, TOPICS, Counts, tune, work
from kafka import TopicPartition
from rebook.consumer import Consumer
from rebook.events import TOPIC_OF
from rebook.kafka import KafkaSettings, admin, consumer, ensure_topic, producer
from servers.kafka import settings_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servers.postgres import FreshDatabase, PostgresServer


def settings(bootstrap: str) -> KafkaSettings:
    return settings_of(bootstrap, f"bench-{uuid4().hex[:8]}.")


def publish(chosen: KafkaSettings, count: int) -> None:
    """Fill the topics with a history."""
    with admin(chosen) as topics:
        for name in TOPICS:
            ensure_topic(topics, chosen, name)
    with closing(producer(chosen, linger_ms=5, batch_size=131_072)) as sender:
        for number, event in enumerate(history(count)):
            topic = chosen.topic(TOPIC_OF[event.type])
            sent = sender.send(topic, event.value(), event.subject.encode(), event.headers())
            if number % 10_000 == 0:
                sent.get(timeout=60)
        sender.flush()


def bare(chosen: KafkaSettings, count: int) -> float:
    """Seconds to read and decode all of it and do nothing with it."""
    began_s = time.monotonic()
    with closing(consumer(chosen, None)) as reader:
        topics = [chosen.topic(name) for name in TOPICS]
        partitions = [
            TopicPartition(topic, n) for topic in topics for n in reader.partitions_for_topic(topic)
        ]
        reader.assign(partitions)
        while count > 0:
            for records in reader.poll(100, max_records=2_000).values():
                for record in records:
                    {name: value.decode() for name, value in record.headers}, json.loads(record.value)
                count -= len(records)
    return time.monotonic() - began_s


def replayed(chosen: KafkaSettings, tables: FreshDatabase, count: int) -> float:
    """Seconds until one consumer has made the rows of all of it, from joining its group on."""
    stop, counts = threading.Event(), Counts(tables.url)
    with closing(psycopg2.connect(tables.url)) as watching:
        watching.autocommit = True

        def look() -> None:
            counts.fold_when_due()
            with watching.cursor() as cursor:
                cursor.execute("SELECT sum(next_offset) FROM consumer_offsets")
                if cursor.fetchone() == (count,):
                    stop.set()

        thresholds, turn_s = gc.get_threshold(), sys.getswitchinterval()
        tune()
        began_s = time.monotonic()
        Consumer(chosen, tables.url, work(after_batch=look)).run(stop)
        took_s = time.monotonic() - began_s
        gc.set_threshold(*thresholds)
        sys.setswitchinterval(turn_s)
        return took_s


def read_tables(server: PostgresServer) -> FreshDatabase:
    return server.database(NAME.replace("-", "_")).with_tables("rebook", "booking_query")


@contextmanager
def indexes_afterwards(tables: FreshDatabase) -> Iterator[None]:
    """Without the indexes that only queries need, which are made at the end."""
    with closing(psycopg2.connect(tables.owner_url)) as owner:
        with owner, owner.cursor() as cursor:
            schema.lift_indexes(cursor)
        yield
        schema.put_indexes_back(owner)
