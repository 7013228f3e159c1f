"""What facts are called on the pages."""

from __future__ import annotations

import msgspec
import pytest
from booking_query.definition_fields import fields_of
from booking_query.drawing import web_link
from booking_query.forms import Form
from booking_query.pages_account import own_path
from booking_query.presentation import duration, history_line, hours_lines
from booking_query.rows import Listed
from booking_query.views import by_day, customer_view, team_view
from rebook.drafts import Draft
from rebook.meeting_types import Host, MeetingType
from rebook.moments import parse_moment, zone
from rebook.times import When, offset

BERLIN = zone("Europe/Berlin")
START = parse_moment("2030-11-05T14:00:00Z")
END = parse_moment("2030-11-05T14:30:00Z")
BEFORE = parse_moment("2030-11-04T14:00:00Z")
BOOKING = {
    "booking_id": "0b9c6f0e-2f57-4b7e-9a7e-1f6a52f8d1c3",
    "status": "confirmed",
    "title": "Intro",
    "starts_at": START,
    "ends_at": END,
    "host": {"name": "Ada", "email": "ada@example.org"},
    "customer": {"name": "Bob", "email": "bob@example.org", "timezone": "America/New_York"},
    "created_at": BEFORE,
    "updated_at": BEFORE,
    "cancelled_at": None,
    "reschedules": 0,
    "reschedule_cutoff_minutes": 1440,
    "cancel_cutoff_minutes": 0,
    "can_reschedule": True,
    "can_cancel": True,
}


@pytest.mark.parametrize(
    ("start", "end", "where", "sentence"),
    [
        (
            "2030-11-05T14:00:00Z",
            "2030-11-05T14:30:00Z",
            "Europe/Berlin",
            "Tuesday, 5 November 2030, 15:00-15:30 (Europe/Berlin, UTC+1)",
        ),
        (
            "2030-11-05T22:30:00Z",
            "2030-11-05T23:30:00Z",
            "Europe/Berlin",
            "Tuesday, 5 November 2030, 23:30 - Wednesday, 6 November 2030, 00:30 (Europe/Berlin, UTC+1)",
        ),
        (
            "2030-10-27T00:30:00Z",
            "2030-10-27T01:30:00Z",
            "Europe/Berlin",
            "Sunday, 27 October 2030, 02:30-02:30 (Europe/Berlin, UTC+2 to UTC+1)",
        ),
        (
            "2030-11-05T14:00:00Z",
            "2030-11-05T14:30:00Z",
            "UTC",
            "Tuesday, 5 November 2030, 14:00-14:30 (UTC)",
        ),
    ],
)
def test_a_time_is_one_sentence_with_its_zone(start, end, where, sentence):
    assert str(When.of(parse_moment(start), parse_moment(end), zone(where))) == sentence


def test_offsets_name_their_minutes_where_there_are_any():
    shown = {
        name: offset(START, zone(name)) for name in ("America/St_Johns", "Asia/Kathmandu", "Europe/London")
    }
    assert shown == {"America/St_Johns": "UTC-3:30", "Asia/Kathmandu": "UTC+5:45", "Europe/London": "UTC+0"}


def test_durations_are_said_in_the_units_that_people_use():
    assert [duration(minutes) for minutes in (1, 45, 60, 90, 1440)] == [
        *("1 minute", "45 minutes", "1 hour", "1 hour 30 minutes", "1 day"),
    ]


def test_neighbouring_days_with_the_same_hours_share_a_line():
    hours = {day: [["13:00", "17:00"], ["09:00", "12:00"]] for day in ("mon", "tue", "wed")}
    assert hours_lines({**hours, "sat": [["10:00", "11:00"]]}) == [
        ("Mon-Wed", "09:00-12:00, 13:00-17:00"),
        ("Thu-Fri", "closed"),
        ("Sat", "10:00-11:00"),
        ("Sun", "closed"),
    ]


def test_the_timeline_tells_who_when_why_and_every_letter():
    moved = {"at": BEFORE, "type": "rescheduled", "by": "customer", "from": START, "to": END, "reason": "Ill"}
    line = history_line(moved, BERLIN)
    assert (line.title, line.reason) == ("Rescheduled", "Ill")
    assert line.facts == ("by the customer", "from 5 Nov 2030, 15:00 to 5 Nov 2030, 15:30")
    failed = {
        "at": BEFORE,
        "type": "email-failed",
        "by": "notifier",
        "letter": "reminder",
        "recipient": "a@b.org",
    }
    assert history_line(failed, BERLIN).title == "Reminder could not be delivered"


def test_a_kind_of_history_that_is_not_known_yet_is_shown_by_its_name():
    line = history_line({"at": BEFORE, "type": "erased", "by": "ada@example.org"}, BERLIN)
    assert (line.title, line.facts) == ("erased", ("by ada@example.org",))


def test_nothing_is_explained_while_everything_is_possible():
    assert customer_view(BOOKING, BERLIN, BEFORE)["not_possible"] == []


@pytest.mark.parametrize(
    ("changes", "now", "said"),
    [
        ({"status": "cancelled", "cancelled_at": BEFORE}, BEFORE, "Cancelled on 4 Nov 2030, 15:00."),
        ({}, START, "The meeting has begun, so it can no longer be moved or cancelled."),
        ({}, END, "This meeting is over, so it can no longer be moved or cancelled."),
        (
            {"can_reschedule": False},
            BEFORE,
            "It is too late to reschedule (possible until 4 Nov 2030, 15:00) online.",
        ),
    ],
)
def test_what_is_no_longer_possible_is_said_with_its_reason(changes, now, said):
    view = customer_view({**BOOKING, **changes}, BERLIN, now)
    assert view["not_possible"][0].startswith(said)


def test_the_team_is_not_bound_by_cutoffs_and_sees_the_customers_clock():
    view = team_view({**BOOKING, "can_reschedule": False}, BERLIN, BEFORE)
    assert (view["can_reschedule"], view["filter"]) == (True, "upcoming")
    assert view["customer_when"] == "Tuesday, 5 November 2030, 09:00-09:30 (America/New_York, UTC-5)"


def test_the_list_is_grouped_by_the_days_of_the_shown_zone():
    facts = {**BOOKING, "version": 1, "meeting_type": "intro", "location": "", "notes": ""}
    early = msgspec.convert(facts, Listed)
    late = msgspec.structs.replace(
        early, starts_at=parse_moment("2030-11-05T23:30:00Z"), ends_at=parse_moment("2030-11-06T00:00:00Z")
    )
    days = by_day([early, late], BERLIN, BEFORE.date())
    assert [(day.name, day.relative) for day in days] == [
        ("Tuesday, 5 November 2030", "Tomorrow"),
        ("Wednesday, 6 November 2030", ""),
    ]
    assert days[1].rows[0]["hours"] == "00:30-01:00"


@pytest.mark.parametrize(
    ("text", "is_link"),
    [
        ("https://meet.example.org/a?b=c&d", True),
        ("javascript:alert(1)", False),
        ('https://meet.example.org/ "onclick=alert(1)', False),
        ("Room 1", False),
    ],
)
def test_only_a_web_address_becomes_a_link(text, is_link):
    assert web_link(text).startswith("<a href=") == is_link
    assert "<script" not in web_link(f"{text}<script>")


def test_a_refusal_stands_beside_the_field_it_is_about():
    errors = {
        "customer.email": ["Not an e-mail address."],
        "weekly_hours.mon.0.1": ["Not a time of day."],
        "weekly_hours.mon.1": ["Not a time of day."],
        "notify.0": ["Not an e-mail address."],
        "_body": ["Something else."],
    }
    form = Form.of(
        Draft("malformed-command", "", errors, {"email": "x"}), {"mon": "Monday", "email": "E-mail"}
    )
    assert (form.value("email"), form.errors_of("email")) == ("x", ["Not an e-mail address."])
    assert form.errors_of("mon") == ["Not a time of day."]
    assert [name for name, _, _ in form.summary] == ["mon", "email", "notify", "_body"]


def test_a_definition_fills_its_form_the_way_people_type_it():
    definition = MeetingType(
        title="Intro",
        duration_minutes=30,
        location="Phone",
        host=Host("Ada", "ada@example.org"),
        timezone="Europe/Berlin",
        weekly_hours={"mon": [["09:00", "12:00"], ["13:00", "17:00"]]},
        date_overrides={"2030-12-24": [], "2030-11-20": [["10:00", "11:00"]]},
        reminders_minutes_before=[1440, 60],
    )
    fields = fields_of(definition.as_json())
    assert (fields["mon"], fields["tue"]) == ("09:00-12:00, 13:00-17:00", "")
    assert fields["date_overrides"] == "2030-11-20: 10:00-11:00\n2030-12-24: closed"
    assert (fields["reminders_minutes_before"], fields["slot_step_minutes"]) == ("1440, 60", "")


@pytest.mark.parametrize(
    "path",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/scheduling//x",
        "/schedulingx",
        "/scheduling/\n",
        "",
    ],
)
def test_the_login_leads_to_pages_of_ours_only(path):
    assert own_path(path) == "/scheduling/bookings"
    assert own_path("/scheduling/account?a=b") == "/scheduling/account?a=b"
