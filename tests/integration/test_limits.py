"""Rate limits over HTTP: who is counted, what counts, and what is never stopped."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest
from booking_command.app import create_app
from booking_command.limits import limiter
from booking_command.settings import CommandSettings
from rebook.counting import IN_MEMORY
from rebook.settings import load
from rebook_infra.ports import free_port
from servers.command_side import ADA, MEETING_TYPE, PASSWORD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Flask
    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

LOGIN = {"email": "hana@example.org", "password": PASSWORD}

addresses = (f"198.51.100.{last}" for last in count(1))
starts = (f"2030-11-{5 + n // 24:02}T{n % 24:02}:00:00Z" for n in count())


@pytest.fixture(scope="module")
def limited(event_store) -> Iterator[Flask]:
    """An application with small limits, behind one proxy, and `intro` on offer."""
    yield from serving(event_store().url, IN_MEMORY)


@pytest.fixture
def uncounted(event_store) -> Iterator[Flask]:
    """The same, where the Redis that counts is away."""
    yield from serving(event_store().url, f"redis://127.0.0.1:{free_port()}")


def serving(store: str, counted_in: str) -> Iterator[Flask]:
    environment = {
        "BOOKING_COMMAND_DATABASE_URL": store,
        "RATE_LIMIT_STORAGE": counted_in,
        "PUBLIC_URL": "http://book.example.org",
        "MANAGE_LINK_KEYS": "m" * 32,
        "SESSION_KEYS": "s" * 32,
        "REBOOK_RATE_LIMITS": "1",
        "TRUSTED_PROXIES": "1",
        "RATE_LIMIT_BOOKINGS": "3/hour",
        "RATE_LIMIT_BOOKINGS_PER_CUSTOMER": "2/day",
        "RATE_LIMIT_LOGIN": "2/hour",
        "RATE_LIMIT_UNKNOWN_LINKS": "2/hour",
    }
    app = create_app(load(CommandSettings, environment))
    accounts = app.extensions["rebook_accounts"]
    accounts.add(LOGIN["email"], PASSWORD)
    _, token = accounts.issue_token(accounts.by_email(LOGIN["email"]), "tests")
    team = {"Authorization": f"Bearer {token}"}
    added = app.test_client().put("/v1/meeting-types/intro", json=MEETING_TYPE, headers=team)
    assert added.status_code == 201
    yield app
    limiter.enabled = False  # as the run's other applications have it: one limiter serves a process


@pytest.fixture
def client(limited) -> FlaskClient:
    return limited.test_client()


@pytest.fixture
def address() -> str:
    """A client address that no other test comes from."""
    return next(addresses)


def book(client: FlaskClient, forwarded_for: str, customer: str, key: str = "", **more: str) -> TestResponse:
    body = {
        "meeting_type": "intro",
        "starts_at": next(starts),
        "customer": {**ADA, "email": customer},
        **more,
    }
    headers = {"X-Forwarded-For": forwarded_for, **({"Idempotency-Key": key} if key else {})}
    return client.post("/v1/bookings", json=body, headers=headers)


def must_be_too_many(answer: TestResponse) -> None:
    assert (answer.status_code, answer.json["code"]) == (429, "too-many-requests")
    assert int(answer.headers["Retry-After"]) > 0


def test_one_client_address_books_so_often_and_another_is_not_stopped(client, address):
    answers = [book(client, address, f"ada-{n}@example.org") for n in range(4)]
    assert [answer.status_code for answer in answers] == [201, 201, 201, 429]
    must_be_too_many(answers[3])
    assert book(client, next(addresses), "bob@example.org").status_code == 201


def test_a_forged_hop_left_of_the_proxys_changes_nothing(client, address):
    forged = (f"203.0.113.{n}, {address}" for n in count())
    answers = [book(client, next(forged), f"eve-{n}@example.org") for n in range(4)]
    assert [answer.status_code for answer in answers] == [201, 201, 201, 429]


def test_bookings_by_form_and_by_api_count_together(client, address):
    for n in range(3):
        assert book(client, address, f"fay-{n}@example.org").status_code == 201
    typed = {**ADA, "starts_at": next(starts)}
    answer = client.post("/book/intro", data=typed, headers={"X-Forwarded-For": address})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/book/intro")
    assert answer.headers["Set-Cookie"].startswith("rebook_draft_")


def test_a_limited_form_keeps_what_was_typed_for_its_page(limited, client, address):
    for n in range(3):
        assert book(client, address, f"gus-{n}@example.org").status_code == 201
    typed = {**ADA, "notes": "by the river"}
    answer = client.post("/book/intro", data=typed, headers={"X-Forwarded-For": address})
    kept = "; ".join(cookie.partition(";")[0] for cookie in answer.headers.getlist("Set-Cookie"))
    with limited.test_request_context("/book/intro", headers={"Cookie": kept}) as context:
        draft = limited.extensions["rebook_drafts"].read(context.request)
    assert (draft.code, draft.typed["notes"]) == ("too-many-requests", "by the river")


def test_logins_from_one_address_are_limited_whoever_tries(client, address):
    headers = {"X-Forwarded-For": address}
    tries = [{**LOGIN, "password": "wrong guess"}, {**LOGIN, "email": "nobody@example.org"}, LOGIN]
    answers = [client.post("/v1/session", json=body, headers=headers) for body in tries]
    assert [answer.status_code for answer in answers] == [401, 401, 429]
    must_be_too_many(answers[2])
    elsewhere = {"X-Forwarded-For": next(addresses)}
    assert client.post("/v1/session", json=LOGIN, headers=elsewhere).status_code == 204


def test_a_limited_login_form_goes_back_to_its_page(client, address):
    headers = {"X-Forwarded-For": address}
    for _ in range(2):
        assert client.post("/v1/session", json=LOGIN, headers=headers).status_code == 204
    answer = client.post("/login", data=LOGIN, headers=headers)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login")
    assert answer.headers["Set-Cookie"].startswith("rebook_draft_")


def test_a_session_that_a_new_password_ended_lets_nobody_guess_it_for_longer(limited, client, address):
    accounts = limited.extensions["rebook_accounts"]
    accounts.add("ivy@example.org", PASSWORD)
    headers = {"X-Forwarded-For": address}
    login = {"email": "ivy@example.org", "password": PASSWORD}
    assert client.post("/v1/session", json=login, headers=headers).status_code == 204
    typed = {"action": "password", "csrf_token": client.get_cookie("rebook_csrf").value}
    accounts.set_password("ivy@example.org", "another horse")
    for new in ("a guess!", "another horse"):  # which is right, and too late
        answer = client.post("/scheduling/account", data={**typed, "new_password": new}, headers=headers)
        assert answer.headers["Location"] == "/scheduling/account"


def test_only_bookings_that_were_made_count_against_their_customer(client):
    customer = "ida@example.org"
    taken = {"starts_at": "2030-12-24T09:00:00Z"}
    assert book(client, next(addresses), customer, **taken).status_code == 201
    refused = [book(client, next(addresses), customer, **taken) for _ in range(3)]
    assert {answer.status_code for answer in refused} == {409}
    assert book(client, next(addresses), customer.upper()).status_code == 201
    must_be_too_many(book(client, next(addresses), customer))


def test_a_repeated_request_is_no_second_booking_of_its_customer(client):
    customer = "joy@example.org"
    again = {"key": "joy-1", "starts_at": "2030-12-25T09:00:00Z"}
    answers = [book(client, next(addresses), customer, **again) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {201}
    assert book(client, next(addresses), customer).status_code == 201
    must_be_too_many(book(client, next(addresses), customer))
    assert book(client, next(addresses), customer, **again).status_code == 201


def test_guessed_links_are_limited_and_a_valid_one_is_not(client, address):
    headers = {"X-Forwarded-For": address}
    valid = book(client, next(addresses), "kim@example.org").json["manage_url"].rsplit("/", 1)[-1]
    guesses = [client.post(f"/v1/manage/{valid[:-n]}/cancel", headers=headers) for n in (1, 2, 3)]
    assert [answer.status_code for answer in guesses] == [404, 404, 429]
    must_be_too_many(guesses[2])
    assert client.post(f"/v1/manage/{valid}/cancel", headers=headers).status_code == 200


def test_nobody_is_refused_while_the_redis_that_counts_is_away(uncounted, address):
    client, headers = uncounted.test_client(), {"X-Forwarded-For": address}
    answers = [book(client, address, "lou@example.org") for _ in range(5)]
    assert {answer.status_code for answer in answers} == {201}
    logins = [client.post("/v1/session", json=LOGIN, headers=headers) for _ in range(3)]
    assert {answer.status_code for answer in logins} == {204}
    guesses = [client.post(f"/v1/manage/no-link-{n}/cancel", headers=headers) for n in range(3)]
    assert {answer.status_code for answer in guesses} == {404}
