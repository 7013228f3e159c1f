"""`make bench-relay`: how fast a backlog is published, beside a bare producer that sends the same records."""

from __future__ import annotations

import contextlib
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import click
import psycopg
from booking_command.contract import Contract
from booking_command.lease import Lease
from booking_command.reader import read_after
from booking_command.relay import Relay
from booking_command.settings import RelaySettings
from rebook.kafka import admin, ensure_topic, producer
from rebook.moments import use_bundled_zones
from rebook.settings import load

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import stores
from servers import kafka as kafkas

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servers.postgres import FreshDatabase


@click.command()
@click.option("--events", default=100_000, show_default=True, help="Events of the backlog.")
@click.option("--rounds", default=3, show_default=True, help="Rounds whose median counts.")
def main(events: int, rounds: int) -> None:
    """Measure the relay on a PostgreSQL and a Kafka of its own."""
    use_bundled_zones()
    with broker() as kafka, stores.server() as server:
        fresh = stores.store(server, events)
        click.echo(f"{kafka.kind}; a backlog of {events:,} events")
        ratios = [one_round(fresh, kafka.bootstrap_servers) for _ in range(rounds)]
        click.echo(
            f"relay / bare producer: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        )


@contextlib.contextmanager
def broker() -> Iterator[kafkas.Kafka]:
    with tempfile.TemporaryDirectory(prefix="rebook-bench-kafka-") as home:
        made = kafkas.make(Path(home))
        made.begin()
        made.wait_ready()
        try:
            yield made
        finally:
            made.close()


def one_round(fresh: FreshDatabase, bootstrap: str) -> float:
    """The relay's rate relative to the bare producer's, each into topics of its own."""
    relayed_s = publish(fresh, settings(fresh, bootstrap))
    bare_s = send(fresh, settings(fresh, bootstrap))
    return bare_s / relayed_s


def settings(fresh: FreshDatabase, bootstrap: str) -> RelaySettings:
    environment = {
        "BOOKING_COMMAND_DATABASE_URL": fresh.url,
        "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
        "TOPIC_PREFIX": f"bench-{uuid4().hex[:8]}.",
        "BOOKING_COMMAND_RELAY_PORT": "1",
    }
    return load(RelaySettings, environment)


def publish(fresh: FreshDatabase, chosen: RelaySettings) -> float:
    """Seconds the relay takes for everything that is stored."""
    with psycopg.connect(fresh.url, autocommit=True) as connection, admin(chosen) as topics:
        lease = Lease(connection, "bench", patience_s=0)
        assert lease.take()
        relay = Relay(chosen, connection, lease, topics)
        began_s = time.monotonic()
        while relay.step():
            pass
        took_s = time.monotonic() - began_s
        relay.close()
        lease.release()
        return took_s


def send(fresh: FreshDatabase, chosen: RelaySettings) -> float:
    """Seconds a bare producer takes for the same records, made before the clock starts."""
    records = list(made(fresh))
    with admin(chosen) as topics:
        for name in ("bookings", "meeting-types", "team"):
            ensure_topic(topics, chosen, name)
    sender = producer(chosen, linger_ms=5, batch_size=131_072)
    began_s = time.monotonic()
    futures = [sender.send(chosen.topic(name), value, key, headers) for name, key, headers, value in records]
    sender.flush()
    assert all(future.succeeded() for future in futures)
    took_s = time.monotonic() - began_s
    sender.close()
    return took_s


def made(fresh: FreshDatabase) -> Iterator[tuple[str, bytes, Any, bytes]]:
    contract = Contract({0: uuid4()})
    with psycopg.connect(fresh.url, autocommit=True) as connection:
        position = 0
        while batch := read_after(connection, position, 10_000):
            for stored in batch:
                name, key, event = contract.event(stored)
                yield name, key.encode(), event.headers(), event.value()
            position = batch[-1].position


if __name__ == "__main__":
    main()
