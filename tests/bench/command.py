"""`make bench-command`: what appending and answering cost, as ratios within one run.

(a) create, reschedule and cancel through gunicorn, beside (b) a bare Flask endpoint with one INSERT;
(c) our recorder beside the library's own and bare INSERTs; and both again with many events stored.
"""

from __future__ import annotations

import contextlib
import statistics
import sys
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import click
import psycopg
from booking_command.accounts import Accounts
from booking_command.meeting_type import MeetingType
from booking_command.store import EventStore
from rebook.meeting_types import Host
from rebook.meeting_types import MeetingType as Terms
from rebook.migrations import migrate
from rebook.moments import use_bundled_zones

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import http_load, recorder
from servers.postgres import PostgresServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servers.postgres import FreshDatabase

KEYS = "k" * 32
WRITERS = (1, 8, 32)
_EVERY_DAY = {day: [["00:00", "24:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}


@click.command()
@click.option("--rounds", default=3, show_default=True, help="Rounds whose median counts.")
@click.option(
    "--stored", default=1_000_000, show_default=True, help="Events in the store at the second look."
)
def main(rounds: int, stored: int) -> None:
    """Measure booking-command on a PostgreSQL of its own, with durability on."""
    use_bundled_zones()
    with database() as fresh:
        show_recorder(fresh, rounds)
        small = show_http(fresh, rounds)
        fill(fresh, stored)
        large = show_http(fresh, rounds)
        kept = [f"{large[kind] / small[kind]:.2f}" for kind in small]
        click.echo(f"\nrates with {stored:,} events stored, relative to those before: {', '.join(kept)}")


@contextlib.contextmanager
def database() -> Iterator[FreshDatabase]:
    with tempfile.TemporaryDirectory(prefix="rebook-bench-", ignore_cleanup_errors=True) as home:
        Path(home).chmod(0o755)
        server = PostgresServer(Path(home))
        try:
            fresh = server.database("bench")
            with psycopg.connect(fresh.owner_url) as owner:
                migrate(owner, [files("booking_command") / "sql"])
            with psycopg.connect(fresh.owner_url, autocommit=True) as owner:
                settings = {
                    name: owner.execute(f"SHOW {name}").fetchone()[0]
                    for name in ("fsync", "synchronous_commit")
                }
            click.echo(f"PostgreSQL with {settings}")
            yield fresh
        finally:
            server.server.stop()


def show_recorder(fresh: FreshDatabase, rounds: int) -> None:
    recorder.prepare(fresh.owner_url)
    click.echo("\n| writers | ours / library's | ours / bare INSERT |\n|---|---|---|")
    for writers in WRITERS:
        found = [recorder.rates(fresh.owner_url, writers) for _ in range(rounds)]
        to_library = statistics.median(one["ours"] / one["library"] for one in found)
        to_bare = statistics.median(one["ours"] / one["bare"] for one in found)
        click.echo(f"| {writers} | {to_library:.2f} | {to_bare:.2f} |")


def show_http(fresh: FreshDatabase, rounds: int) -> dict[str, float]:
    """Print each command's rate relative to the bare endpoint's; the rates with 8 clients."""
    token = team_token(fresh)
    environment = {
        "BOOKING_COMMAND_DATABASE_URL": fresh.url,
        "BARE_DATABASE_URL": fresh.owner_url,
        "PUBLIC_URL": "http://127.0.0.1:8000",
        "MANAGE_LINK_KEYS": KEYS,
        "SESSION_KEYS": KEYS,
        "REBOOK_RATE_LIMITS": "0",
        "WEB_THREADS": http_load.THREADS,
        "PYTHONPATH": str(Path(__file__).parents[1]),
    }
    at_eight: dict[str, float] = {}
    click.echo("\n| clients | create / bare | reschedule / bare | cancel / bare |\n|---|---|---|---|")
    with (
        http_load.served("booking_command.app:create_app()", environment) as ours,
        http_load.served("bench.http_load:bare_app()", environment) as bare,
    ):
        for clients in WRITERS:
            found = [one_round(fresh, ours, bare, clients, token) for _ in range(rounds)]
            ratios = {
                kind: statistics.median(one[kind] / one["bare"] for one in found)
                for kind in ("create", "reschedule", "cancel")
            }
            click.echo(f"| {clients} | " + " | ".join(f"{ratio:.2f}" for ratio in ratios.values()) + " |")
            if clients == 8:
                at_eight = {kind: statistics.median(one[kind] for one in found) for kind in ratios}
    return at_eight


_SPAN = 4_000  # slots of one client in one round
_taken = 0  # slots used so far: every call books another


def one_round(fresh: FreshDatabase, ours: int, bare: int, clients: int, token: str) -> dict[str, float]:
    """Answers a second of each command and of the bare endpoint, in turn."""
    global _taken
    first, _taken = _taken, _taken + clients * _SPAN
    team = {"Authorization": f"Bearer {token}"}

    def create(client: int, number: int) -> tuple[str, str, bytes]:
        return "POST", "/v1/bookings", http_load.booking(first + client * _SPAN + number)

    rates = {"create": http_load.rate(ours, clients, {}, create)}
    body = http_load.booking(first)
    rates["bare"] = http_load.rate(bare, clients, {}, lambda *_: ("POST", "/", body))
    made = bookings(fresh, clients)

    def reschedule(client: int, number: int) -> tuple[str, str, bytes] | None:
        mine = made[client]
        if number >= len(mine):
            return None
        to = http_load.slot(first + client * _SPAN + _SPAN - 1 - number)
        return "POST", f"/v1/bookings/{mine[number]}/reschedule", f'{{"starts_at": "{to}"}}'.encode()

    def cancel(client: int, number: int) -> tuple[str, str, bytes] | None:
        mine = made[client]
        return ("POST", f"/v1/bookings/{mine[number]}/cancel", b"{}") if number < len(mine) else None

    rates["reschedule"] = http_load.rate(ours, clients, team, reschedule)
    rates["cancel"] = http_load.rate(ours, clients, team, cancel)
    return rates


def bookings(fresh: FreshDatabase, clients: int) -> list[list[str]]:
    """The newest bookings that stand, dealt out to the clients."""
    with psycopg.connect(fresh.owner_url) as owner:
        rows = owner.execute(
            "SELECT originator_id FROM stored_events JOIN slot_holds ON booking_id = originator_id"
            " WHERE topic = 'BookingConfirmed' ORDER BY notification_id DESC LIMIT 40000"
        ).fetchall()
    return [[str(row[0]) for row in rows[client::clients]] for client in range(clients)]


def team_token(fresh: FreshDatabase) -> str:
    """An API token; the first call also makes the meeting type that everything books."""
    store = EventStore(fresh.url, connections=1)
    accounts = Accounts(store)
    if not accounts.members():
        accounts.add("bench@example.org", "bench bench")
        terms = Terms(
            "Bench", 1, "here", Host("Host", "host@example.org"), "UTC", _EVERY_DAY, horizon_days=3650
        )
        store.append(MeetingType.define(http_load.SLUG, terms, actor="bench@example.org"))
    _, token = accounts.issue_token(accounts.by_email("bench@example.org"), "bench")
    store.close()
    return token


def fill(fresh: FreshDatabase, stored: int) -> None:
    """Store events by COPY until there are `stored`."""
    with psycopg.connect(fresh.owner_url, autocommit=True) as owner:
        (have,) = owner.execute("SELECT count(*) FROM stored_events").fetchone()
        owner.execute(
            "INSERT INTO stored_events (originator_id, originator_version, topic, state)"
            " SELECT gen_random_uuid(), 1, topic, state FROM generate_series(1, %s),"
            " (SELECT topic, state FROM stored_events WHERE topic = 'BookingConfirmed' LIMIT 1) AS sample",
            (max(0, stored - have),),
        )
        owner.execute("VACUUM ANALYZE stored_events")


if __name__ == "__main__":
    main()
