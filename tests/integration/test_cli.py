"""The console commands for the team and its API tokens: what they do, and what they say when they cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import psycopg
import pytest
from booking_command.accounts import Accounts
from booking_command.cli import main
from booking_command.store import EventStore
from click.testing import CliRunner
from rebook.problems import Unauthenticated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from click.testing import Result

ADA = "ada@example.org"
PASSWORD = "correct horse"
ANOTHER = "another horse"


@pytest.fixture
def store_url(event_store) -> str:
    return event_store().url


@pytest.fixture
def console(store_url) -> Callable[..., Result]:
    """Runs `booking-command` on an empty store; `password` is TEAM_PASSWORD."""

    def run(*arguments: str, password: str | None = None, typed: str | None = None) -> Result:
        environment = {"BOOKING_COMMAND_DATABASE_URL": store_url, "TEAM_PASSWORD": password}
        return CliRunner().invoke(main, arguments, env=environment, input=typed)

    return run


@pytest.fixture
def accounts(store_url) -> Iterator[Accounts]:
    store = EventStore(store_url, connections=1)
    yield Accounts(store)
    store.close()


def said(result: Result, code: int = 0) -> str:
    """What a command said, if it ended with that code and by its own will."""
    assert isinstance(result.exception, (SystemExit, type(None))), result.exception
    assert result.exit_code == code, result.output
    return result.output


def test_somebody_added_is_listed_and_may_log_in_until_they_are_removed(console, accounts):
    assert (
        said(console("team", "add", "Ada@Example.org", password=PASSWORD)) == "Ada@Example.org may log in\n"
    )
    assert said(console("team", "list")) == f"{ADA}\n"
    assert accounts.log_in(ADA, PASSWORD).email == ADA
    assert said(console("team", "remove", ADA)) == f"{ADA} may not log in any more\n"
    assert said(console("team", "list")) == ""
    with pytest.raises(Unauthenticated):
        accounts.log_in(ADA, PASSWORD)


def test_the_password_is_asked_for_where_the_environment_has_none(console, accounts):
    said(console("team", "add", ADA, typed=f"{PASSWORD}\n"))
    assert accounts.log_in(ADA, PASSWORD).email == ADA


def test_a_new_password_takes_the_old_ones_place(console, accounts):
    said(console("team", "add", ADA, password=PASSWORD))
    assert said(console("team", "password", ADA, password=ANOTHER)) == f"{ADA} has a new password\n"
    assert accounts.log_in(ADA, ANOTHER).generation == 2
    with pytest.raises(Unauthenticated):
        accounts.log_in(ADA, PASSWORD)


def test_adding_a_member_again_is_refused_and_with_if_missing_changes_nothing(console, accounts):
    said(console("team", "add", ADA, password=PASSWORD))
    assert "is a member of the team already" in said(console("team", "add", ADA, password=ANOTHER), 1)
    assert said(console("team", "add", "--if-missing", "ADA@EXAMPLE.ORG", password=ANOTHER)) == ""
    assert accounts.log_in(ADA, PASSWORD).generation == 1


def test_an_issued_token_acts_for_its_member_until_it_is_revoked(console, accounts):
    said(console("team", "add", ADA, password=PASSWORD))
    words = said(console("token", "issue", ADA, "calendar sync")).split()
    issued = dict(zip(words[::2], words[1::2], strict=True))
    assert accounts.by_token(issued["token"]).email == ADA
    assert said(console("token", "revoke", ADA, issued["id"])) == f"{issued['id']} is revoked\n"
    with pytest.raises(Unauthenticated):
        accounts.by_token(issued["token"])
    assert said(console("token", "revoke", ADA, issued["id"]), 1).startswith("Error: ")


@pytest.mark.parametrize("address", ["ada", "ada@", "@example.org", "ada@example.org\nbob@example.org", ""])
def test_what_is_no_address_is_not_added(console, address):
    assert "is not an e-mail address" in said(console("team", "add", address, password=PASSWORD), 2)
    assert said(console("team", "list")) == ""


@pytest.mark.parametrize(
    ("password", "needs"), [("seven77", "at least 8 characters"), ("a" * 1001, "at most 1000 characters")]
)
def test_a_password_that_no_login_would_take_is_refused_with_the_length_it_needs(console, password, needs):
    assert needs in said(console("team", "add", ADA, password=password), 1)
    assert said(console("team", "list")) == ""
    said(console("team", "add", ADA, password=PASSWORD))
    assert needs in said(console("team", "password", ADA, password=password), 1)


@pytest.mark.parametrize(
    "arguments",
    [
        ("team", "remove", ADA),
        ("team", "password", ADA),
        ("token", "issue", ADA, "sync"),
        ("token", "revoke", ADA, str(uuid4())),
    ],
)
def test_who_is_not_a_member_is_named(console, arguments):
    assert said(console(*arguments, password=PASSWORD), 1) == f"Error: {ADA} is not a member of the team.\n"


def test_what_is_no_token_is_told_from_an_unknown_one(console):
    said(console("team", "add", ADA, password=PASSWORD))
    assert "is not a valid UUID" in said(console("token", "revoke", ADA, "sync"), 2)
    assert said(console("token", "revoke", ADA, str(uuid4())), 1).startswith("Error: ")


@pytest.mark.parametrize(
    "arguments",
    [("team", "list"), ("team", "add", ADA), ("token", "issue", ADA, "sync"), ("relay",), ("web",)],
)
def test_a_missing_setting_is_named_before_anything_is_done(arguments):
    environment = {"BOOKING_COMMAND_DATABASE_URL": None, "TEAM_PASSWORD": PASSWORD}
    output = said(CliRunner().invoke(main, arguments, env=environment), 2)
    assert "BOOKING_COMMAND_DATABASE_URL is not set" in output


def test_a_database_that_is_away_is_told_in_a_sentence():
    environment = {"BOOKING_COMMAND_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
    output = said(CliRunner().invoke(main, ["team", "list"], env=environment), 1)
    assert output.startswith("Error: The database cannot be reached: ")


def test_a_database_that_gives_up_on_a_command_is_told_from_one_that_is_away(event_store):
    store = event_store()
    impatient = f"{store.owner_url}{'&' if '?' in store.owner_url else '?'}options=-c%20lock_timeout%3D50"
    with psycopg.connect(store.owner_url) as busy:
        busy.execute("LOCK TABLE stored_events")
        result = CliRunner().invoke(main, ["restored"], env={"BOOKING_COMMAND_OWNER_DATABASE_URL": impatient})
    assert said(result, 1).startswith(
        "Error: The database could not do this: canceling statement due to lock"
    )
