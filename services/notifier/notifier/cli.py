"""The console command `notifier`."""

from __future__ import annotations

from contextlib import closing
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import click
import psycopg2
from rebook import logs, operating, postgres
from rebook.console import sentences
from rebook.dead_letters_cli import dead_letters
from rebook.kafka import BOOKINGS
from rebook.migrations import migrate as apply
from rebook.moments import use_bundled_zones
from rebook.serving import serve
from rebook.settings import load
from rebook.topic_reader import read_to_end

from notifier import gallery, upkeep_cli, verification
from notifier.database import connect
from notifier.deliveries_cli import deliveries
from notifier.inbox import Inbox
from notifier.settings import (
    ConsoleSettings,
    OwnerSettings,
    VerifySettings,
    WebProcessSettings,
    WorkerSettings,
)
from notifier.worker import Worker

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812
    from rebook.parking import Handle


@click.group(cls=sentences(psycopg2.OperationalError))
def main() -> None:
    """The notifier writes to customers and the team, and tells what it sent.

    Example: notifier worker
    """
    use_bundled_zones()


@main.command()
@click.pass_context
def worker(ctx: click.Context) -> None:
    """Read booking events, send letters and reminders, publish what became of them; several share the work.

    Example: NOTIFIER_WORKER_PORT=8006 notifier worker
    """
    settings = load(WorkerSettings)
    logs.configure("notifier-worker")
    ctx.exit(0 if Worker(settings).run() else 1)


@main.command()
def web() -> None:
    """Serve health and metrics of the notifier.

    Example: NOTIFIER_WEB_PORT=8005 notifier web
    """
    settings = load(WebProcessSettings)
    serve("notifier.app:create_app()", settings, settings.web_port)


@main.command()
def migrate() -> None:
    """Bring the notifier's tables up to date; doing it again changes nothing.

    Example: notifier migrate
    """
    folders = [files("rebook") / "sql", files("notifier") / "sql"]
    with closing(postgres.connect(load(OwnerSettings).owner_database_url)) as connection:
        for name in apply(connection, folders):
            click.echo(f"applied {name}")


@main.command()
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="The folder to fill."
)
def letters(out: Path) -> None:
    """Write every letter of made-up bookings to a folder, for people to look at.

    Example: notifier letters --out /tmp/letters
    """
    written = gallery.hang(out)
    click.echo(f"{len(written)} files in {out}")


@main.command()
@click.option(
    "--patience-s", type=click.IntRange(0, 3600), default=10, show_default=True, help="For stragglers."
)
@click.pass_context
def verify(ctx: click.Context, patience_s: int) -> None:
    """Read all events of bookings and compare the letters and reminders they call for with the tables.

    What was published last gets so many seconds to arrive. Lists the differences; exit 1 where there are any.

    Example: notifier verify
    """
    settings = load(VerifySettings)
    with closing(connect(settings.database_url)) as connection:
        with connection, connection.cursor() as cursor:
            discarded = operating.discarded(cursor)
        stories, hopeless = verification.replayed(read_to_end(settings, BOOKINGS), discarded)
        lasting = verification.lasting_differences(connection, stories, patience_s)
    differences = hopeless + lasting
    for difference in differences:
        click.echo(difference)
    click.echo(f"{len(stories)} bookings, {len(differences)} differences")
    ctx.exit(1 if differences else 0)


def _inbox() -> tuple[Connection, Handle]:
    settings = load(ConsoleSettings)
    return connect(settings.database_url), Inbox(settings.mail_domain).handle


main.add_command(dead_letters("notifier", _inbox))
main.add_command(deliveries)
for command in upkeep_cli.COMMANDS:
    main.add_command(command)
