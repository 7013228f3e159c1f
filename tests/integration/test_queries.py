"""The queries over HTTP, on a real PostgreSQL that holds what the projection makes of events."""

from __future__ import annotations

import threading
import time
from typing import Any
from uuid import UUID

import pytest
from booking_query.bookings_list import Search
from booking_query.projector import Counts
from booking_query.waiting import PATIENCE_S
from rebook import events
from rebook.moments import parse_moment
from rebook.sessions import SESSION_COOKIE, Session, Sessions
from servers.query_side import DEFINITION, HOST, KEYS, MEMBER, NOW, TYPE, Site, booking_id, event
from servers.waiting import until


@pytest.fixture
def some(site: Site) -> Site:
    """Two upcoming (one has begun), two past, one cancelled."""
    site.confirm("running", "2030-11-04T11:45:00Z")
    site.confirm("soon", "2030-11-04T13:00:00Z")
    site.confirm("yesterday", "2030-11-03T10:00:00Z")
    site.confirm("before", "2030-10-01T10:00:00Z", host={"name": "Bob", "email": "Bob@example.org"})
    site.confirm("never", "2030-11-05T08:00:00Z")
    site.cancel("never", reason="Ill.")
    return site


def test_each_filter_shows_its_bookings_in_its_order(some):
    assert some.names(filter="upcoming") == ["Running", "Soon"]
    assert some.names(filter="past") == ["Yesterday", "Before"]
    assert some.names(filter="cancelled") == ["Never"]
    assert some.names() == ["Never", "Soon", "Running", "Yesterday", "Before"]


def test_every_part_of_a_name_and_an_address_finds_its_booking(site):
    """Even though the index is asked for a few of the letters only."""
    name, email = r"Jo van der O'Brien-Ångström_99% \\o  Marie Li", "Jo.obrien+x@Mail.Example.com"
    site.confirm("jo", "2030-11-05T10:00:00Z", customer={"name": name, "email": email, "timezone": "UTC"})
    site.confirm("other", "2030-11-05T11:00:00Z")
    reading = site.app.extensions["rebook_queries"]
    parts = {
        text[first:last].upper()
        for text in (name, email)
        for first in range(len(text))
        for last in range(first + 1, len(text) + 1)
    }
    expected = booking_id("jo")
    missed = [
        part
        for part in sorted(parts)
        if expected not in [found.booking_id for found in reading.bookings(Search(q=part)).items]
    ]
    assert not missed


def test_terms_narrow_the_list(some):
    assert some.names(q="RUNNING@") == ["Running"]
    assert some.names(q="e_e") == []
    assert some.names(q="soon@Example.com") == ["Soon"]
    assert some.names(q="soon@example.org") == []
    assert some.names(q="@example.com") == some.names()
    assert some.names(host="bob@EXAMPLE.org") == ["Before"]
    assert some.names(meeting_type="other") == []
    assert some.names(**{"from": "2030-11-03", "to": "2030-11-03"}) == ["Yesterday"]
    assert some.names(**{"from": "2030-11-04T12:45:00+01:00", "to": "2030-11-04T13:00:00Z"}) == ["Running"]
    assert some.names(filter="", q="", cursor="", limit="") == some.names()


def test_counts_are_exact_folded_or_not(some):
    some.confirm("old", "2028-10-01T10:00:00Z")  # on a day that is folded into one with all before it
    expected = {"upcoming": 2, "past": 3, "cancelled": 1}
    assert some.get("/bookings/counts") == expected
    fold = Counts(some.url, lambda: NOW).fold
    fold()
    assert some.get("/bookings/counts") == expected
    some.cancel("soon")
    some.cancel("old")
    some.confirm("long", "2030-11-04T00:00:00Z", minutes=719)
    expected = {"upcoming": 1, "past": 3, "cancelled": 3}
    assert some.get("/bookings/counts") == expected
    fold()
    assert some.get("/bookings/counts") == expected


def test_nothing_is_counted_where_there_is_nothing(site):
    assert site.get("/bookings/counts") == {"upcoming": 0, "past": 0, "cancelled": 0}


def test_pages_neither_skip_nor_repeat_while_the_list_changes(site):
    for number in range(10):
        site.confirm(f"c{number}", f"2030-11-{number + 10}T10:00:00Z")
    first = site.get("/bookings", filter="upcoming", limit=4)
    site.confirm("early", "2030-11-09T10:00:00Z")
    site.cancel("c1")
    site.cancel("c3")
    site.move("c9", "2030-11-08T10:00:00Z")
    site.confirm("late", "2030-11-30T10:00:00Z")
    seen = [item["customer"]["name"] for item in first["items"]]
    cursor = first["next_cursor"]
    while cursor:
        page = site.get("/bookings", filter="upcoming", limit=4, cursor=cursor)
        seen += [item["customer"]["name"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert seen == ["C0", "C1", "C2", "C3", "C4", "C5", "C6", "C7", "C8", "Late"]


def test_a_cursor_is_bound_to_its_filter_and_every_bad_parameter_is_named(some):
    cursor = some.get("/bookings", filter="past", limit=1)["next_cursor"]
    for query, named in (
        ({"filter": "upcoming", "cursor": cursor}, "cursor"),
        ({"filter": "past", "q": "x", "cursor": cursor}, "cursor"),
        ({"cursor": "AAAA"}, "cursor"),
        ({"cursor": "\u00e4"}, "cursor"),
        ({"filter": "all"}, "filter"),
        ({"limit": "101"}, "limit"),
        ({"from": "2030-11-31"}, "from"),
        ({"from": "2030-W45-2"}, "from"),
        ({"to": "tomorrow"}, "to"),
        ({"host": "nobody"}, "host"),
        ({"q": "a\0b"}, "q"),
        ({"page": "2"}, "page"),
    ):
        answer = some.team.get("/v1/bookings", query_string=query)
        assert (answer.status_code, answer.json["code"]) == (422, "malformed-query"), query
        assert list(answer.json["errors"]) == [named]


def test_details_tell_the_whole_story_to_the_team_only(some):
    some.move("soon", "2030-11-04T15:00:00Z")
    answer = some.team.get(f"/v1/bookings/{booking_id('soon')}")
    assert answer.headers["ETag"] == '"2"'
    found = answer.json
    assert found["host"] == HOST
    assert (found["status"], found["reschedules"], found["starts_at"]) == (
        "rescheduled",
        1,
        "2030-11-04T15:00:00Z",
    )
    assert [entry["type"] for entry in found["history"]] == ["confirmed", "rescheduled"]
    assert found["history"][1]["to"] == "2030-11-04T15:00:00Z"
    assert "cancelled_at" not in found
    cancelled = some.get(f"/bookings/{booking_id('never')}")
    assert (cancelled["cancel_reason"], cancelled["cancelled_at"]) == ("Ill.", "2030-11-01T10:00:02Z")
    assert some.anybody.get(f"/v1/bookings/{booking_id('soon')}").status_code == 401
    for unknown in (booking_id("nobody"), "not-an-id"):
        assert some.team.get(f"/v1/bookings/{unknown}").json["code"] == "unknown-booking"


def test_a_read_waits_for_the_version_it_was_told_of(some):
    mover = threading.Timer(0.3, some.move, ("soon", "2030-11-04T15:00:00Z"))
    mover.start()
    assert some.get(f"/bookings/{booking_id('soon')}", min_version=2)["version"] == 2
    mover.join()
    began = time.monotonic()
    answer = some.team.get(f"/v1/bookings/{booking_id('soon')}?min_version=3")
    assert (answer.status_code, answer.json["code"], answer.headers["Retry-After"]) == (503, "not-yet", "1")
    assert 1.9 < time.monotonic() - began < 3
    assert some.team.get(f"/v1/bookings/{booking_id('nobody')}?min_version=1").status_code == 503


def test_beyond_the_cap_nobody_waits(some):
    path = f"/v1/bookings/{booking_id('soon')}?min_version=9"
    took_s: list[float] = []

    def ask() -> None:
        began_s = time.monotonic()
        assert some.team.get(path).status_code == 503
        took_s.append(time.monotonic() - began_s)

    asking = [threading.Thread(target=ask) for _ in range(5)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    waited = [seconds for seconds in took_s if seconds >= PATIENCE_S]
    assert (len(took_s), len(waited)) == (5, 2)


def slots(answer: Any) -> dict[str, list[str]]:
    return {day["date"]: [slot["starts_at"][11:16] for slot in day["slots"]] for day in answer["days"]}


def test_slots_leave_out_what_is_held_with_its_buffers(site):
    site.confirm("taken", "2030-11-05T08:30:00Z")
    site.confirm("gone", "2030-11-05T10:00:00Z")
    site.cancel("gone")
    answer = site.anybody.get("/v1/meeting-types/intro-call/slots?from=2030-11-04&to=2030-11-05").json
    assert answer["timezone"] == "Europe/Berlin"
    assert slots(answer) == {"2030-11-05": ["09:30", "10:00", "10:30"]}
    elsewhere = site.anybody.get(
        "/v1/meeting-types/intro-call/slots?from=2030-11-05&to=2030-11-05&timezone=Pacific/Kiritimati"
    ).json
    assert elsewhere == {
        "timezone": "Pacific/Kiritimati",
        "days": [
            {
                "date": "2030-11-05",
                "slots": [{"starts_at": "2030-11-05T09:30:00Z", "ends_at": "2030-11-05T10:00:00Z"}],
            }
        ],
    }


def test_a_booking_may_move_around_its_own_hold_but_not_past_its_cutoff(site):
    site.confirm("mover", "2030-11-05T08:30:00Z")
    token = site.links.token(UUID(booking_id("mover")))
    query = "slots?from=2030-11-05&to=2030-11-05"
    everything = {"2030-11-05": ["08:00", "08:30", "09:00", "09:30", "10:00", "10:30"]}
    customers = site.anybody.get(f"/v1/manage/{token}/{query}").json
    assert (customers["timezone"], slots(customers)) == (
        "America/New_York",
        {"2030-11-05": everything["2030-11-05"]},
    )
    assert slots(site.team.get(f"/v1/bookings/{booking_id('mover')}/{query}").json) == everything
    site.define(2, weekly_hours={"tue": [["15:00", "15:30"]]})
    assert slots(site.anybody.get(f"/v1/manage/{token}/{query}").json) == {"2030-11-05": ["08:30", "14:00"]}
    site.app.extensions["rebook_queries"].now = lambda: parse_moment("2030-11-05T07:30:01Z")
    assert slots(site.anybody.get(f"/v1/manage/{token}/{query}").json) == {}
    assert slots(site.team.get(f"/v1/bookings/{booking_id('mover')}/{query}").json) == {
        "2030-11-05": ["08:30", "14:00"]
    }


def test_a_booking_that_comes_before_its_type_is_told_to_wait(site):
    early = site.confirm("early", "2030-11-05T09:00:00Z", meeting_type="later")
    path = f"/v1/bookings/{early}/slots?from=2030-11-05&to=2030-11-05"
    answer = site.team.get(path)
    assert (answer.status_code, answer.json["code"]) == (503, "not-yet")
    site.take(event(events.MEETING_TYPE_DEFINED, booking_id("later"), 1, DEFINITION | {"slug": "later"}))
    assert site.team.get(path).status_code == 200


def test_slots_ask_for_two_days_in_order_and_not_too_far_apart(site):
    for query, named in (
        ("", ["from", "to"]),
        ("from=2030-11-05&to=2030-11-04", ["to"]),
        ("from=2030-11-01&to=2031-01-02", ["to"]),
        ("from=2030-11-01&to=2030-11-02&timezone=Mars", ["timezone"]),
        ("from=2030-W45-2&to=2030-11-05", ["from"]),
    ):
        answer = site.anybody.get(f"/v1/meeting-types/intro-call/slots?{query}")
        assert (answer.status_code, sorted(answer.json["errors"])) == (422, named)
    for year in ("0001-01-01", "9999-12-31"):
        answer = site.anybody.get(f"/v1/meeting-types/intro-call/slots?from={year}&to={year}")
        assert answer.json["days"] == []


def test_a_manage_link_opens_its_booking_and_nothing_else(some):
    token = some.links.token(UUID(booking_id("soon")))
    answer = some.anybody.get(f"/v1/manage/{token}")
    found = answer.json
    assert (found["can_reschedule"], found["can_cancel"], found["host"]) == (True, True, {"name": "Ada"})
    assert "history" not in found
    assert answer.headers["Cache-Control"] == "no-store"
    over = some.anybody.get(f"/v1/manage/{some.links.token(UUID(booking_id('yesterday')))}").json
    assert (over["can_reschedule"], over["can_cancel"]) == (False, False)
    unseen = some.anybody.get(f"/v1/manage/{some.links.token(UUID(booking_id('unseen')))}")
    assert (unseen.status_code, unseen.json["code"]) == (503, "not-yet")
    for _ in range(3):
        assert some.anybody.get(f"/v1/manage/{token[:-1]}").json["code"] == "unknown-link"
    refused = some.anybody.get(f"/v1/manage/{token}x?nonsense=1")
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "60")
    assert some.anybody.get(f"/v1/manage/{token}").status_code == 200


def test_addresses_of_a_meeting_type_are_for_the_team(site):
    (public,) = site.anybody.get("/v1/meeting-types").json["items"]
    assert (public["host"], public["horizon_days"], public["version"]) == ({"name": "Ada"}, 60, 1)
    assert "notify" not in public
    answer = site.team.get("/v1/meeting-types/intro-call")
    assert (answer.json["notify"], answer.json["host"], answer.headers["ETag"]) == (
        ["office@example.org"],
        HOST,
        '"1"',
    )
    site.take(event(events.MEETING_TYPE_DELETED, TYPE, 2, {"slug": "intro-call"}))
    for path in (
        "intro-call",
        "intro-call?min_version=2",
        "intro-call/slots?from=2030-11-05&to=2030-11-05",
        "x%00",
    ):
        assert site.anybody.get(f"/v1/meeting-types/{path}").json["code"] == "unknown-meeting-type"


def test_a_session_reads_until_it_is_ended(site):
    sessions = Sessions(KEYS, 12, secure=False)
    session = Session.begin(MEMBER, "ada@example.org", 1)
    newer = Session.begin(MEMBER, "ada@example.org", 2)

    def status(of: Session) -> int:
        with site.app.app_context():
            response = site.app.response_class()
            sessions.write(response, of)
        client = site.app.test_client()
        client.set_cookie(
            SESSION_COOKIE, response.headers.getlist("Set-Cookie")[0].split("=", 1)[1].split(";")[0]
        )
        return client.get("/v1/bookings").status_code

    assert (status(session), status(newer)) == (200, 200)
    site.take(event(events.TEAM_PASSWORD_CHANGED, MEMBER, 2, {"generation": 2}))
    assert (status(session), status(newer)) == (401, 200)
    site.take(event(events.TEAM_SESSION_ENDED, MEMBER, 3, {"session_id": newer.session_id}))
    assert status(newer) == 401


def test_an_api_token_is_listed_and_ends_within_two_seconds(site):
    (token,) = site.get("/api-tokens")["items"]
    assert token == {
        "id": booking_id("token"),
        "name": "sync",
        "created_at": "2030-11-01T10:00:01Z",
        "created_by": "ada@example.org",
    }
    site.take(event(events.API_TOKEN_REVOKED, booking_id("token"), 2, {"actor": "ada@example.org"}))
    until(lambda: site.team.get("/v1/api-tokens").status_code == 401, 3, "the token's end")
    answer = site.team.get("/v1/api-tokens")
    assert answer.json["code"] == "unauthenticated"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_the_description_names_every_query_and_refusal(site):
    described = site.anybody.get("/v1/openapi.json").json
    assert described["openapi"].startswith("3.1")
    assert set(described["paths"]) == {
        "/v1/bookings",
        "/v1/bookings/counts",
        "/v1/bookings/{booking_id}",
        "/v1/bookings/{booking_id}/slots",
        "/v1/meeting-types",
        "/v1/meeting-types/{slug}",
        "/v1/meeting-types/{slug}/slots",
        "/v1/api-tokens",
        "/v1/manage/{token}",
        "/v1/manage/{token}/slots",
    }
    responses = described["paths"]["/v1/bookings/{booking_id}/slots"]["get"]["responses"]
    assert {"200", "401", "404", "422", "503"} <= set(responses)
