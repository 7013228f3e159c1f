"""The month that people choose from, and what the calendar page makes of an address."""

from __future__ import annotations

from datetime import date

import pytest
from booking_query.calendar import Month, choose_day, weeks
from booking_query.picker import Wanted, pick
from rebook.availability import Schedule, Slot
from rebook.meeting_types import Host, MeetingType
from rebook.moments import parse_moment, zone

BERLIN = zone("Europe/Berlin")
NOVEMBER = Month(2030, 11)
NOW = parse_moment("2030-11-04T09:20:00Z")
TUESDAYS = MeetingType(
    title="Intro",
    duration_minutes=30,
    location="Phone",
    host=Host("Ada", "ada@example.org"),
    timezone="Europe/Berlin",
    weekly_hours={"tue": [["09:00", "10:30"]]},
)


def offer(first, last, where):
    return Schedule.of(TUESDAYS).slots(first, last, where, now=NOW, taken=(), team=False)


def drawn(where=BERLIN, last_start="2031-01-03T09:20:00Z", withdrawn=(), **parameters):
    return pick(
        offer,
        Wanted.read(parameters).with_day_of_start(where),
        where,
        now=NOW,
        last_start=parse_moment(last_start) if last_start else None,
        withdrawn=frozenset(map(parse_moment, withdrawn)),
    )


def test_weeks_begin_on_monday_and_hold_each_day_of_the_month_once():
    rows = weeks(NOVEMBER, {}, chosen=None, today=date(2030, 11, 4))
    assert [len(row) for row in rows] == [7] * 5
    days = [day.date for row in rows for day in row if day]
    assert days == [date(2030, 11, number) for number in range(1, 31)]
    assert [day.date.day if day else None for day in rows[0]] == [None, None, None, None, 1, 2, 3]


def test_the_wanted_day_is_shown_or_the_next_one_that_is_free_or_the_first():
    slot = Slot(NOW, NOW)
    free = {date(2030, 11, 5): [slot], date(2030, 11, 12): [slot], date(2030, 11, 19): []}
    shown = {
        wanted: choose_day(NOVEMBER, free, date(2030, 11, wanted) if wanted else None)
        for wanted in (0, 5, 6, 13)
    }
    assert {wanted: day.day for wanted, day in shown.items() if day} == {0: 5, 5: 5, 6: 12, 13: 5}


@pytest.mark.parametrize("text", ["", "2030-13", "2030-1", "0001-01", "9999-12", "2030-11-05", "november"])
def test_what_is_no_month_is_passed_over(text):
    assert Month.parse(text) is None
    assert drawn(month=text).month == NOVEMBER


def test_the_calendar_opens_on_the_first_free_day():
    picker = drawn()
    assert (picker.month, picker.day) == (NOVEMBER, date(2030, 11, 5))
    assert [picker.clock(slot) for slot in picker.times] == ["09:00", "09:30", "10:00"]


def test_the_arrows_lead_no_further_than_the_horizon_and_never_back_in_time():
    assert (drawn().previous, drawn().following) == (None, Month(2030, 12))
    last = drawn(month="2031-01")
    assert (last.previous, last.following) == (Month(2030, 12), None)
    assert drawn(month="2044-01").month == Month(2031, 1)
    assert drawn(month="2001-01").month == NOVEMBER


def test_a_month_without_free_days_names_the_next_that_has_one():
    picker = drawn(last_start=None, month="2030-11", withdrawn=_every_start_in_november())
    assert (picker.day, picker.next_free) == (None, date(2030, 12, 3))


def _every_start_in_november():
    slots = offer(NOVEMBER.first, NOVEMBER.last, BERLIN)
    return [slot.starts_at.isoformat() for day in slots.values() for slot in day]


def test_a_refused_start_is_not_offered_again():
    picker = drawn(date="2030-11-12", withdrawn=["2030-11-12T08:30:00Z"])
    assert [picker.clock(slot) for slot in picker.times] == ["09:00", "10:00"]
    assert picker.slot(parse_moment("2030-11-12T08:30:00Z")) is None


def test_days_are_those_of_the_visitors_zone():
    assert drawn(where=zone("Pacific/Auckland")).day == date(2030, 11, 5)
    assert drawn(where=zone("Pacific/Pago_Pago")).day == date(2030, 11, 4)
    assert drawn(where=zone("Asia/Kolkata")).offset == "UTC+5:30"


def test_links_keep_a_zone_that_was_chosen():
    assert drawn().link(month=NOVEMBER) == "?month=2030-11"
