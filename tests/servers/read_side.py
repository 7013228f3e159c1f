"""Everything from the topics to the read tables and the web process over them, on a real Kafka and PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import threading
from contextlib import closing, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

import psycopg2
import pytest
from booking_query import rebuilding, schema, verification
from booking_query.projector import TOPICS, Counts, work
from booking_query.settings import RebuildSettings
from kafka import TopicPartition
from rebook import events
from rebook import kafka as rebook_kafka
from rebook.consumer import Consumer, Work
from rebook.kafka import BOOKINGS, KafkaSettings
from rebook_infra.processes import script

from servers.kafka import settings_of
from servers.query_side import CONFIRMED, MEMBER, NAMES, SECRET, TYPE, Site, event, sha256, times
from servers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from booking_query.refilling import Show
    from rebook.cloudevents import Event

SOON = "2030-11-05T08:30:00Z"


def confirmed(name: str, **changes: Any) -> Event:
    person = {"name": name.title(), "email": f"{name}@example.com", "timezone": "Europe/London"}
    data = CONFIRMED | times(SOON) | {"customer": person, "booking_id": booking_id(name)} | changes
    return event(events.BOOKING_CONFIRMED, booking_id(name), 1, data)


def moved(
    name: str, version: int, to: str = "2030-11-06T09:00:00Z", kind: str = events.BOOKING_RESCHEDULED
) -> Event:
    before = {"previous_starts_at": SOON, "previous_ends_at": SOON}
    return event(kind, booking_id(name), version, before | times(to) | {"actor": "customer"})


def cancelled(name: str, version: int) -> Event:
    return event(events.BOOKING_CANCELLED, booking_id(name), version, {"actor": "customer", "reason": ""})


def letter(name: str) -> Event:
    told = {"booking_id": booking_id(name), "letter": "confirmation", "recipient": f"{name}@example.com"}
    return event(events.EMAIL_SENT, booking_id(f"{name}-letter"), 1, told)


def booking_id(name: str) -> str:
    return str(uuid5(NAMES, name))


def the_team(site: Site) -> list[Event]:
    """A member, their token and a meeting type."""
    member = {"member_id": MEMBER, "email": "ada@example.org", "generation": 1}
    token = {"name": "sync", "sha256": sha256(SECRET), "member_id": MEMBER, "created_by": "ada@example.org"}
    return [
        event(events.TEAM_MEMBER_ADDED, MEMBER, 1, member),
        event(events.API_TOKEN_ISSUED, booking_id("token"), 1, token),
        event(events.MEETING_TYPE_DEFINED, TYPE, 1, site.definition()),
    ]


def nothing_shown(_: str, __: int | None) -> Any:
    """In the place of a progress bar."""
    return nullcontext(lambda _: None)


class ReadSide:
    """`sessions` counts how often the projector has connected anew."""

    def __init__(self, settings: KafkaSettings, database: Any) -> None:
        self.settings = settings
        self.fresh = database("booking_query")
        with closing(psycopg2.connect(self.fresh.owner_url)) as owner:
            schema.migrate(owner)
        self.owner = psycopg2.connect(self.fresh.owner_url)
        self.owner.autocommit = True
        self.site = Site(self.fresh.url)
        self.sessions = 0
        self._producer = rebook_kafka.producer(settings)
        self.create(*TOPICS)

    def close(self) -> None:
        self._producer.close()
        self.site.close()
        self.owner.close()

    @property
    def rebuild_settings(self) -> RebuildSettings:
        return RebuildSettings(**(vars(self.settings) | {"database_url": self.fresh.owner_url}))

    def create(self, *names: str) -> None:
        with self._admin() as admin:
            for name in names:
                rebook_kafka.ensure_topic(admin, self.settings, name)

    def create_history(self) -> str:
        """An empty topic, for everything; its name."""
        topic = self.settings.topic("history")
        with self._admin() as admin:
            rebook_kafka.create_topic(admin, self.settings, topic, rebook_kafka.PARTITIONS[BOOKINGS])
        return topic

    def delete(self, name: str) -> None:
        topic = self.settings.topic(name)
        with self._admin() as admin:
            admin.delete_topics([topic])
            until(lambda: not rebook_kafka.topic_ids(admin, [topic]), 10)

    def cut(self, name: str) -> None:
        """Let retention take all that is on a topic."""
        with self._admin() as admin:
            parts = [
                TopicPartition(self.settings.topic(name), n) for n in range(rebook_kafka.PARTITIONS[name])
            ]
            admin.delete_records(dict.fromkeys(parts, -1))

    def _admin(self) -> Any:
        return rebook_kafka.admin(self.settings)

    def send(self, *given: Event, topic: str = "") -> None:
        """Publish where each belongs, or all on one topic."""
        for each in given:
            name = events.TOPIC_OF.get(each.type, BOOKINGS)
            key = str(each.data.get("slug") or each.data.get("booking_id") or each.subject)
            full = topic or self.settings.topic(name)
            sent = self._producer.send(full, each.value(), key.encode(), each.headers())
        sent.get(timeout=20)
        self._producer.flush()

    @contextmanager
    def projecting(self) -> Iterator[None]:
        """A projector at work."""
        stop, counts = threading.Event(), Counts(self.fresh.url)
        usual = work(counts.fold_when_due)

        def count_session(connection: Any) -> None:
            self.sessions += 1
            usual.prepare(connection)

        counted = Work(
            usual.name, usual.topics, usual.handle, usual.handle_all, usual.after_batch, count_session
        )
        thread = threading.Thread(target=Consumer(self.settings, self.fresh.url, counted).run, args=(stop,))
        thread.start()
        try:
            yield
            assert thread.is_alive()
        finally:
            stop.set()
            thread.join(15)

    def rows(self, query: str, *values: Any) -> list[Any]:
        with self.owner.cursor() as cursor:
            cursor.execute(query, values or None)
            return cursor.fetchall() if cursor.description else []

    def until_read(self, count: int) -> None:
        """Wait until so many records were read, of all topics together."""
        query = "SELECT coalesce(sum(next_offset), 0) FROM consumer_offsets"
        until(lambda: self.rows(query)[0][0] >= count, 20, f"{count} records being read")

    def versions(self) -> dict[str, int]:
        return dict(self.rows("SELECT split_part(customer_email, '@', 1), version FROM bookings"))

    def contents(self) -> list[Any]:
        """What is served, but for who is at work and where they stand."""
        tables = ("bookings", "booking_history", "meeting_types", "team_members", "api_tokens")
        return [self.rows(f"SELECT each::text FROM {table} AS each ORDER BY 1") for table in tables]

    def verify(self, from_topic: str | None = None) -> list[str]:
        """What is wrong, in sentences."""
        said: list[str] = []
        wrong = verification.verify(self.rebuild_settings, from_topic, nothing_shown, said.append)
        assert len(said) >= bool(wrong) + 1
        return said[:-1]

    def repair(self, name: str) -> list[str]:
        return verification.repair(self.rebuild_settings, UUID(booking_id(name)), None, nothing_shown)

    def rebuild(
        self, from_topic: str | None = None, *, drop_unknown: bool = False, show: Show = nothing_shown
    ) -> list[str]:
        said: list[str] = []
        rebuilding.rebuild(
            self.rebuild_settings, from_topic, drop_unknown=drop_unknown, show=show, say=said.append
        )
        return said

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The console command `booking-query`, as typed."""
        return subprocess.run(
            script("booking-query", *arguments),
            env=os.environ | self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    def environment(self) -> dict[str, str]:
        return {
            "BOOKING_QUERY_DATABASE_URL": self.fresh.url,
            "BOOKING_QUERY_OWNER_DATABASE_URL": self.fresh.owner_url,
            "KAFKA_BOOTSTRAP_SERVERS": self.settings.bootstrap_servers,
            "TOPIC_PREFIX": self.settings.topic_prefix,
        }


@pytest.fixture
def read_side(kafka: Any, database: Any, topic_prefix: str) -> Iterator[ReadSide]:
    settings = settings_of(kafka.bootstrap_servers, topic_prefix)
    with closing(ReadSide(settings, database)) as made:
        yield made
