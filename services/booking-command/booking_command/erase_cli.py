"""`booking-command erase`: a customer asks to be forgotten."""

from __future__ import annotations

import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import click
import psycopg
from email_validator import EmailNotValidError, validate_email
from rebook import console
from rebook.moments import format_moment, utc_now
from rebook.settings import load

from booking_command.erasure import Erasure, topics_are_stale, under_way
from booking_command.settings import OwnerSettings
from booking_command.store import EventStore

if TYPE_CHECKING:
    from booking_command.erasure import Claim

_LOOK_EVERY_S = 0.1
_VACUUM = "VACUUM stored_events, idempotency_keys"
_TOPICS_WAIT = "Topics still hold what was erased; the relay drops and refills them as soon as it is at work."


def _addresses(_: Any, __: Any, values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_address(value) for value in values)


def _address(value: str) -> str:
    """As it is stored with a booking, whatever its letters' case."""
    try:
        checked = validate_email(value, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        raise click.BadParameter(f"{value!r} is not an e-mail address.") from None
    return (checked.ascii_email or checked.normalized).lower()


@click.command()
@click.argument("emails", metavar="EMAIL...", nargs=-1, required=True, callback=_addresses)
@click.option("--yes", is_flag=True, help="Do not ask whether to go on.")
@click.option(
    "--patience-s",
    type=click.IntRange(0, 3600),
    default=30,
    show_default=True,
    help="How long to wait for the relay to drop the topic.",
)
def erase(emails: tuple[str, ...], yes: bool, patience_s: int) -> None:
    """Erase all personal data of the customers with these addresses, for good.

    Their bookings stay, with times and counts, and upcoming ones stand: cancel those that nobody wants. The relay
    drops the topic that still holds the data and fills it anew. Ends with 1 where nobody has such an address, or the
    topic is not dropped yet. Doing it again finishes what was interrupted.

    Example: booking-command erase ada@example.org
    """
    url = load(OwnerSettings).database_url
    with (
        psycopg.connect(url, autocommit=True) as connection,
        closing(EventStore(url, connections=1)) as store,
    ):
        claims = _claims(Erasure(store), emails, connection)
        _must_be_meant(claims, yes)
        _erase(Erasure(store), claims, connection)
        _tell_what_stands(claims)
        if not _topics_are_dropped(connection, patience_s):
            raise click.ClickException(_TOPICS_WAIT)
    click.echo("The topic was dropped; it is being filled anew, and the readers follow.")


def _claims(
    erasure: Erasure, emails: tuple[str, ...], connection: psycopg.Connection[Any]
) -> dict[str, list[Claim]]:
    """The bookings of those who have any."""
    found = erasure.claims(emails, connection)
    if not any(found.values()):
        more = f" {_TOPICS_WAIT}" if topics_are_stale(connection) else ""
        raise click.ClickException(f"Nobody with that address has a booking.{more}")
    for email, claims in found.items():
        if not claims:
            click.echo(f"{email} has no booking", err=True)
    return {email: claims for email, claims in found.items() if claims}


def _must_be_meant(found: dict[str, list[Claim]], yes: bool) -> None:
    now = utc_now()
    for email, claims in found.items():
        upcoming = sum(claim.is_upcoming(now) for claim in claims)
        click.echo(f"{email}: {_bookings(len(claims))}, of which {upcoming} upcoming")
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("Say --yes where nobody can be asked.")
    click.confirm("Erase their personal data for good?", abort=True)


def _erase(erasure: Erasure, found: dict[str, list[Claim]], connection: psycopg.Connection[Any]) -> None:
    bookings = [claim.booking_id for claims in found.values() for claim in claims]
    with under_way(connection), console.progress("Erasing", len(bookings)) as done:
        for booking_id in bookings:
            erasure.erase(booking_id)
            done(1)
    connection.execute(_VACUUM)  # at once, not when autovacuum comes to it
    click.echo(f"The store holds no personal data of {_bookings(len(bookings))} any more.")


def _tell_what_stands(found: dict[str, list[Claim]]) -> None:
    now = utc_now()
    standing = [claim for claims in found.values() for claim in claims if claim.is_upcoming(now)]
    for claim in standing:
        span = f"{format_moment(claim.starts_at)} to {format_moment(claim.ends_at)}"
        click.echo(f"{claim.booking_id} stands: {span} with {claim.host}")


def _topics_are_dropped(connection: psycopg.Connection[Any], patience_s: int) -> bool:
    """Whether the relay has done its part, for which it gets so many seconds."""
    patient_until_s = time.monotonic() + patience_s
    while topics_are_stale(connection):
        if time.monotonic() > patient_until_s:
            return False
        time.sleep(_LOOK_EVERY_S)
    return True


def _bookings(number: int) -> str:
    return "1 booking" if number == 1 else f"{number:,} bookings"
