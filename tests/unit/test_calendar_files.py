"""A booking is one entry in the calendar: it comes, moves and goes by its UID and SEQUENCE."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import icalendar
import pytest
from ical.calendar_stream import IcsCalendarStream
from notifier import words
from notifier.calendar_files import calendar_file
from notifier.gallery import BOOKED_AT, EVERYDAY, FAR_AWAY, FIRST, SECOND, letter_for, story
from notifier.letters import (
    CANCELLED,
    CONFIRMED,
    REMINDER,
    RESCHEDULED,
    RESEND_REQUESTED,
    Booking,
    Call,
    Change,
    called_for,
)
from rebook.events import CUSTOMER
from servers.typed import HOSTILE

BOOKED = Change(1, CONFIRMED, FIRST, None, CUSTOMER, "", 0, BOOKED_AT)
MOVED = Change(2, RESCHEDULED, SECOND, FIRST, CUSTOMER, "", 1, BOOKED_AT)
ASKED_AGAIN = replace(MOVED, version=3, kind=RESEND_REQUESTED)
MOVED_BACK = Change(4, RESCHEDULED, FIRST, SECOND, CUSTOMER, "", 2, BOOKED_AT)
GONE = Change(5, CANCELLED, FIRST, None, CUSTOMER, "", 3, BOOKED_AT)

FIELDS = {
    *("UID", "SEQUENCE", "DTSTAMP", "DTSTART", "DTEND", "STATUS", "SUMMARY", "LOCATION", "TRANSP"),
    *("ORGANIZER", "ATTENDEE"),
}


def entry(change: Change, call: Call | None = None, booking: Booking = EVERYDAY) -> tuple[str, Any]:
    """The method and the one entry of a letter's calendar file."""
    letter = letter_for(booking, change, call or called_for(change.kind, booking)[0])
    parsed = icalendar.Calendar.from_ical(calendar_file(letter, "example.org"))
    (event,) = parsed.walk("VEVENT")
    return str(parsed["METHOD"]), event


def test_over_booking_moves_and_cancelling_one_entry_keeps_its_uid_and_its_sequence_rises():
    entries = [entry(change) for change in (BOOKED, MOVED, ASKED_AGAIN, MOVED_BACK, GONE)]
    assert {str(event["UID"]) for _, event in entries} == {f"{EVERYDAY.booking_id}@example.org"}
    assert [event["SEQUENCE"] for _, event in entries] == [0, 1, 1, 2, 3]
    assert [method for method, _ in entries] == ["REQUEST"] * 4 + ["CANCEL"]
    assert [str(event["STATUS"]) for _, event in entries] == ["CONFIRMED"] * 4 + ["CANCELLED"]
    assert [event["DTSTART"].dt for _, event in entries] == [
        slot.starts_at for slot in (FIRST, SECOND, SECOND, FIRST, FIRST)
    ]


def test_a_reminder_carries_the_sequence_that_stands():
    method, event = entry(MOVED, Call(REMINDER, EVERYDAY.customer_email))
    assert (method, event["SEQUENCE"]) == ("REQUEST", 1)


def test_times_are_written_in_utc():
    letter = letter_for(EVERYDAY, BOOKED, called_for(CONFIRMED, EVERYDAY)[0])
    lines = calendar_file(letter, "example.org").decode().split("\r\n")
    assert {"DTSTART:20301105T140000Z", "DTEND:20301105T143000Z", "DTSTAMP:20301021T081500Z"} <= set(lines)


def test_the_host_organizes_and_customer_and_reader_attend():
    booking = replace(EVERYDAY, team=("grace@example.org", "office@example.org"))
    _, event = entry(BOOKED, Call("team-confirmation", "office@example.org"), booking)
    assert str(event["ORGANIZER"]) == "mailto:grace@example.org"
    assert [str(person) for person in event["ATTENDEE"]] == [
        "mailto:ada@example.com",
        "mailto:office@example.org",
    ]


@pytest.mark.parametrize("booking", [EVERYDAY, FAR_AWAY], ids=["everyday", "far-away"])
def test_a_second_reader_sees_the_same_entry_in_every_letter(booking: Booking):
    for change, call in story(booking):
        letter = letter_for(booking, change, call)
        calendar = IcsCalendarStream.calendar_from_ics(calendar_file(letter, "example.org").decode())
        method, ours = entry(change, call, booking)
        (theirs,) = calendar.events
        assert (calendar.method, theirs.uid) == (method, f"{booking.booking_id}@example.org")
        assert (theirs.sequence, theirs.status) == (change.calendar_sequence, str(ours["STATUS"]))
        assert (theirs.dtstart, theirs.dtend) == change.slot
        assert (theirs.summary, theirs.location) == (str(ours["SUMMARY"]), booking.location)
        assert str(theirs.organizer.uri) == f"mailto:{booking.host_email}"
        assert booking.customer_email in {
            str(person.uri).removeprefix("mailto:") for person in theirs.attendees
        }


@pytest.mark.parametrize("typed", HOSTILE)
def test_whatever_people_type_both_readers_see_one_entry_and_the_whole_text(typed: str):
    booking = replace(EVERYDAY, title=typed, location=typed, customer_name=typed, host_name=typed)
    for call in called_for(CONFIRMED, booking):
        raw = calendar_file(letter_for(booking, BOOKED, call), "example.org")
        assert all(len(line) <= 75 for line in raw.split(b"\r\n"))
        (theirs,) = IcsCalendarStream.calendar_from_ics(raw.decode()).events
        _, ours = entry(BOOKED, call, booking)
        assert theirs.location == str(ours["LOCATION"]) == words.text(typed)
        assert set(ours) == FIELDS


def test_what_people_typed_adds_no_line_to_the_file():
    typed = 'Ada "X"\r\nATTACH:evil; a,b \\ 🎉 ' + "ä" * 150
    booking = replace(EVERYDAY, title=typed, location=typed, customer_name=typed)
    letter = letter_for(booking, BOOKED, called_for(CONFIRMED, booking)[1])
    raw = calendar_file(letter, "example.org")
    assert b"\nATTACH" not in raw
    assert all(len(line) <= 75 for line in raw.split(b"\r\n"))
    _, event = entry(BOOKED, called_for(CONFIRMED, booking)[1], booking)
    assert "🎉" in str(event["LOCATION"])
    assert "ATTACH" not in event
