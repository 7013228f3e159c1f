"""Who may act for the team, and when that ends: sessions, API tokens, and keys that follow one another."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

import psycopg
import pytest
from argon2 import PasswordHasher, Type, extract_parameters
from booking_command.accounts import Accounts
from booking_command.app import create_app
from booking_command.settings import CommandSettings
from booking_command.store import EventStore
from rebook.settings import load
from servers.command_side import ADA, MEETING_TYPE, PASSWORD
from werkzeug.test import EnvironBuilder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Flask
    from flask.testing import FlaskClient

ANOTHER = "another horse"
OLD_KEYS = {"MANAGE_LINK_KEYS": "m" * 32, "SESSION_KEYS": "s" * 32}
ROTATED = {"manage_link_keys": ("n" * 32, "m" * 32), "session_keys": ("t" * 32, "s" * 32)}
FOREIGN = {"manage_link_keys": ("f" * 32,), "session_keys": ("g" * 32,)}

names = iter(f"member-{n}@example.org" for n in range(1, 1000))


@pytest.fixture(scope="module")
def settings(event_store) -> CommandSettings:
    fresh = event_store()
    environment = {
        "BOOKING_COMMAND_DATABASE_URL": fresh.url,
        "PUBLIC_URL": "http://book.example.org",
        "REBOOK_RATE_LIMITS": "0",
        **OLD_KEYS,
    }
    return load(CommandSettings, environment)


@pytest.fixture(scope="module")
def app(settings) -> Flask:
    return create_app(settings)


@pytest.fixture(scope="module")
def operator(settings) -> Iterator[Accounts]:
    """The accounts as the console's commands have them: in another process, with a store of its own."""
    store = EventStore(settings.database_url, connections=1)
    yield Accounts(store)
    store.close()


@pytest.fixture
def member(operator) -> str:
    """Somebody new on the team."""
    email = next(names)
    operator.add(email, PASSWORD)
    return email


def logged_in(app: Flask, email: str, password: str = PASSWORD) -> FlaskClient:
    client = app.test_client()
    answer = client.post("/v1/session", json={"email": email, "password": password})
    assert answer.status_code == 204
    return client


def csrf(client: FlaskClient) -> str:
    return client.get_cookie("rebook_csrf").value


def may_act(client: FlaskClient) -> bool:
    """Whether a write with the client's session gets as far as the rules."""
    answer = client.post("/v1/bookings/unknown/cancel", headers={"X-CSRF-Token": csrf(client)})
    assert answer.json["code"] in {"unknown-booking", "unauthenticated"}
    return answer.status_code == 404


def token_works(app: Flask, token: str) -> bool:
    headers = {"Authorization": f"Bearer {token}"}
    answer = app.test_client().post("/v1/bookings/unknown/cancel", headers=headers)
    assert answer.json["code"] in {"unknown-booking", "unauthenticated"}
    return answer.status_code == 404


def test_a_changed_password_ends_every_session_but_the_one_that_changed_it(app, member):
    here, elsewhere = (logged_in(app, member) for _ in range(2))
    typed = {"action": "password", "current_password": PASSWORD, "new_password": ANOTHER}
    answer = here.post("/scheduling/account", data={**typed, "csrf_token": csrf(here)})
    assert answer.headers["Location"] == "/scheduling/account?done=password-changed"
    assert may_act(here)
    assert not may_act(elsewhere)
    assert may_act(logged_in(app, member, ANOTHER))


def test_a_wrong_current_password_changes_and_ends_nothing(app, member):
    here, elsewhere = (logged_in(app, member) for _ in range(2))
    typed = {"action": "password", "current_password": "a guess!", "new_password": ANOTHER}
    answer = here.post("/scheduling/account", data={**typed, "csrf_token": csrf(here)})
    assert answer.headers["Location"] == "/scheduling/account"
    assert may_act(here)
    assert may_act(elsewhere)
    assert may_act(logged_in(app, member))


def test_a_password_that_an_operator_sets_ends_every_session(app, operator, member):
    client = logged_in(app, member)
    operator.set_password(member, ANOTHER)
    assert not may_act(client)
    login = {"email": member, "password": PASSWORD}
    assert app.test_client().post("/v1/session", json=login).status_code == 401
    assert may_act(logged_in(app, member, ANOTHER))


def test_logging_out_ends_that_session_alone(app, member):
    here, elsewhere = (logged_in(app, member) for _ in range(2))
    session, repeated = here.get_cookie("rebook_session").value, csrf(here)
    assert here.post("/logout", data={"csrf_token": repeated}).headers["Location"] == "/login"
    here.set_cookie("rebook_session", session)
    here.set_cookie("rebook_csrf", repeated)
    assert not may_act(here)
    assert may_act(elsewhere)


def test_a_login_ends_the_session_that_the_browser_had(app, member):
    browser = logged_in(app, member)
    earlier = {name: browser.get_cookie(name).value for name in ("rebook_session", "rebook_csrf")}
    login = {"email": member, "password": PASSWORD}
    assert browser.post("/v1/session", json=login).status_code == 204
    assert may_act(browser)
    for name, value in earlier.items():
        browser.set_cookie(name, value)
    assert not may_act(browser)
    assert browser.post("/v1/session", json=login).status_code == 204  # over one that has ended


def test_a_removed_members_sessions_and_tokens_have_ended_for_good(app, operator, member):
    client = logged_in(app, member)
    _, token = operator.issue_token(operator.by_email(member), "sync")
    assert may_act(client)
    assert token_works(app, token)
    operator.remove(member)
    assert not may_act(client)
    assert not token_works(app, token)
    operator.add(member, PASSWORD)
    assert not may_act(client)
    assert not token_works(app, token)
    assert may_act(logged_in(app, member))


def test_a_revoked_token_stops_and_the_others_go_on(app, operator, member):
    client = logged_in(app, member)
    first_id, first = operator.issue_token(operator.by_email(member), "first")
    _, second = operator.issue_token(operator.by_email(member), "second")
    path, repeated = f"/v1/api-tokens/{first_id}", {"X-CSRF-Token": csrf(client)}
    assert client.delete(path, headers=repeated).status_code == 204
    assert not token_works(app, first)
    assert token_works(app, second)
    assert client.delete(path, headers=repeated).json["code"] == "unknown-api-token"


def test_a_token_outlives_its_members_password(app, operator, member):
    _, token = operator.issue_token(operator.by_email(member), "sync")
    operator.set_password(member, ANOTHER)
    assert token_works(app, token)


def test_the_database_holds_no_password_and_no_token(settings, operator, member):
    _, token = operator.issue_token(operator.by_email(member), "sync")
    tables = (
        "encode(state, 'escape') FROM stored_events",
        "t::text FROM credentials t",
        "t::text FROM api_tokens t",
    )
    with psycopg.connect(settings.database_url) as connection:
        text = " ".join(row for table in tables for (row,) in connection.execute(f"SELECT {table}"))
    assert member in text
    assert PASSWORD not in text
    assert token not in text


def clicked_twice(client: FlaskClient, path: str, **typed: str) -> list[str]:
    """Where two clicks on the same rendered form lead: both leave with the cookies that it was rendered with."""
    names = ("rebook_session", "rebook_csrf")
    cookies = {name: client.get_cookie(name).value for name in names}
    typed |= {"csrf_token": cookies["rebook_csrf"], "idempotency_key": "one form"}
    led = []
    for _ in range(2):
        for name, value in cookies.items():
            client.set_cookie(name, value)
        led.append(client.post(path, data=typed).headers["Location"])
    return led


def shown_token(app: Flask, client: FlaskClient) -> dict[str, str]:
    """What the account page is given to show once."""
    path = "/scheduling/account"
    request = EnvironBuilder(path=path, headers={"Cookie": cookies_of(client, path)}).get_request()
    return app.extensions["rebook_drafts"].read(request).typed


def cookies_of(client: FlaskClient, path: str) -> str:
    kept = [cookie for cookie in client._cookies.values() if cookie.path in {"/", path}]
    return "; ".join(f"{cookie.key}={cookie.value}" for cookie in kept)


def test_two_clicks_on_a_new_token_make_one_that_is_shown_and_works(app, settings, member):
    client = logged_in(app, member)
    first, second = clicked_twice(client, "/scheduling/account", action="issue-token", name="CRM")
    assert first == second
    assert token_works(app, shown_token(app, client)["token"])
    with psycopg.connect(settings.database_url) as connection:
        query = "SELECT count(*) FROM api_tokens JOIN credentials USING (member_id) WHERE email = %s"
        assert connection.execute(query, (member,)).fetchone() == (1,)


def test_one_form_makes_one_token_under_one_name_and_none_once_that_is_revoked(app, operator, member):
    client = logged_in(app, member)
    typed = {"action": "issue-token", "csrf_token": csrf(client), "idempotency_key": "one form"}
    issued = client.post("/scheduling/account", data={**typed, "name": "CRM"})
    token_id = shown_token(app, client)["id"]
    assert issued.headers["Location"].endswith(token_id)
    again = client.post("/scheduling/account", data={**typed, "name": "another"})
    assert again.headers["Location"] == "/scheduling/account"
    operator.revoke_token(operator.by_email(member), UUID(token_id))
    again = client.post("/scheduling/account", data={**typed, "name": "CRM"})
    assert again.headers["Location"] == "/scheduling/account"


def test_the_same_form_in_another_session_makes_another_token(app, member):
    tokens = set()
    for client in (logged_in(app, member), logged_in(app, member)):
        clicked_twice(client, "/scheduling/account", action="issue-token", name="CRM")
        tokens.add(shown_token(app, client)["token"])
    assert len(tokens) == 2
    assert all(token_works(app, token) for token in tokens)


def test_simultaneous_clicks_on_a_new_token_make_the_same_one(settings, member):
    store = EventStore(settings.database_url, connections=8)
    accounts = Accounts(store)
    with ThreadPoolExecutor(8) as clicks:
        issue = [
            clicks.submit(accounts.issue_token, accounts.by_email(member), "CRM", "s" * 43) for _ in range(8)
        ]
    store.close()
    assert len({one.result() for one in issue}) == 1


def test_two_clicks_on_revoke_end_the_token_once(app, operator, member):
    client = logged_in(app, member)
    token_id, token = operator.issue_token(operator.by_email(member), "sync")
    first, second = clicked_twice(client, "/scheduling/account", action="revoke-token", id=str(token_id))
    assert first == second == f"/scheduling/account?done=token-revoked&token={token_id}"
    assert not token_works(app, token)


def test_two_clicks_on_a_new_password_change_it_once_and_stay_logged_in(app, operator, member):
    here, elsewhere = (logged_in(app, member) for _ in range(2))
    typed = {"action": "password", "current_password": PASSWORD, "new_password": ANOTHER}
    first, second = clicked_twice(here, "/scheduling/account", **typed)
    assert first == second == "/scheduling/account?done=password-changed"
    assert may_act(here)
    assert not may_act(elsewhere)
    assert operator.log_in(member, ANOTHER).generation == 2


def test_simultaneous_clicks_on_a_new_password_change_it_once(app, operator, member):
    here = logged_in(app, member)
    typed = {"action": "password", "current_password": PASSWORD, "new_password": ANOTHER}

    def click() -> FlaskClient:
        browser = app.test_client()
        for name in ("rebook_session", "rebook_csrf"):
            browser.set_cookie(name, here.get_cookie(name).value)
        answer = browser.post("/scheduling/account", data={**typed, "csrf_token": csrf(here)})
        assert answer.headers["Location"] == "/scheduling/account?done=password-changed"
        return browser

    with ThreadPoolExecutor(4) as clicks:
        browsers = [clicks.submit(click) for _ in range(4)]
    assert all(may_act(browser.result()) for browser in browsers)
    assert operator.log_in(member, ANOTHER).generation == 2


def test_an_ended_session_goes_on_for_nobody_who_does_not_know_the_new_password(app, member):
    here, elsewhere = (logged_in(app, member) for _ in range(2))
    typed = {"action": "password", "current_password": PASSWORD, "new_password": ANOTHER}
    here.post("/scheduling/account", data={**typed, "csrf_token": csrf(here)})
    for guess, token in (("a guess!", csrf(elsewhere)), (ANOTHER, "forged")):
        typed |= {"new_password": guess, "csrf_token": token}
        assert elsewhere.post("/scheduling/account", data=typed).headers["Location"] == "/scheduling/account"
        assert not may_act(elsewhere)


def test_two_clicks_on_saving_or_deleting_a_meeting_type_are_one(app, member):
    client = logged_in(app, member)
    path = "/scheduling/meeting-types"
    typed = {"slug": "twice", "title": "Intro call", "duration_minutes": "30", "location": "Video"}
    typed |= {
        "host_name": "Hana",
        "host_email": "hana@example.org",
        "timezone": "UTC",
        "mon": "09:00-17:00",
    }
    first, second = clicked_twice(client, path, **typed)
    assert first == second == f"{path}?min_version=1&slug=twice&done=added"
    changed = {**typed, "title": "Long call", "version": "1"}
    first, second = clicked_twice(client, f"{path}/twice", **changed)
    assert first == second == f"{path}?min_version=2&slug=twice&done=saved"
    first, second = clicked_twice(client, f"{path}/twice", **typed, version="1")
    assert first == second == f"{path}/twice"
    first, second = clicked_twice(client, f"{path}/twice/delete", version="2")
    assert first == second == f"{path}?min_version=3&slug=twice&done=deleted"


def test_a_password_costs_who_guesses_it_what_owasp_asks_for_and_so_does_a_wrong_address(
    settings, operator, member
):
    query = "SELECT password_hash FROM credentials WHERE email = %s"
    with psycopg.connect(settings.database_url) as connection:
        [(kept,)] = connection.execute(query, (member,))
    of_members, of_nobody = (extract_parameters(one) for one in (kept, operator._nobodys_hash))
    assert of_members.type is Type.ID
    assert of_members.memory_cost >= 19 * 1024  # KiB; with two rounds, the least of OWASP's cheat sheet
    assert of_members.time_cost >= 2
    assert of_nobody == of_members


def test_many_logins_at_once_take_the_memory_of_two(settings, member):
    store = EventStore(settings.database_url, connections=1)
    accounts, counted = Accounts(store), Counted()
    accounts._hasher = counted
    with ThreadPoolExecutor(8) as browsers:
        sessions = [browsers.submit(accounts.log_in, member, PASSWORD) for _ in range(8)]
    store.close()
    assert {session.result().email for session in sessions} == {member}
    assert 0 < counted.most <= 2


class Counted:
    """A hasher that knows how many used it at once."""

    def __init__(self) -> None:
        self.most = self._now = 0
        self._real = PasswordHasher()

    def verify(self, password_hash: str, password: str) -> bool:
        self._now += 1
        self.most = max(self.most, self._now)
        try:
            return self._real.verify(password_hash, password)
        finally:
            self._now -= 1


def test_a_session_outlives_a_new_first_key_and_a_foreign_key_makes_none(settings, app, member):
    before = logged_in(app, member)
    rotated, foreign = (create_app(replace(settings, **keys)).test_client() for keys in (ROTATED, FOREIGN))
    for after in (rotated, foreign):
        for name in ("rebook_session", "rebook_csrf"):
            after.set_cookie(name, before.get_cookie(name).value)
    assert may_act(rotated)
    assert not may_act(foreign)


def test_a_link_outlives_a_new_first_key_and_a_foreign_key_opens_nothing(settings, app, operator, member):
    client = logged_in(app, member)
    offered = client.put("/v1/meeting-types/keys", json=MEETING_TYPE, headers={"X-CSRF-Token": csrf(client)})
    assert offered.status_code == 201
    body = {"meeting_type": "keys", "starts_at": "2030-11-05T09:00:00Z", "customer": ADA}
    booking = client.post("/v1/bookings", json=body).json
    link = f"/v1/manage/{booking['manage_url'].rsplit('/', 1)[-1]}/cancel"
    rotated, foreign = (create_app(replace(settings, **keys)).test_client() for keys in (ROTATED, FOREIGN))
    assert foreign.post(link).json["code"] == "unknown-link"
    assert rotated.post(link).json["status"] == "cancelled"
