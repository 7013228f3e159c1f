"""A rebuild of served read tables while others read and write, beside a bare loop that reads and decodes the same."""

from __future__ import annotations

import os
import random
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from rebook import events
from rebook.kafka import producer
from rebook_infra.ports import free_port
from rebook_infra.processes import script
from servers.query_side import CONFIRMED, Site, event, times
from servers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rebook.kafka import KafkaSettings
    from servers.postgres import FreshDatabase

_PAUSE_S = 0.02  # between two writes: some twenty a second


@dataclass
class Visitor:
    """Writes a booking, waits until it is there, and looks at others, until told to stop."""

    site: Site
    settings: KafkaSettings
    stop: threading.Event = field(default_factory=threading.Event)
    reads: int = 0
    writes: int = 0
    wrong: list[str] = field(default_factory=list)
    slowest_s: float = 0.0

    def work(self) -> None:
        chance, client = random.Random(7), self.site.app.test_client()
        person = {"name": "Ada", "email": "ada@example.com", "timezone": "Europe/London"}
        with closing(producer(self.settings)) as sender:
            while not self.stop.wait(_PAUSE_S):
                subject = str(UUID(int=chance.getrandbits(128), version=4))
                data = CONFIRMED | times("2030-11-05T08:30:00Z") | {"customer": person, "booking_id": subject}
                made = event(events.BOOKING_CONFIRMED, subject, 1, data)
                topic = self.settings.topic(events.TOPIC_OF[made.type])
                sender.send(topic, made.value(), subject.encode(), made.headers()).get(timeout=60)
                self.writes += 1
                token = self.site.links.token(UUID(subject))
                for path in (f"manage/{token}?min_version=1", "meeting-types", f"manage/{token}"):
                    self._read(client, path)

    def _read(self, client: Any, path: str) -> None:
        began_s = time.monotonic()
        answer = client.get(f"/v1/{path}")
        self.slowest_s = max(self.slowest_s, time.monotonic() - began_s)
        self.reads += 1
        if answer.status_code != 200:
            self.wrong.append(f"{path.partition('/')[0]}: {answer.status_code} {answer.json['code']}")


@contextmanager
def visited(settings: KafkaSettings, tables: FreshDatabase) -> Iterator[Visitor]:
    with closing(Site(tables.url, rate_limits=False)) as site, ThreadPoolExecutor(1) as threads:
        visitor = Visitor(site, settings)
        working = threads.submit(visitor.work)
        try:
            yield visitor
        finally:
            visitor.stop.set()
        working.result()


@contextmanager
def projecting(settings: KafkaSettings, tables: FreshDatabase) -> Iterator[None]:
    """A projector in a process of its own, as in production."""
    with running("project", settings, tables, BOOKING_QUERY_PROJECTOR_PORT=str(free_port())) as process:
        yield
        assert process.poll() is None
        process.terminate()


@contextmanager
def running(
    command: str, settings: KafkaSettings, tables: FreshDatabase, **more: str
) -> Iterator[subprocess.Popen[str]]:
    environment = {
        "BOOKING_QUERY_DATABASE_URL": tables.url,
        "BOOKING_QUERY_OWNER_DATABASE_URL": tables.owner_url,
        "KAFKA_BOOTSTRAP_SERVERS": settings.bootstrap_servers,
        "TOPIC_PREFIX": settings.topic_prefix,
    }
    process = subprocess.Popen(
        script("booking-query", command),
        env=os.environ | environment | more,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout
        process.stdout.close()


def rebuilt(settings: KafkaSettings, tables: FreshDatabase) -> tuple[float, Visitor]:
    """Seconds that a rebuild took, from typing the command to the swap, and who read and wrote meanwhile."""
    with projecting(settings, tables), visited(settings, tables) as visitor:
        until(lambda: visitor.writes > 10, 60, "the first visits")
        began_s = time.monotonic()
        with running("rebuild", settings, tables) as process:
            said, _ = process.communicate()
            took_s = time.monotonic() - began_s
            assert process.returncode == 0, said
        seen = visitor.writes
        until(lambda: visitor.writes > seen + 10, 60, "visits after the swap")
    return took_s, visitor


def last_words(settings: KafkaSettings, tables: FreshDatabase) -> str:
    """What `verify` says of it last, when all has been read."""
    with projecting(settings, tables), running("verify", settings, tables) as process:
        said, _ = process.communicate()
    return said.splitlines()[-1]
