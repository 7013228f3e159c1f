"""The console command `booking-query`."""

from __future__ import annotations

import signal
import threading
from contextlib import closing
from importlib.resources import files
from typing import Any

import click
import psycopg2
from rebook import logs
from rebook.migrations import migrate as apply
from rebook.moments import use_bundled_zones
from rebook.serving import serve
from rebook.settings import BadSettings, load

from booking_query.projector import run
from booking_query.settings import OwnerSettings, ProjectorSettings, WebProcess


class _Sentences(click.Group):
    """Tells what people can mend in one sentence, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BadSettings as error:
            raise click.ClickException(f"Settings: {error}.") from None
        except psycopg2.OperationalError as error:
            raise click.ClickException(
                f"The database cannot be reached: {str(error).splitlines()[0]}"
            ) from None


@click.group(cls=_Sentences)
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
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    run(settings, stop)


@main.command()
def migrate() -> None:
    """Bring the read tables' schema up to date; doing it again changes nothing.

    Example: booking-query migrate
    """
    with closing(psycopg2.connect(load(OwnerSettings).database_url)) as connection:
        for name in apply(connection, [files("rebook") / "sql", files("booking_query") / "sql"]):
            click.echo(f"applied {name}")
