"""Event stores to measure on: a PostgreSQL of their own with durability on, and as many events as wanted."""

from __future__ import annotations

import contextlib
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
import psycopg
from booking_command.accounts import Accounts
from booking_command.application import Bookings
from booking_command.commands import Confirm
from booking_command.meeting_type import MeetingType
from booking_command.store import EventStore
from rebook.meeting_types import Host
from rebook.meeting_types import MeetingType as Terms
from servers.postgres import PostgresServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servers.postgres import FreshDatabase

SLUG = "bench"
_MEMBER = "bench@example.org"
_EVERY_DAY = {day: [["00:00", "24:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
_TERMS = Terms("Bench", 1, "here", Host("Host", "host@example.org"), "UTC", _EVERY_DAY, horizon_days=3650)
_FILL = """
INSERT INTO stored_events (originator_id, originator_version, topic, state)
SELECT gen_random_uuid(), 1, topic, state
FROM generate_series(1, %s), (SELECT topic, state FROM stored_events WHERE topic = 'BookingConfirmed') AS sample
"""
# One booking in ten is still to come, and a host has a hundred of them.
_FILL_HOLDS = """
INSERT INTO slot_holds SELECT gen_random_uuid(), 'host-' || number / 100 || '@example.org',
       tstzrange(start, start + interval '30 minutes')
FROM generate_series(1, %s / 10) AS number,
     LATERAL (SELECT timestamptz '2030-01-01Z' + number %% 100 * interval '1 hour' AS start) AS at
"""


@contextlib.contextmanager
def server() -> Iterator[PostgresServer]:
    """A PostgreSQL that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="rebook-bench-", ignore_cleanup_errors=True) as home:
        Path(home).chmod(0o755)
        started = PostgresServer(Path(home))
        try:
            with psycopg.connect(started.url) as administrator:
                kept = {
                    name: administrator.execute(f"SHOW {name}").fetchone()[0]
                    for name in ("fsync", "synchronous_commit")
                }
            click.echo(f"PostgreSQL with {kept}")
            yield started
        finally:
            started.server.stop()


def store(on: PostgresServer, events: int = 0) -> FreshDatabase:
    """An event store with a team member, a meeting type, and that many bookings."""
    fresh = on.database("bench").with_tables("booking_command")
    stored = EventStore(fresh.url, connections=1)
    Accounts(stored).add(_MEMBER, "bench bench")
    stored.append(MeetingType.define(SLUG, _TERMS, actor=_MEMBER))
    Bookings(stored).confirm(
        Confirm(
            SLUG,
            datetime(2030, 1, 1, tzinfo=UTC),
            {"name": "Bench", "email": "bench@example.org", "timezone": "UTC"},
        )
    )
    stored.close()
    with psycopg.connect(fresh.owner_url, autocommit=True) as owner:
        owner.execute(_FILL, (events,))
        owner.execute(_FILL_HOLDS, (events,))
        owner.execute("VACUUM ANALYZE")
    return fresh


def team_token(fresh: FreshDatabase) -> str:
    """A new API token."""
    stored = EventStore(fresh.url, connections=1)
    accounts = Accounts(stored)
    _, token = accounts.issue_token(accounts.by_email(_MEMBER), "bench")
    stored.close()
    return token


def bookings(fresh: FreshDatabase, clients: int) -> list[list[str]]:
    """The newest bookings that stand, dealt out to the clients."""
    with psycopg.connect(fresh.owner_url) as owner:
        rows = owner.execute(
            "SELECT originator_id FROM stored_events JOIN slot_holds ON booking_id = originator_id"
            " WHERE topic = 'BookingConfirmed' ORDER BY notification_id DESC LIMIT 40000"
        ).fetchall()
    return [[str(row[0]) for row in rows[client::clients]] for client in range(clients)]
