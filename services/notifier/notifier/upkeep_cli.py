"""The console commands that make the notifier's tables anew, and take along what is in them."""

from __future__ import annotations

import logging
from contextlib import closing
from pathlib import Path
from typing import TextIO

import click
import structlog
from rebook import archives, console
from rebook.kafka import KafkaError
from rebook.settings import load

from notifier import archive, rebuilding
from notifier.database import connect
from notifier.inbox import Inbox
from notifier.settings import DatabaseSettings, RebuildSettings


@click.command()
def rebuild() -> None:
    """Read all events of bookings anew, after the event store was restored; what was sent stays, nothing is resent.

    The relay must have filled its topics before (and `booking-command republish`, where retention has cut them).
    Letters that wait for events that are no more are skipped. Workers that run wait meanwhile. Killed half-way it has
    changed nothing; doing it again is safe.

    Example: notifier rebuild
    """
    settings = load(RebuildSettings)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    handle = Inbox(settings.mail_domain).handle
    with closing(connect(settings.database_url)) as connection, console.progress("Reading", None) as read:
        try:
            done = rebuilding.rebuild(connection, settings, handle, read)
        except KafkaError as error:
            raise click.ClickException(f"The topic cannot be read: {error}. Nothing has changed.") from None
    click.echo(f"{done.records:,} events read, {done.bookings:,} bookings known")
    click.echo(f"{done.skipped:,} letters skipped that waited for events that are no more")
    if done.parked:
        click.echo(f"{done.parked:,} events wait or cannot be applied; see `notifier dead-letters list`")


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def export(file: Path) -> None:
    """Write all deliveries to FILE, as JSON lines that only you may read: they hold people's addresses.

    Example: notifier export deliveries-2030-11-05.jsonl
    """
    url = load(DatabaseSettings).database_url
    with (
        archives.new_file(file) as out,
        closing(connect(url)) as connection,
        console.progress("Exporting", archive.size(connection)) as read,
    ):
        out.writelines(f"{line}\n" for line in archive.export(connection, read))
    click.echo(f"{file} holds all deliveries")


@click.command("import")
@click.argument("file", type=click.File(encoding="utf-8"))
def import_(file: TextIO) -> None:
    """Fill a database without deliveries with what `export` wrote to FILE (`-`: standard input).

    Example: notifier import deliveries-2030-11-05.jsonl
    """
    url = load(DatabaseSettings).database_url
    with closing(connect(url)) as connection, console.progress("Importing", None) as stored:
        count = archive.restore(connection, file, stored)
    click.echo(f"{count:,} deliveries imported")


COMMANDS = (rebuild, export, import_)
