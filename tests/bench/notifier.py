"""`make bench-notifier`: how fast letters are sent, beside a bare loop that builds and sends the same ones.

Run as a module of the tests' folder: as a script it would stand in the way of the package that it measures.
"""

from __future__ import annotations

import contextlib
import os
import smtplib
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import click
from bench.relay import broker
from notifier import bookings, deliveries
from notifier.database import connect
from notifier.gallery import BOOKED_AT, EVERYDAY, FIRST
from notifier.letters import CONFIRMED, Booking, Change, Letter, called_for, delivery_id, event_id, message_id
from notifier.messages import Press
from notifier.settings import LetterSettings
from psycopg2.extras import execute_values
from rebook.events import CUSTOMER
from rebook.kafka import BOOKINGS, KafkaSettings, admin, ensure_topic
from rebook.manage_links import ManageLinks
from rebook.moments import use_bundled_zones
from rebook.settings import load
from rebook_infra.ports import free_port
from rebook_infra.processes import script
from servers.postgres import PostgresServer
from servers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg2.extensions import connection as Connection  # noqa: N812


@click.command()
@click.option("--letters", default=10_000, show_default=True, help="Deliveries of each run.")
@click.option("--rounds", default=3, show_default=True, help="Rounds whose median counts.")
@click.option("--most", default=3, show_default=True, help="Workers of the widest run.")
@click.option(
    "--sink", "kind", default="0", show_default=True, help="`lean`, or aiosmtpd's thought in ms a letter."
)
def main(letters: int, rounds: int, most: int, kind: str) -> None:
    """Measure workers on a PostgreSQL, a Kafka and an SMTP sink of their own."""
    use_bundled_zones()
    with broker() as kafka, tables() as environment, sink(kind) as port:
        environment |= facts(kafka.bootstrap_servers, port)
        click.echo(f"{kafka.kind}; {letters:,} letters a run; sink: {kind}")
        results = [one_round(environment, letters, most) for _ in range(rounds)]
    for workers in range(1, most + 1):
        ratios = [result[workers] for result in results]
        spread = f"({min(ratios):.2f} to {max(ratios):.2f})"
        click.echo(f"{workers} workers / bare loop: {statistics.median(ratios):.2f} {spread}")


def one_round(environment: dict[str, str], letters: int, most: int) -> dict[int, float]:
    """The rate of so many workers relative to the bare loop's."""
    bare_s = send_bare(environment, letters)
    return {
        workers: bare_s / send_by_workers(environment, letters, workers) for workers in range(1, most + 1)
    }


@contextlib.contextmanager
def tables() -> Iterator[dict[str, str]]:
    with tempfile.TemporaryDirectory(prefix="rebook-bench-", ignore_cleanup_errors=True) as home:
        Path(home).chmod(0o755)
        server = PostgresServer(Path(home))
        try:
            yield {"NOTIFIER_DATABASE_URL": server.database("notifier").with_tables("rebook", "notifier").url}
        finally:
            server.server.stop()


@contextlib.contextmanager
def sink(kind: str) -> Iterator[int]:
    """The port of a mail server that is another process."""
    port = free_port()
    program = Path(__file__).with_name("smtp_sink.py")
    command = [sys.executable, str(program), str(port), kind]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert process.stdout
        process.stdout.readline()
        yield port
    finally:
        process.kill()
        process.wait()


def facts(bootstrap: str, port: int) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
        "TOPIC_PREFIX": f"bench-{uuid4().hex[:8]}.",
        "PUBLIC_URL": "https://book.example.org",
        "MANAGE_LINK_KEYS": "k" * 40,
        "MAIL_FROM": "Rebook <bookings@example.org>",
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(port),
    }


def made_up(letters: int) -> Iterator[tuple[Booking, Change]]:
    """Bookings that call for two letters each."""
    change = Change(1, CONFIRMED, FIRST, None, CUSTOMER, "", 0, datetime.now(UTC))
    for _ in range(letters // 2):
        yield replace(EVERYDAY, booking_id=uuid4()), change


def send_bare(environment: dict[str, str], letters: int) -> float:
    """Seconds for building and sending them one after the other over one connection."""
    settings = load(LetterSettings, environment)
    press = Press(settings, ManageLinks(settings.manage_link_keys, settings.public_url))
    waiting = [letter for booking, change in made_up(letters) for letter in letters_of(booking, change)]
    with smtplib.SMTP("127.0.0.1", int(environment["SMTP_PORT"])) as server:
        began_s = time.monotonic()
        for letter in waiting:
            server.sendmail("bookings@example.org", [letter.recipient], press.message(letter, BOOKED_AT))
        return time.monotonic() - began_s


def letters_of(booking: Booking, change: Change) -> Iterator[Letter]:
    for call in called_for(change.kind, booking):
        delivery = delivery_id(event_id(booking.booking_id, change.version), call)
        named = message_id(delivery, "example.org")
        yield Letter(
            delivery, call.letter, call.recipient, named, change.happened_at, "bench", booking, change
        )


def send_by_workers(environment: dict[str, str], letters: int, workers: int) -> float:
    """Seconds from letters being due until all are decided, by worker processes that are waiting for them."""
    settings = load(KafkaSettings, environment)
    with admin(settings) as client:
        ensure_topic(client, settings, BOOKINGS)
    with (
        contextlib.closing(connect(environment["NOTIFIER_DATABASE_URL"])) as connection,
        contextlib.ExitStack() as running,
    ):
        for _ in range(workers):
            running.enter_context(worker(environment))
        until(lambda: count(connection, "senders") == workers, 60, "workers")
        fill(connection, letters)
        began_s = time.monotonic()
        until(lambda: not has_pending(connection), 600, "an end")
        return time.monotonic() - began_s


@contextlib.contextmanager
def worker(environment: dict[str, str]) -> Iterator[None]:
    own = environment | {"NOTIFIER_WORKER_PORT": str(free_port())}
    process = subprocess.Popen(script("notifier", "worker"), env=own, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def fill(connection: Connection, letters: int) -> None:
    """All in one transaction, so that the clock starts when they can be seen."""
    rows, changes, due = [], [], []
    for booking, change in made_up(letters):
        facts = {name: getattr(booking, name) for name in bookings.BOOKING_COLUMNS}
        facts |= {"team": list(booking.team), "reminders_minutes_before": [], "status": CONFIRMED}
        facts |= {"version": 1, "changed_version": 1, "calendar_sequence": 0}
        facts |= {"starts_at": change.slot.starts_at, "ends_at": change.slot.ends_at}
        rows.append(facts)
        changes.append(
            (booking.booking_id, 1, CONFIRMED, *change.slot, CUSTOMER, "", 0, change.happened_at, "c")
        )
        cause = deliveries.Cause(booking.booking_id, 1, "c")
        calls = called_for(CONFIRMED, booking)
        due += [deliveries.New.of(cause, call, change.happened_at, "example.org") for call in calls]
    with connection, connection.cursor() as cursor:
        columns = ", ".join(rows[0])
        execute_values(
            cursor, f"INSERT INTO bookings ({columns}) VALUES %s", [[*row.values()] for row in rows]
        )
        execute_values(
            cursor,
            "INSERT INTO changes (booking_id, version, kind, starts_at, ends_at, actor, reason, "
            "calendar_sequence, happened_at, correlation_id) VALUES %s",
            changes,
        )
        deliveries.enqueue(cursor, due)


def has_pending(connection: Connection) -> bool:
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT FROM deliveries WHERE state = 'pending' ORDER BY next_try_at LIMIT 1")
        return cursor.fetchone() is not None


def count(connection: Connection, what: str) -> int:
    with connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {what}")
        (found,) = cursor.fetchone()
        return int(found)


if __name__ == "__main__":
    main()
