"""The console commands that make the read tables anew, check them, and mend them."""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import TYPE_CHECKING

import click
import structlog
from rebook.console import progress
from rebook.kafka import KafkaError
from rebook.settings import load

from booking_query import rebuilding, verification
from booking_query.projector import tune
from booking_query.second_set import Hindered
from booking_query.settings import RebuildSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

_from_topic = click.option(
    "--from-topic",
    metavar="TOPIC",
    help="Read TOPIC before the live ones; `booking-command republish --to-topic` has filled it with everything.",
)


@click.command()
@_from_topic
@click.option(
    "--drop-unknown", is_flag=True, help="Even if rows are served that the topics do not tell of: those go."
)
def rebuild(from_topic: str | None, drop_unknown: bool) -> None:
    """Make the read tables anew from the whole history, beside those that are served, and swap them.

    Reads and the projector go on meanwhile. Until the swap the served tables are untouched; when it was ended before,
    run it again: it goes on where it stopped. The new tables are those of this program's version, as `migrate` would
    make them.

    Example: booking-query rebuild --from-topic rebook.history
    """
    settings = load(RebuildSettings)
    with _quietly():
        rebuilding.rebuild(settings, from_topic, drop_unknown=drop_unknown, show=progress, say=click.echo)


@click.command()
@_from_topic
@click.option(
    "--repair",
    metavar="BOOKING",
    type=click.UUID,
    help="Instead, put the rows of this booking in place as they should be.",
)
def verify(from_topic: str | None, repair: UUID | None) -> None:
    """Fold the whole history once more and compare every row with the read tables, while everything goes on.

    Ends with 1 and a list where they differ.

    Example: booking-query verify --repair 7f2c6f0a-51c6-4a1e-9a53-2d6f3b1c9e10
    """
    settings = load(RebuildSettings)
    with _quietly():
        if repair:
            mended = verification.repair(settings, repair, from_topic, progress)
            click.echo(
                "\n".join([*mended, f"{len(mended)} mended"]) if mended else "nothing was wrong with it"
            )
        elif verification.verify(settings, from_topic, progress, click.echo):
            sys.exit(1)


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Without log lines in between; what hinders is told in a sentence."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    tune()
    try:
        yield
    except Hindered as reason:
        raise click.ClickException(str(reason)) from None
    except KafkaError as error:
        raise click.ClickException(f"Kafka: {error or type(error).__name__}. Run it again.") from None


COMMANDS = (rebuild, verify)
