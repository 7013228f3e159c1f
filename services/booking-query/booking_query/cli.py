"""The console command `booking-query`."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import click
import psycopg2
from rebook import logs
from rebook.console import sentences, stop_on_signals
from rebook.dead_letters_cli import dead_letters
from rebook.moments import use_bundled_zones
from rebook.postgres import connect
from rebook.serving import serve
from rebook.settings import load

from booking_query import rebuild_cli, schema
from booking_query.projection import project as project_one
from booking_query.projector import run
from booking_query.settings import DatabaseSettings, OwnerSettings, ProjectorSettings, WebProcess

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812
    from rebook.parking import Handle


@click.group(cls=sentences(psycopg2.OperationalError))
def main() -> None:
    """booking-query keeps the read tables, and serves the queries and every page.

    Example: booking-query web
    """
    use_bundled_zones()


@main.command()
def web() -> None:
    """Serve the HTTP API of queries and the pages.

    Example: BOOKING_QUERY_WEB_PORT=8003 booking-query web
    """
    process = load(WebProcess)
    serve("booking_query.app:create_app()", process, process.port)


@main.command()
def project() -> None:
    """Follow the topics and keep the read tables; several projectors share the work.

    Example: BOOKING_QUERY_PROJECTOR_PORT=8004 booking-query project
    """
    settings = load(ProjectorSettings)
    logs.configure("booking-query-projector")
    stop = stop_on_signals()
    run(settings, stop)


@main.command()
def migrate() -> None:
    """Bring the read tables' schema up to date; doing it again changes nothing.

    Example: booking-query migrate
    """
    with closing(connect(load(OwnerSettings).database_url)) as connection:
        for name in schema.migrate(connection):
            click.echo(f"applied {name}")


def _read_tables() -> tuple[Connection, Handle]:
    return connect(load(DatabaseSettings).database_url), project_one


for command in rebuild_cli.COMMANDS:
    main.add_command(command)
main.add_command(dead_letters("booking-query", _read_tables))
