"""What the queries decide without a database."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime

import pytest
from booking_query.bookings_list import Search
from booking_query.slots import refusal_to_cancel, refusal_to_move
from rebook.moments import parse_moment
from rebook.problems import Refused

START = parse_moment("2030-11-05T14:00:00Z")
BOOKING = {
    "status": "rescheduled",
    "starts_at": START,
    "reschedule_cutoff_minutes": 60,
    "cancel_cutoff_minutes": 0,
}
BOOKING_ID = "0b9c6f0e-2f57-4b7e-9a7e-1f6a52f8d1c3"


@pytest.mark.parametrize(
    ("now", "customers_move", "teams_move", "customers_cancel"),
    [
        ("2030-11-05T13:00:00Z", None, None, None),
        ("2030-11-05T13:00:01Z", "cutoff-passed", None, None),
        ("2030-11-05T13:59:59Z", "cutoff-passed", None, None),
        ("2030-11-05T14:00:00Z", "meeting-started", "meeting-started", "meeting-started"),
    ],
)
def test_a_change_is_possible_up_to_its_cutoff_and_for_the_team_up_to_the_start(
    now, customers_move, teams_move, customers_cancel
):
    moment = parse_moment(now)
    assert refusal_to_move(BOOKING, moment, team=False) == customers_move
    assert refusal_to_move(BOOKING, moment, team=True) == teams_move
    assert refusal_to_cancel(BOOKING, moment, team=False) == customers_cancel


def test_cancelled_comes_before_started():
    cancelled = {**BOOKING, "status": "cancelled"}
    assert refusal_to_move(cancelled, START, team=False) == "booking-cancelled"


def test_a_cursor_leads_back_to_its_row_under_the_same_terms_only():
    asked = {"filter": "past", "q": "ada", "limit": "10"}
    cursor = Search.read(asked).cursor_after(START, BOOKING_ID)
    place = Search.read({**asked, "limit": "20", "cursor": cursor}).after
    assert place
    assert (place.starts_at, str(place.booking_id)) == (START, BOOKING_ID)
    for changed in ({"filter": "cancelled"}, {"q": "bob"}, {"from": "2030-11-01"}):
        with pytest.raises(Refused) as refusal:
            Search.read({**asked, **changed, "cursor": cursor})
        assert refusal.value.errors == {"cursor": ["Not a cursor of this list with these filters."]}


@pytest.mark.parametrize(
    "held",
    [
        "",
        "[",
        "{}",
        "[" * 100_000,
        '["{list}", "2030-11-05T14:00:00", "{id}"]',
        '["{list}", "2030-11-05T14:00:00Z", "nobody"]',
        '["{list}", "2030-11-05T14:00:00Z", "{id}", 1]',
        '["another", "2030-11-05T14:00:00Z", "{id}"]',
    ],
)
def test_what_is_no_cursor_of_this_list_is_refused(held):
    search = Search.read({"filter": "past"})
    known = search.cursor_after(START, BOOKING_ID)
    fingerprint = json.loads(urlsafe_b64decode(known + "=="))[0]
    text = held.replace("{list}", fingerprint).replace("{id}", BOOKING_ID)
    with pytest.raises(Refused) as refusal:
        Search.of({"filter": "past", "cursor": urlsafe_b64encode(text.encode()).decode().rstrip("=")})
    assert refusal.value.errors == {"cursor": ["Not a cursor of this list with these filters."]}


def test_a_day_as_bound_includes_itself():
    search = Search.read({"from": "2030-11-05", "to": "2030-11-05"})
    assert (search.from_, search.to) == (datetime(2030, 11, 5, tzinfo=UTC), datetime(2030, 11, 6, tzinfo=UTC))
    assert Search.read({"to": "9999-12-31"}).to == datetime.max.replace(tzinfo=UTC)
