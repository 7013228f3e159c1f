"""The console command `booking-command`."""

from __future__ import annotations

import os
import sys
from importlib.resources import files
from typing import Any

import click
import psycopg
import structlog
from email_validator import EmailNotValidError, validate_email
from eventsourcing.persistence import OperationalError
from rebook import logs
from rebook.console import sentences, stop_on_signals
from rebook.migrations import migrate as apply
from rebook.moments import use_bundled_zones
from rebook.serving import answer_health, serve
from rebook.settings import load

from booking_command.accounts import Accounts
from booking_command.commands import PASSWORD_MAX_LENGTH, PASSWORD_MIN_LENGTH
from booking_command.erase_cli import erase
from booking_command.relay import ENDS, run
from booking_command.settings import OwnerSettings, RelaySettings, StoreSettings, WebProcess
from booking_command.store import EventStore
from booking_command.store_cli import COMMANDS

log = structlog.get_logger()


@click.group(cls=sentences(psycopg.OperationalError, OperationalError))
def main() -> None:
    """booking-command takes every change to bookings, meeting types and the team, and publishes it.

    Example: booking-command web
    """
    use_bundled_zones()


for command in (*COMMANDS, erase):
    main.add_command(command)


@main.command()
def web() -> None:
    """Serve the HTTP API of commands and the forms.

    Example: BOOKING_COMMAND_WEB_PORT=8001 booking-command web
    """
    process = load(WebProcess)
    serve("booking_command.app:create_app()", process, process.port)


@main.command()
def relay() -> None:
    """Publish stored events on Kafka; of several relays one is active and the others stand by.

    Example: BOOKING_COMMAND_RELAY_PORT=8002 booking-command relay
    """
    settings = load(RelaySettings)
    logs.configure("booking-command-relay")
    stop = stop_on_signals()
    answer_health(settings.listen_host, settings.port, lambda: not stop.is_set())
    try:
        run(settings, stop)
    except ENDS as error:
        log.warning("relay ended", reason=type(error).__name__, detail=str(error))
        sys.exit(1)


@main.command()
def migrate() -> None:
    """Bring the event store's schema up to date; doing it again changes nothing.

    Example: booking-command migrate
    """
    with psycopg.connect(load(OwnerSettings).database_url) as connection:
        for name in apply(connection, [files("booking_command") / "sql"]):
            click.echo(f"applied {name}")


@main.group()
def team() -> None:
    """Who may log in.

    Example: booking-command team list
    """


@team.command("add")
@click.argument("email")
@click.option("--if-missing", is_flag=True, help="Say nothing where they are a member already.")
def add_member(email: str, if_missing: bool) -> None:
    """Let EMAIL log in; the password is asked for, or taken from TEAM_PASSWORD.

    Example: booking-command team add ada@example.org
    """
    accounts = _accounts()
    if if_missing and email.lower() in accounts.members():
        return
    accounts.add(_address(email), _password())
    click.echo(f"{email} may log in")


@team.command("list")
def list_members() -> None:
    """List who may log in.

    Example: booking-command team list
    """
    for email in _accounts().members():
        click.echo(email)


@team.command("remove")
@click.argument("email")
def remove_member(email: str) -> None:
    """End EMAIL's membership, sessions and API tokens.

    Example: booking-command team remove ada@example.org
    """
    _accounts().remove(email)
    click.echo(f"{email} may not log in any more")


@team.command("password")
@click.argument("email")
def change_password(email: str) -> None:
    """Give EMAIL another password and end their sessions; it is asked for, or taken from TEAM_PASSWORD.

    Example: booking-command team password ada@example.org
    """
    _accounts().set_password(email, _password())
    click.echo(f"{email} has a new password")


@main.group()
def token() -> None:
    """API tokens for programs.

    Example: booking-command token issue ada@example.org "calendar sync"
    """


@token.command("issue")
@click.argument("email")
@click.argument("name")
def issue_token(email: str, name: str) -> None:
    """Print a new API token called NAME that acts for EMAIL; it is shown this once.

    Example: booking-command token issue ada@example.org "calendar sync"
    """
    accounts = _accounts()
    token_id, secret = accounts.issue_token(accounts.by_email(email), name)
    click.echo(f"id     {token_id}\ntoken  {secret}")


@token.command("revoke")
@click.argument("email")
@click.argument("token_id", type=click.UUID)
def revoke_token(email: str, token_id: Any) -> None:
    """End the API token TOKEN_ID, in the name of EMAIL.

    Example: booking-command token revoke ada@example.org 0b9c6f0e-2f57-4b7e-9a7e-1f6a52f8d1c3
    """
    accounts = _accounts()
    accounts.revoke_token(accounts.by_email(email), token_id)
    click.echo(f"{token_id} is revoked")


def _accounts() -> Accounts:
    return Accounts(EventStore(load(StoreSettings).database_url, connections=1))


def _address(email: str) -> str:
    try:
        return validate_email(email, check_deliverability=False, test_environment=True).normalized
    except EmailNotValidError:
        raise click.BadParameter(f"{email!r} is not an e-mail address.") from None


def _password() -> str:
    given = os.environ.get("TEAM_PASSWORD") or click.prompt(
        "Password", hide_input=True, confirmation_prompt=sys.stdin.isatty()
    )
    if len(given) < PASSWORD_MIN_LENGTH:
        raise click.ClickException(f"A password has at least {PASSWORD_MIN_LENGTH} characters.")
    if len(given) > PASSWORD_MAX_LENGTH:
        raise click.ClickException(f"A password has at most {PASSWORD_MAX_LENGTH} characters.")
    return str(given)
