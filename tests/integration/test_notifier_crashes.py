"""The notifier's worker is killed again and again while bookings are made, moved and cancelled.

`make proof-notifier` does it for longer; REBOOK_CRASH_SEED repeats the choices of a run.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections import Counter
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from notifier.database import connect
from rebook.kafka import BOOKINGS, DELIVERIES, KafkaSettings, admin, ensure_topic
from rebook.settings import load
from rebook.topic_reader import read_to_end
from rebook_infra.ports import free_port
from rebook_infra.processes import script
from servers.contrary_smtp import ContrarySmtp
from servers.stories import Story, publish
from servers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rebook.cloudevents import Event

BOOKINGS_MADE = int(os.environ.get("REBOOK_CRASH_BOOKINGS", "150"))
KILLS = int(os.environ.get("REBOOK_CRASH_KILLS", "8"))
SEED = int(os.environ.get("REBOOK_CRASH_SEED", "6"))
SENDERS = 2
PATIENCE_S = 60 + BOOKINGS_MADE / 10


@pytest.fixture
def mail() -> Iterator[ContrarySmtp]:
    server = ContrarySmtp()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def environment(database, kafka, topic_prefix, mail) -> dict[str, str]:
    fresh = database("notifier").with_tables("rebook", "notifier")
    return {
        "PATH": os.environ["PATH"],
        "NOTIFIER_DATABASE_URL": fresh.url,
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "KAFKA_SESSION_TIMEOUT_MS": "1500",
        "TOPIC_PREFIX": topic_prefix,
        "PUBLIC_URL": "http://127.0.0.1:8000",
        "MANAGE_LINK_KEYS": "k" * 40,
        "MAIL_FROM": "Rebook <bookings@example.org>",
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(mail.port),
        "NOTIFIER_SENDERS": str(SENDERS),
        "NOTIFIER_WORKER_PORT": str(free_port()),
    }


class Run:
    """Stories that happen bit by bit, and a worker that does not live long."""

    def __init__(self, environment: dict[str, str], mail: ContrarySmtp) -> None:
        self.chance = Random(SEED)
        self.stories: list[Story] = []
        self.settings = load(KafkaSettings, environment)
        self._environment = environment
        self._mail = mail
        with admin(self.settings) as client:
            ensure_topic(client, self.settings, BOOKINGS)

    def let_happen(self, bookings: int) -> None:
        """Publish so many bookings, each followed by what happens to an earlier one or to itself."""
        events: list[Event] = []
        for _ in range(bookings):
            starts_at = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)
            self.stories.append(Story(UUID(int=self.chance.getrandbits(128), version=4), starts_at))
            events.append(self.stories[-1].begins())
            story = self.chance.choice(self.stories[-20:])
            if not story.is_over and self.chance.random() < 0.8:
                events.append(story.goes_on(self.chance))
        publish(self.settings, events)

    def start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            script("notifier", "worker"), env=self._environment, stdout=subprocess.DEVNULL
        )

    def verified(self) -> str:
        """What `notifier verify` says."""
        said = subprocess.run(
            script("notifier", "verify"), env=self._environment, capture_output=True, text=True, check=False
        )
        return said.stdout + said.stderr

    def kill_soon(self) -> None:
        """Start a worker and kill it: while it starts, or at a step of some letter, its taking included."""
        worker = self.start()
        try:
            if self.chance.random() < 0.3:
                with suppress(subprocess.TimeoutExpired):
                    worker.wait(self.chance.uniform(0.2, 4.0))
            else:
                self._kill_at_a_step(worker)
        finally:
            self._mail.at_step = lambda _step, _whose: None
            worker.kill()
            assert worker.wait() == -signal.SIGKILL

    def _kill_at_a_step(self, worker: subprocess.Popen[bytes]) -> None:
        fatal, left = self.chance.choice(["MAIL", "RCPT", "DATA", "dot"]), self.chance.randint(1, 25)
        is_dead = threading.Event()
        seen: Counter[str] = Counter()

        def at_step(step: str, _whose: str) -> None:
            seen[step] += 1
            if seen[fatal] >= left and not is_dead.is_set():
                worker.kill()
                is_dead.set()

        self._mail.at_step = at_step
        is_dead.wait(10)  # where fewer letters than that are left, it dies at leisure

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        connection = connect(self._environment["NOTIFIER_DATABASE_URL"])
        with closing(connection), connection, connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall()

    def is_settled(self) -> bool:
        """Whether everything has been read, decided and told."""
        [(seen,)] = self.rows("SELECT coalesce(sum(version), 0) FROM bookings")
        [(pending,)] = self.rows("SELECT count(*) FROM deliveries WHERE state = 'pending'")
        [(untold,)] = self.rows("SELECT count(*) FROM delivery_events WHERE NOT is_reported")
        return (seen, pending, untold) == (sum(len(story.happened) for story in self.stories), 0, 0)


def test_a_worker_that_is_killed_again_and_again_makes_exactly_the_letters_that_bookings_call_for(
    environment, mail
):
    run = Run(environment, mail)
    for _ in range(KILLS):
        run.let_happen(BOOKINGS_MADE // KILLS)
        run.kill_soon()
    worker = run.start()
    try:
        until(run.is_settled, PATIENCE_S, "an end")
    finally:
        worker.kill()
        worker.wait()
    assert run.verified() == f"{len(run.stories)} bookings, 0 differences\n"
    verify_rows(run)
    verify_topic(run)
    verify_arrivals(run, mail)


def all_of(run: Run, what: Callable[[Story], set[Any]]) -> set[Any]:
    return set().union(*map(what, run.stories))


def verify_rows(run: Run) -> None:
    """Every letter that is called for is decided once, as sent or with a reason; every reminder waits."""
    made = run.rows("SELECT booking_id, version, letter, recipient FROM deliveries")
    assert sorted(made) == sorted(all_of(run, Story.letters))
    outcomes = run.rows("SELECT state, outcomes, reason, count(*) FROM deliveries GROUP BY 1, 2, 3")
    print(f"{len(run.stories)} bookings, {KILLS} kills, seed {SEED}: {outcomes}")
    assert {outcome[:3] for outcome in outcomes} <= {
        ("sent", 1, ""),
        ("skipped", 1, "A later change has overtaken it."),
    }
    planned = run.rows("SELECT booking_id, version, minutes_before, due_at FROM reminders")
    assert sorted(planned) == sorted(all_of(run, Story.reminders))


def verify_topic(run: Run) -> None:
    """The deliveries topic tells of each letter what its row says."""
    told = {(event.id, event.type.split(".")[1]) for event in read_to_end(run.settings, DELIVERIES)}
    rows = run.rows("SELECT delivery_id, state FROM deliveries")
    assert told == {(f"{delivery}:1", f"Email{state.capitalize()}") for delivery, state in rows}


def verify_arrivals(run: Run, mail: ContrarySmtp) -> None:
    """Every letter came once, but for what a kill cut off from its row, and one person's in order."""
    rows = run.rows("SELECT message_id, state, booking_id, recipient, version FROM deliveries")
    facts = {message_id: rest for message_id, *rest in rows}
    arrived = Counter(mail.ids())
    assert {message_id for message_id, (state, *_) in facts.items() if state == "sent"} <= set(arrived)
    unkept = [message_id for message_id in arrived if facts[message_id][0] != "sent"]
    twice = sum(arrived.values()) - len(arrived) + len(unkept)
    print(f"{sum(arrived.values())} arrivals, {twice} of them cut off from their rows by a kill")
    assert twice <= KILLS * SENDERS
    versions: dict[tuple[UUID, str], list[int]] = {}
    for message_id in dict.fromkeys(mail.ids()):
        _, booking, recipient, version = facts[message_id]
        versions.setdefault((booking, recipient), []).append(version)
    assert all(order == sorted(order) for order in versions.values())
