"""What the browser keeps for us: sessions, CSRF tokens, and drafts of refused forms."""

from __future__ import annotations

import random

import pytest
from flask import Flask, Request, Response
from rebook.drafts import Draft, Drafts
from rebook.sessions import CSRF_COOKIE, SESSION_COOKIE, Session, Sessions
from werkzeug.http import parse_cookie
from werkzeug.test import EnvironBuilder

KEYS = ("k" * 32,)
COOKIE_MAX_BYTES = 4_096  # a browser drops a longer one without a word
ADA = Session.begin("7f2c6f0a-51c6-4a1e-9a53-000000000002", "ada@example.org", 1)


@pytest.fixture(autouse=True)
def _app():
    with Flask("test").app_context():
        yield


def sent_back(response: Response, path: str = "/") -> Request:
    """The request that a browser would make next."""
    cookies = [header.split(";")[0] for header in response.headers.getlist("Set-Cookie")]
    return Request(EnvironBuilder(path, headers={"Cookie": "; ".join(cookies)}).get_environ())


def test_a_session_is_read_back_by_whoever_has_the_key_and_by_nobody_else():
    response = Response()
    Sessions(KEYS, 12, secure=False).write(response, ADA)
    assert Sessions(("n" * 32, *KEYS), 12, secure=False).read(sent_back(response)) == ADA
    assert Sessions(("x" * 32,), 12, secure=False).read(sent_back(response)) is None


def test_the_session_cookie_is_out_of_a_scripts_reach():
    response = Response()
    Sessions(KEYS, 12, secure=True).write(response, ADA)
    by_name = {header.split("=")[0]: header for header in response.headers.getlist("Set-Cookie")}
    assert all(word in by_name[SESSION_COOKIE] for word in ("HttpOnly", "Secure", "SameSite=Lax"))
    assert "HttpOnly" not in by_name[CSRF_COOKIE]


def test_a_csrf_token_belongs_to_one_session():
    sessions = Sessions(KEYS, 12, secure=False)
    token = sessions.csrf_token(ADA.session_id)
    other = Session.begin(ADA.member_id, ADA.email, 1)
    assert sessions.csrf_matches(ADA, token)
    assert not sessions.csrf_matches(other, token)


def test_the_longest_notes_in_any_script_come_back_in_cookies_that_browsers_keep():
    letters = random.Random(7)
    notes = "".join(chr(letters.randrange(0x4E00, 0x9FA5)) for _ in range(1000))
    draft = Draft("slot-taken", "Somebody else took it.", {}, {"notes": notes, "name": "n" * 200})
    response = Response()
    Drafts(KEYS, secure=False).write(response, "/book/intro", draft)
    for header in response.headers.getlist("Set-Cookie"):
        [(name, value)] = parse_cookie(header.split(";")[0]).items()
        assert len(name) + len(value) < COOKIE_MAX_BYTES
        assert "Path=/book/intro" in header
    assert Drafts(KEYS, secure=False).read(sent_back(response, "/book/intro")) == draft


def test_a_draft_is_not_shown_on_a_page_below_its_own():
    response = Response()
    Drafts(KEYS, secure=False).write(response, "/scheduling/bookings/1", Draft("busy", "Too much."))
    assert Drafts(KEYS, secure=False).read(sent_back(response, "/scheduling/bookings/1/cancel")) is None


def test_forgetting_a_draft_spares_what_the_same_answer_brings():
    response = Response()
    issued = Draft("token-issued", "", typed={"token": "shown once"})
    drafts = Drafts(KEYS, secure=False)
    drafts.write(response, "/scheduling/account", issued)
    drafts.clear(response, "/scheduling/account")
    assert drafts.read(sent_back(response, "/scheduling/account")) == issued
