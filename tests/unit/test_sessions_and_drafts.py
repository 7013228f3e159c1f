"""What the browser keeps for us: sessions, CSRF tokens, and drafts of refused forms."""

from __future__ import annotations

import random
from dataclasses import replace
from uuid import uuid4

import pytest
from flask import Flask, Request, Response
from rebook.drafts import Draft, Drafts
from rebook.manage_links import ManageLinks
from rebook.problems import UnknownLink
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


def test_cookies_are_kept_to_https_and_our_site_and_all_but_one_from_scripts():
    response = Response()
    Sessions(KEYS, 12, secure=True).write(response, ADA)
    Drafts(KEYS, secure=True).write(response, "/login", Draft("busy", "Too much."))
    written = response.headers.getlist("Set-Cookie")
    assert all("; Secure" in cookie and "; SameSite=Lax" in cookie for cookie in written)
    assert not any("; Domain" in cookie for cookie in written)
    open_to_scripts = {cookie.split("=")[0] for cookie in written if "; HttpOnly" not in cookie}
    assert open_to_scripts == {CSRF_COOKIE}


def test_a_session_ends_after_thirty_days_however_much_it_is_used():
    sessions = Sessions(KEYS, 12, secure=False)
    for days, is_over in ((29, False), (30, True)):
        response = Response()
        sessions.write(response, replace(ADA, began_s=ADA.began_s - days * 24 * 3600))
        assert (sessions.read(sent_back(response)) is None) == is_over


def test_what_is_signed_for_one_purpose_is_good_for_no_other():
    sessions, response = Sessions(KEYS, 12, secure=False), Response()
    Drafts(KEYS, secure=False).write(response, "/", Draft("busy", "Too much."))
    links, booking = ManageLinks(KEYS, "https://book.example.org"), uuid4()
    [draft] = [value for name, value in sent_back(response).cookies.items() if value]
    signed = (draft, sessions.csrf_token(booking.hex), links.token(booking))
    for text in signed:
        response = Response()
        response.set_cookie(SESSION_COOKIE, text)
        assert sessions.read(sent_back(response)) is None
    for text in signed[:2]:
        with pytest.raises(UnknownLink):
            links.booking_id(text)
    assert not sessions.csrf_matches(replace(ADA, session_id=booking.hex), links.token(booking))


def test_a_csrf_token_belongs_to_one_session():
    sessions = Sessions(KEYS, 12, secure=False)
    token = sessions.csrf_token(ADA.session_id)
    other = Session.begin(ADA.member_id, ADA.email, 1)
    assert sessions.csrf_matches(ADA, token)
    assert not sessions.csrf_matches(other, token)


def test_a_secret_can_be_made_again_for_its_session_and_key_and_by_nobody_else():
    sessions, other = Sessions(KEYS, 12, secure=False), Session.begin(ADA.member_id, ADA.email, 1)
    secret = sessions.secret(ADA, "key")
    assert len(secret) == 43  # 256 bits, six to a letter
    assert secret == Sessions(KEYS, 12, secure=False).secret(ADA, "key")
    foreign = Sessions(("f" * 32,), 12, secure=False)
    others = {sessions.secret(ADA, "another"), sessions.secret(other, "key"), foreign.secret(ADA, "key")}
    assert len(others - {secret}) == 3
    assert secret not in sessions.csrf_token(f"{ADA.session_id} key")


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
