"""The command `dead-letters` of every service that reads topics."""

from __future__ import annotations

import copy
import json
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import click

from rebook import operating
from rebook.cloudevents import NotAnEvent
from rebook.moments import format_moment
from rebook.parking import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from psycopg2.extensions import connection as Connection  # noqa: N812
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

    from rebook.operating import Letter
    from rebook.parking import Handle

    Open = Callable[[], tuple[Connection, Handle]]

_SERVICE = "SERVICE"  # in the commands' help: the console command of the service


def dead_letters(service: str, open_tables: Open) -> click.Group:
    """The command group of one service, for its console command to add.

    `open_tables` connects to the service's database and gives the handler too that its worker applies events with.
    """

    @click.pass_context
    def remember(ctx: click.Context) -> None:
        ctx.obj = open_tables

    about = "Events that could not be applied: look at them, try them again, give them up."
    group = click.Group(
        "dead-letters", callback=remember, help=f"{about}\n\nExample: {service} dead-letters list"
    )
    for command in (list_letters, show, retry, discard):
        own = copy.copy(command)
        own.help = (command.help or "").replace(_SERVICE, service)
        group.add_command(own)
    return group


@contextmanager
def _at_work(open_tables: Open) -> Iterator[tuple[Cursor, Handle]]:
    """A transaction of the service's database, and the service's handler."""
    connection, handle = open_tables()
    with closing(connection), connection, connection.cursor() as cursor:
        yield cursor, handle


_letter_id = click.argument("letter", metavar="LETTER")
_source = click.option("--source", help="The event store it is of, where several have one of that name.")


@click.command("list")
@click.option("--discarded", is_flag=True, help="Those that were given up, instead.")
@click.pass_obj
def list_letters(open_tables: Open, discarded: bool) -> None:
    """List what waits: the first event of each stream, how many wait behind it, since when and why.

    Example: SERVICE dead-letters list
    """
    with _at_work(open_tables) as (cursor, _):
        letters = operating.given_up(cursor) if discarded else operating.waiting(cursor)
    for letter in letters:
        behind = f", {letter.behind} more behind it" if letter.behind else ""
        click.echo(f"{letter.id}\n    {_kind(letter)} since {format_moment(letter.parked_at)}{behind}")
        click.echo(f"    {letter.reason.splitlines()[0]}")
    if not letters:
        click.echo("nothing was discarded" if discarded else "nothing waits")


@click.command()
@_letter_id
@_source
@click.pass_obj
def show(open_tables: Open, letter: str, source: str | None) -> None:
    """Show all of LETTER (an id that `list` names), the customer's data included.

    Example: SERVICE dead-letters show 0b9c6f0e-2f57-4b7e-9a7e-1f6a52f8d1c3:2
    """
    with _at_work(open_tables) as (cursor, _):
        found = _found(cursor, letter, source)
    click.echo(f"{found.id}  {_kind(found)} since {format_moment(found.parked_at)}, from {found.topic}")
    click.echo(f"{found.reason}\n")
    for name, text in found.headers:
        click.echo(f"{name}: {text}")
    click.echo(f"\n{_text(found)}")


@click.command()
@click.argument("letters", metavar="[LETTER]...", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Everything that waits.")
@_source
@click.pass_obj
def retry(open_tables: Open, letters: tuple[str, ...], every: bool, source: str | None) -> None:
    """Apply each LETTER's stream as far as it goes now; exit 1 where something still waits.

    Example: SERVICE dead-letters retry 0b9c6f0e-2f57-4b7e-9a7e-1f6a52f8d1c3:2
    """
    if bool(letters) == every:
        raise click.UsageError("Name what to retry, or say --all.")
    chosen = _all_waiting(open_tables) if every else [(letter, source) for letter in letters]
    are_done = [_retry_one(open_tables, *one) for one in chosen]
    if not all(are_done):
        raise click.exceptions.Exit(1)


def _all_waiting(open_tables: Open) -> list[tuple[str, str | None]]:
    with _at_work(open_tables) as (cursor, _):
        return [(letter.id, letter.source) for letter in operating.waiting(cursor)]


def _retry_one(open_tables: Open, letter_id: str, source: str | None) -> bool:
    """Whether nothing of its stream waits any more; a transaction each, so that one holds up no other."""
    with _at_work(open_tables) as (cursor, handle):
        try:
            applied, still = operating.retry(cursor, _found(cursor, letter_id, source), handle)
        except NotAnEvent as error:
            click.echo(f"{letter_id} is still no event: {error}")
            return False
    if still:
        click.echo(f"{letter_id}: {applied} applied; {still.id} waits: {still.reason}")
    else:
        click.echo(f"{letter_id}: {applied} applied, nothing waits")
    return still is None


@click.command()
@_letter_id
@_source
@click.option("--reason", required=True, help="Why; kept beside it.")
@click.pass_obj
def discard(open_tables: Open, letter: str, source: str | None, reason: str) -> None:
    """Give LETTER up: it counts in its stream and changes nothing, and what waits behind it goes on.

    Example: SERVICE dead-letters discard 0b9c6f0e-2f57-4b7e-9a7e-1f6a52f8d1c3:2 --reason "made by a test"
    """
    with _at_work(open_tables) as (cursor, handle):
        try:
            operating.discard(cursor, _found(cursor, letter, source), handle, reason)
        except operating.NotFirst:
            raise click.ClickException("An earlier event of its stream waits too; see `list`.") from None
    click.echo(f"{letter} is discarded")


def _found(cursor: Cursor, letter_id: str, source: str | None) -> Letter:
    """The one letter of that id."""
    found = [letter for letter in operating.find(cursor, letter_id) if source in {None, letter.source}]
    if not found:
        raise click.ClickException(f"There is no dead letter {letter_id}.")
    if len(found) > 1:
        sources = " or ".join(letter.source for letter in found)
        raise click.ClickException(f"Several are called {letter_id}: say --source {sources}.")
    return found[0]


def _kind(letter: Letter) -> str:
    """What it is, and what is the matter with it."""
    event_type = next((text for name, text in letter.headers if name == "ce_type"), "a record")
    return f"{event_type}, {letter.kind}"


def _text(letter: Letter) -> str:
    """The record's value, laid out where it is JSON."""
    if letter.kind != UNREADABLE:
        return json.dumps(letter.event().data, indent=2, ensure_ascii=False)
    return bytes(letter.value or b"").decode("utf-8", "replace")
