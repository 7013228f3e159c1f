"""`make bench-query`: what queries cost beside their bare SQL, as bookings become more; replays and a rebuild."""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rebook.moments import use_bundled_zones

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import rebuild, replay
from bench.asked import QUESTIONS, Asker
from bench.chart import drawn
from bench.relay import broker
from bench.tables import filled
from bench.visible import delays_ms
from servers.postgres import PostgresServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.asked import Ask
    from rebook.kafka import KafkaSettings
    from servers.postgres import FreshDatabase

_PICTURE = Path(__file__).parents[2] / "docs" / "pictures" / "queries.svg"


@click.command()
@click.option(
    "--bookings", default="1000,100000,1000000", show_default=True, help="Sizes of the read tables."
)
@click.option("--calls", default=300, show_default=True, help="Calls of each query whose median counts.")
@click.option("--events", default=1_000_000, show_default=True, help="Events to replay; 0 for none.")
@click.option("--rounds", default=1, show_default=True, help="Rounds of replays whose median counts.")
@click.option("--posts", default=200, show_default=True, help="Bookings that are waited for; 0 for none.")
@click.option("--picture", default=_PICTURE, type=click.Path(path_type=Path), help="Where the chart goes.")
def main(bookings: str, calls: int, events: int, rounds: int, posts: int, picture: Path) -> None:
    """Measure booking-query on a PostgreSQL and a Kafka of its own."""
    use_bundled_zones()
    sizes = [int(size) for size in bookings.split(",") if size]
    with postgres() as server:
        if sizes:
            show_queries(server, sizes, calls, picture)
        if events:
            show_replay(server, events, rounds)
    if posts:
        answered_ms, visible_ms = delays_ms(posts)
        click.echo(
            f"\nfrom POST to its answer: p50 {answered_ms:.0f} ms; until it is visible: p50 {visible_ms:.0f} ms"
        )


@contextmanager
def postgres() -> Iterator[PostgresServer]:
    with tempfile.TemporaryDirectory(prefix="rebook-bench-", ignore_cleanup_errors=True) as home:
        Path(home).chmod(0o755)
        server = PostgresServer(Path(home))
        try:
            yield server
        finally:
            server.server.stop()


@contextmanager
def without_logs() -> Iterator[None]:
    """A line for each request is part of what it costs, but nothing to look at here."""
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        yield


def show_queries(server: PostgresServer, sizes: list[int], calls: int, picture: Path) -> None:
    """Print each query's median beside its SQL's; all sizes are asked in turn, so that a busy moment hits all."""
    databases = [filled(server, size) for size in sizes]
    with without_logs():
        askers = [Asker(database.url, size) for database, size in zip(databases, sizes, strict=True)]
    click.echo(f"\n| query | {' | '.join(f'{size:,}: ms (to its SQL)' for size in sizes)} | last to first |")
    click.echo("|---" * (len(sizes) + 2) + "|")
    times_ms: dict[str, list[float]] = {}
    for question in QUESTIONS:
        with without_logs():
            pairs = medians_ms([ask.question(question) for ask in askers], calls)
        times_ms[question] = [ours for ours, _ in pairs]
        cells = [f"{ours:.2f} ({ours / sql:.1f})" for ours, sql in pairs]
        click.echo(f"| {question} | {' | '.join(cells)} | {pairs[-1][0] / pairs[0][0]:.2f} |")
    show_slowest(askers[-1], sizes[-1])
    if len(sizes) > 1:
        picture.write_text(drawn(sizes, times_ms))


def show_slowest(asker: Asker, size: int) -> None:
    """Print how long the search takes that PostgreSQL does worst with: its plan may be a wrong guess."""
    with without_logs():
        took_ms = [min(_ms(ask) for _ in range(3)) for ask in asker.searches()]
    click.echo(f"\nslowest of {len(took_ms)} searches among {size:,}: {max(took_ms):.1f} ms")


def medians_ms(asked: list[tuple[Ask, Ask]], calls: int) -> list[tuple[float, float]]:
    """The medians of ours and of the bare SQL for each size; they take turns at asking first."""
    took: list[tuple[list[float], list[float]]] = [([], []) for _ in asked]
    for call in range(calls):
        for pair, pair_ms in zip(asked, took, strict=True):
            for place in (call % 2, 1 - call % 2):
                pair_ms[place].append(_ms(pair[place]))
    return [(statistics.median(ours), statistics.median(sql)) for ours, sql in took]


def _ms(ask: Ask) -> float:
    """How long until the answer is there; the request's log line and the like come after it and do not count."""
    began_s = time.perf_counter()
    afterwards = ask()
    took_s = time.perf_counter() - began_s
    afterwards()
    return took_s * 1_000


def show_replay(server: PostgresServer, events: int, rounds: int) -> None:
    """Print the rate of replays and of a rebuild relative to a bare loop's over the same topics."""
    with broker() as kafka:
        chosen = replay.settings(kafka.bootstrap_servers)
        replay.publish(chosen, events)
        click.echo(f"\n{kafka.kind}; {events:,} events of bookings and letters")
        found, tables = [], replay.read_tables(server)
        for _ in range(rounds):
            tables = replay.read_tables(server)
            found.append(replay_round(server, chosen, tables, events))
        for place, name in enumerate(("with every index", "indexes made at the end")):
            ratio = statistics.median(ratios[place] for ratios in found)
            click.echo(f"replay into read tables, {name} / bare consume-and-decode loop: {ratio:.2f}")
        show_rebuild(chosen, tables, events)


def replay_round(
    server: PostgresServer, chosen: KafkaSettings, tables: FreshDatabase, events: int
) -> tuple[float, float]:
    bare_s = replay.bare(chosen, events)
    following_s = replay.replayed(chosen, replay.read_tables(server), events)
    began_s = time.monotonic()
    with replay.indexes_afterwards(tables):
        replay.replayed(chosen, tables, events)
    return bare_s / following_s, bare_s / (time.monotonic() - began_s)


def show_rebuild(chosen: KafkaSettings, tables: FreshDatabase, events: int) -> None:
    """Rebuild tables that hold all of it while others read and write, as rates relative to a bare loop's."""
    bare_s = replay.bare(chosen, events)
    with without_logs():
        rebuilt_s, visitor = rebuild.rebuilt(chosen, tables)
    click.echo(
        f"rebuild under live reads and writes / bare consume-and-decode loop: {bare_s / rebuilt_s:.2f}"
    )
    click.echo(
        f"    {visitor.writes:,} writes and {visitor.reads:,} reads meanwhile, {len(visitor.wrong)} failed or stale"
        f"{visitor.wrong[:3] or ''}; the slowest took {visitor.slowest_s * 1_000:.0f} ms\n"
        f"    {rebuild.last_words(chosen, tables)}"
    )


if __name__ == "__main__":
    main()
