"""`make bench-command`: what appending and answering cost, as ratios within one run.

(a) create, reschedule and cancel through gunicorn, beside (b) a bare Flask endpoint with one INSERT, on a
store with few events and on one with many; (c) our recorder beside the library's own and bare INSERTs.
"""

from __future__ import annotations

import contextlib
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rebook.moments import use_bundled_zones

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import http_load, recorder, stores

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servers.postgres import FreshDatabase

KEYS = "k" * 32
CLIENTS = (1, 8, 32)
KINDS = ("create", "reschedule", "cancel")


@click.command()
@click.option("--rounds", default=3, show_default=True, help="Rounds whose median counts.")
@click.option("--few", default=1_000, show_default=True, help="Events in the small store.")
@click.option("--many", default=1_000_000, show_default=True, help="Events in the large store.")
def main(rounds: int, few: int, many: int) -> None:
    """Measure booking-command on a PostgreSQL of its own, with durability on."""
    use_bundled_zones()
    with stores.server() as server:
        small, large = stores.store(server, few), stores.store(server, many)
        show_recorder(small, rounds)
        with ours(small) as to_small, ours(large) as to_large, bare(small) as bare_port:
            for clients in CLIENTS:
                show_commands(clients, rounds, to_small, to_large, bare_port)


def show_recorder(fresh: FreshDatabase, rounds: int) -> None:
    recorder.prepare(fresh.owner_url)
    click.echo("\n| writers | ours / library's | ours / bare INSERT |\n|---|---|---|")
    for writers in CLIENTS:
        found = [recorder.rates(fresh.owner_url, writers) for _ in range(rounds)]
        to_library = statistics.median(one["ours"] / one["library"] for one in found)
        to_bare = statistics.median(one["ours"] / one["bare"] for one in found)
        click.echo(f"| {writers} | {to_library:.2f} | {to_bare:.2f} |")


def show_commands(clients: int, rounds: int, small: Service, large: Service, bare_port: int) -> None:
    """Print each command's rate relative to the bare endpoint's, and with many events relative to few."""
    to_bare: dict[str, list[float]] = {kind: [] for kind in KINDS}
    kept: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for _ in range(rounds):
        bare_rate = http_load.rate(bare_port, clients, {}, _insert)
        with_few, with_many = small.round(clients), large.round(clients)
        for kind in KINDS:
            to_bare[kind].append(with_few[kind] / bare_rate)
            kept[kind].append(with_many[kind] / with_few[kind])
    if clients == CLIENTS[0]:
        click.echo(
            "\n| clients | command | of bare | with many events, of that with few |\n|---|---|---|---|"
        )
    for kind in KINDS:
        click.echo(f"| {clients} | {kind} | {_median(to_bare[kind])} | {_median(kept[kind])} |")


def _insert(*_: int) -> http_load.Call:
    return "POST", "/", http_load.booking(0)


def _median(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


@dataclass
class Service:
    """booking-command on a store; every call of a client books another slot."""

    fresh: FreshDatabase
    port: int
    token: str
    taken: int = 1

    _SPAN = 4_000  # slots of one client in one round

    def round(self, clients: int) -> dict[str, float]:
        """Answers a second of each command, in turn."""
        first, self.taken = self.taken, self.taken + clients * self._SPAN

        def create(client: int, number: int) -> http_load.Call:
            return "POST", "/v1/bookings", http_load.booking(first + client * self._SPAN + number)

        created = http_load.rate(self.port, clients, {}, create)
        made = stores.bookings(self.fresh, clients)

        def reschedule(client: int, number: int) -> http_load.Call | None:
            to = http_load.slot(first + (client + 1) * self._SPAN - 1 - number)
            return self._change(made[client], number, "reschedule", f'{{"starts_at": "{to}"}}')

        def cancel(client: int, number: int) -> http_load.Call | None:
            return self._change(made[client], number, "cancel", "{}")

        team = {"Authorization": f"Bearer {self.token}"}
        moved, cancelled = (http_load.rate(self.port, clients, team, make) for make in (reschedule, cancel))
        return dict(zip(KINDS, (created, moved, cancelled), strict=True))

    def _change(self, mine: list[str], number: int, what: str, body: str) -> http_load.Call | None:
        if number >= len(mine):
            return None
        return "POST", f"/v1/bookings/{mine[number]}/{what}", body.encode()


@contextlib.contextmanager
def ours(fresh: FreshDatabase) -> Iterator[Service]:
    environment = {
        "BOOKING_COMMAND_DATABASE_URL": fresh.url,
        "PUBLIC_URL": "http://127.0.0.1:8000",
        "MANAGE_LINK_KEYS": KEYS,
        "SESSION_KEYS": KEYS,
        "REBOOK_RATE_LIMITS": "0",
        "WEB_THREADS": http_load.THREADS,
    }
    with http_load.served("booking_command.app:create_app()", environment) as port:
        yield Service(fresh, port, stores.team_token(fresh))


@contextlib.contextmanager
def bare(fresh: FreshDatabase) -> Iterator[int]:
    environment = {"BARE_DATABASE_URL": fresh.owner_url, "PYTHONPATH": str(Path(__file__).parents[1])}
    with http_load.served("bench.http_load:bare_app()", environment) as port:
        yield port


if __name__ == "__main__":
    main()
