"""The command `notifier deliveries`."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import click
from rebook.events import LETTERS
from rebook.moments import format_moment
from rebook.settings import load

from notifier import lookup
from notifier.database import connect
from notifier.deliveries import PENDING, STATES
from notifier.settings import DatabaseSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from psycopg2.extensions import cursor as Cursor  # noqa: N812

    from notifier.lookup import Found

_WHY_NOT = "is unknown, was sent already, or tells of what is lost"


@click.group()
def deliveries() -> None:
    """E-mails and what became of them: list them, look at one, try one again.

    Example: notifier deliveries list --state failed
    """


@contextmanager
def _tables() -> Iterator[Cursor]:
    with (
        closing(connect(load(DatabaseSettings).database_url)) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        yield cursor


@deliveries.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only those in this state.")
@click.option("--letter", type=click.Choice(LETTERS), help="Only letters of this name.")
@click.option("--booking", "booking_id", type=click.UUID, help="Only those about this booking.")
@click.option("--recipient", help="Only those to this address.")
@click.option("--lost", is_flag=True, help="Only those about what was lost when the store was restored.")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="At most so many."
)
def list_deliveries(
    state: str | None,
    letter: str | None,
    booking_id: UUID | None,
    recipient: str | None,
    lost: bool,
    limit: int,
) -> None:
    """List deliveries, the newest first, people's addresses included.

    Example: notifier deliveries list --state failed --letter confirmation
    """
    with _tables() as cursor:
        found = lookup.newest(cursor, lookup.Wanted(state, letter, booking_id, recipient, lost), limit)
    for delivery in found:
        click.echo(f"{delivery.delivery_id}  {_stands(delivery)}")
        click.echo(
            f"    {delivery.letter} to {delivery.recipient or 'an erased customer'}, booking {delivery.booking_id}"
        )
        if delivery.reason:
            click.echo(f"    {delivery.reason}")
    if not found:
        click.echo("none")


@deliveries.command()
@click.argument("delivery", type=click.UUID)
def show(delivery: UUID) -> None:
    """Show one DELIVERY (an id that `list` names) and every time its fate was decided.

    Example: notifier deliveries show 0b9c6f0e-2f57-4b7e-9a7e-1f6a52f8d1c3
    """
    with _tables() as cursor:
        found = lookup.one(cursor, delivery)
        if found is None:
            raise click.ClickException(f"There is no delivery {delivery}.")
        decisions = list(lookup.history(cursor, delivery))
    for name, value in found._asdict().items():
        if value not in {None, ""}:
            click.echo(f"{name.replace('_', ' '):<15} {value}")
    for decision in decisions:
        why = f": {decision.reason}" if decision.reason else ""
        click.echo(f"{format_moment(decision.happened_at)} {decision.state}{why}")


@deliveries.command()
@click.argument("chosen", metavar="[DELIVERY]...", type=click.UUID, nargs=-1)
@click.option("--failed", is_flag=True, help="Every letter that counts as failed.")
def retry(chosen: tuple[UUID, ...], failed: bool) -> None:
    """Try each DELIVERY again now; exit 1 where one cannot be. One that makes no sense any more is skipped.

    Example: notifier deliveries retry 0b9c6f0e-2f57-4b7e-9a7e-1f6a52f8d1c3
    """
    if bool(chosen) == failed:
        raise click.UsageError("Name what to retry, or say --failed.")
    with _tables() as cursor:
        wanted = lookup.failed(cursor) if failed else chosen
        released = {delivery: lookup.release(cursor, delivery) for delivery in wanted}
    for delivery, is_released in released.items():
        click.echo(f"{delivery} {'is tried again' if is_released else _WHY_NOT}")
    if not all(released.values()):
        raise click.exceptions.Exit(1)


def _stands(delivery: Found) -> str:
    """Its state, and of one that waits when it is tried next."""
    if delivery.state != PENDING:
        return f"{delivery.state}, fell due {format_moment(delivery.fell_due_at)}"
    tried = delivery.tries + delivery.deferrals
    again = f", tried {tried} times" if tried else ""
    return f"pending, next try {format_moment(delivery.next_try_at)}{again}"
