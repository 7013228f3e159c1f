"""The console commands on the event store itself: look at it, follow it, check it, publish it again."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO
from uuid import UUID

import click
import psycopg
from rebook import archives, console
from rebook.kafka import KafkaError
from rebook.meeting_types import is_slug
from rebook.moments import parse_moment
from rebook.settings import load

from booking_command import archive, timeline
from booking_command.audit import Audit
from booking_command.contract import PUBLISHED, Contract
from booking_command.erasure import under_way
from booking_command.meeting_type import MeetingType
from booking_command.reader import STORED, Stored, last_position, read_after
from booking_command.republish import republish as publish_again
from booking_command.restoring import go_on_as_another
from booking_command.settings import OwnerSettings, RepublishSettings, StoreSettings
from booking_command.store import EventStore
from booking_command.team import TeamMember

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from rebook.cloudevents import Event

_BATCH = 1_000
_LOOK_EVERY_S = 0.5
_STREAM = f"{STORED} WHERE originator_id = %s ORDER BY originator_version"


def _stream_id(_: Any, __: Any, value: str) -> UUID:
    """A booking's id; a meeting type's slug and a member's address name their streams too."""
    try:
        return UUID(value)
    except ValueError:
        if "@" in value:
            return TeamMember.id_of(value)
        if is_slug(value):
            return MeetingType.id_of(value)
    raise click.BadParameter("Not a booking's id, a meeting type's slug or a member's address.")


def _moment(_: Any, __: Any, value: str | None) -> datetime | None:
    try:
        return parse_moment(value) if value else None
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _connected() -> psycopg.Connection[Any]:
    return psycopg.connect(load(StoreSettings).database_url, autocommit=True)


@click.command()
@click.argument("stream_id", metavar="BOOKING-ID", callback=_stream_id)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def show(stream_id: UUID, as_json: bool) -> None:
    """Show everything that happened to one booking (or a meeting type's slug, or a member's address).

    Example: booking-command show 7f2c6f0a-51c6-4a1e-9a53-2d6f3b1c9e10
    """
    with _connected() as connection:
        contract = Contract.of_store(connection)
        stream = [contract.event(Stored(*row))[2] for row in connection.execute(_STREAM, (stream_id,))]
    if not stream:
        raise click.ClickException(f"Nothing is stored under {stream_id}.")
    for event in stream:
        click.echo(timeline.as_json(event) if as_json else "\n".join(timeline.paragraph(event)))


@click.command()
@click.option("--from-position", default=1, type=click.IntRange(1), help="Begin at this place in the store.")
@click.option(
    "--type",
    "types",
    multiple=True,
    type=click.Choice(sorted(PUBLISHED)),
    metavar="TYPE",
    help="Only this type, such as BookingCancelled.",
)
@click.option("--since", metavar="TIME", callback=_moment, help="Only what happened at or after this time.")
@click.option("--until", metavar="TIME", callback=_moment, help="Only what happened before this time.")
@click.option("--follow", "-f", is_flag=True, help="Go on with what is stored from now on.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, with every fact.")
def log(
    from_position: int,
    types: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    follow: bool,
    as_json: bool,
) -> None:
    """List the store's events in order, a line each.

    Example: booking-command log --type BookingCancelled --since 2030-11-05T00:00:00Z --follow
    """
    shown = timeline.as_json if as_json else timeline.line
    with _connected() as connection:
        for stored, event in _following(connection, from_position, follow):
            at = parse_moment(event.time)
            if (
                (not types or stored.topic in types)
                and (not since or since <= at)
                and (not until or at < until)
            ):
                click.echo(shown(event))


def _following(
    connection: psycopg.Connection[Any], from_position: int, follow: bool
) -> Iterator[tuple[Stored, Event]]:
    contract, position = Contract.of_store(connection), from_position - 1
    while True:
        batch = read_after(connection, position, _BATCH)
        for stored in batch:
            yield stored, contract.event(stored)[2]
            position = stored.position
        if not batch and not follow:
            return
        if not batch:
            time.sleep(_LOOK_EVERY_S)


@click.command()
def verify() -> None:
    """Check the whole store: versions, contents, and the holds that keep hosts from being double-booked.

    Ends with 1 and a list where something is wrong. Example: booking-command verify
    """
    url = load(StoreSettings).database_url
    audit, wrong = Audit(url, EventStore(url, connections=1)), 0
    with console.progress("Checking", _last_position()) as read:
        for finding in audit.findings(read):
            wrong += 1
            click.echo(f"{finding.stream_id}  {finding.wrong}")
    click.echo(f"{audit.events:,} events checked, {wrong or 'nothing'} wrong", err=bool(wrong))
    sys.exit(1 if wrong else 0)


@click.command()
@click.option("--from-position", required=True, type=click.IntRange(1), help="The first event to publish.")
@click.option(
    "--to-topic", help="A topic to put all of them on, made where it is missing; by default their own."
)
def republish(from_position: int, to_topic: str | None) -> None:
    """Publish stored events again; readers skip what they have.

    Example: booking-command republish --from-position 1 --to-topic rebook.history
    """
    settings = load(RepublishSettings)
    with (
        _connected() as connection,
        under_way(connection),  # what was read before an erasure must not come after the drop of its topic
        console.progress("Publishing", _last_position()) as sent,
    ):
        try:
            count = publish_again(
                connection, settings, from_position=from_position, to_topic=to_topic, progress=sent
            )
        except KafkaError as error:
            raise click.ClickException(f"Kafka did not take all of them: {error}. Try again.") from None
    click.echo(f"{count:,} events published{f' on {to_topic}' if to_topic else ''}")


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def export(file: Path) -> None:
    """Write the whole event store to FILE, as JSON lines that only you may read: it holds personal data.

    Example: booking-command export rebook-2030-11-05.jsonl
    """
    with (
        archives.new_file(file) as out,
        psycopg.connect(load(StoreSettings).database_url) as connection,
        console.progress("Exporting", _last_position()) as read,
    ):
        out.writelines(f"{line}\n" for line in archive.export(connection, read))
    click.echo(f"{file} holds the whole store")


@click.command("import")
@click.argument("file", type=click.File(encoding="utf-8"))
def import_(file: TextIO) -> None:
    """Fill an empty event store with what `export` wrote to FILE (`-`: standard input).

    Example: booking-command import rebook-2030-11-05.jsonl
    """
    url = load(OwnerSettings).database_url
    with psycopg.connect(url) as connection, console.progress("Importing", None) as stored:
        count = archive.restore(connection, file, stored)
    click.echo(f"{count:,} events imported")


@click.command()
def restored() -> None:
    """Say that PostgreSQL's own means have restored this database to an earlier point; `import` says so by itself.

    Events that are stored from now on count as others than those that were lost, whatever their numbers, and the
    relay makes its topics anew. Say it before anything is booked.

    Example: booking-command restored
    """
    with psycopg.connect(load(OwnerSettings).database_url) as connection, connection.cursor() as cursor:
        first_position, store_id = go_on_as_another(cursor)
    click.echo(f"From position {first_position:,} on, events are of the store {store_id}")


def _last_position() -> int:
    with _connected() as connection:
        return last_position(connection)


COMMANDS = (show, log, verify, republish, export, import_, restored)
