"""The rules of one booking: given what happened, when it is asked, then it decides."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from booking_command.booking import Booking
from booking_command.refusals import (
    BookingIsCancelled,
    CutoffHasPassed,
    MeetingHasStarted,
    SlotUnavailable,
)
from rebook.availability import Schedule
from rebook.meeting_types import Host, MeetingType

BOOKING = UUID("7f2c6f0a-51c6-4a1e-9a53-000000000001")
MONDAY = datetime(2030, 11, 4, 8, tzinfo=UTC)
TUESDAY_NINE = datetime(2030, 11, 5, 9, tzinfo=UTC)
TUESDAY_TEN = datetime(2030, 11, 5, 10, tzinfo=UTC)
SUNDAY_TEN = datetime(2030, 11, 10, 10, tzinfo=UTC)
ADA = {"name": "Ada Example", "email": "ada@example.org", "timezone": "Europe/London"}
TERMS = MeetingType(
    title="Intro call",
    duration_minutes=30,
    location="Video",
    host=Host("Hana Host", "Hana@example.org"),
    timezone="UTC",
    weekly_hours={day: [["09:00", "17:00"]] for day in ("mon", "tue", "wed", "thu", "fri")},
    buffer_after_minutes=10,
    reschedule_cutoff_minutes=60,
    cancel_cutoff_minutes=30,
    notify=["hana@example.org", "desk@example.org"],
)


def confirmed(starts_at: datetime = TUESDAY_NINE, now: datetime = MONDAY, **facts: Any) -> Booking:
    return Booking.confirm(
        BOOKING, "intro", TERMS, Schedule.of(TERMS), starts_at, customer=ADA, notes="", now=now, **facts
    )


def given_confirmed() -> Booking:
    booking = confirmed()
    booking.collect_events()
    return booking


def given_cancelled() -> Booking:
    booking = given_confirmed()
    booking.cancel(actor="customer", now=MONDAY)
    booking.collect_events()
    return booking


def decided(booking: Booking) -> list[str]:
    return [type(event).__name__ for event in booking.pending_events]


def move(booking: Booking, starts_at: datetime, now: datetime = MONDAY, actor: str = "customer") -> None:
    booking.reschedule(starts_at, Schedule.of(TERMS), actor=actor, now=now)


def test_a_slot_on_offer_is_confirmed_with_the_terms_as_they_stand():
    booking = confirmed()
    [event] = booking.pending_events
    assert decided(booking) == ["Confirmed"]
    assert event.team == ["Hana@example.org", "desk@example.org"]
    assert event.ends_at == TUESDAY_NINE + timedelta(minutes=30)
    assert event.hold == {"starts_at": TUESDAY_NINE, "ends_at": TUESDAY_NINE + timedelta(minutes=40)}


@pytest.mark.parametrize(
    ("starts_at", "now"),
    [
        pytest.param(SUNDAY_TEN, MONDAY, id="outside hours"),
        pytest.param(TUESDAY_NINE + timedelta(minutes=7), MONDAY, id="off the step"),
        pytest.param(TUESDAY_NINE, TUESDAY_NINE + timedelta(seconds=1), id="past"),
        pytest.param(TUESDAY_NINE, TUESDAY_NINE - timedelta(days=60, seconds=1), id="beyond the horizon"),
    ],
)
def test_a_slot_that_is_not_on_offer_is_refused(starts_at: datetime, now: datetime):
    with pytest.raises(SlotUnavailable):
        confirmed(starts_at, now)


def test_a_booking_moves():
    booking = given_confirmed()
    move(booking, TUESDAY_TEN)
    [event] = booking.pending_events
    assert (event.previous_starts_at, event.starts_at) == (TUESDAY_NINE, TUESDAY_TEN)
    assert booking.status == "rescheduled"


def test_a_booking_that_moves_to_where_it_is_stays_quiet():
    booking = given_confirmed()
    move(booking, TUESDAY_NINE)
    assert decided(booking) == []


def test_a_cancelled_booking_does_not_move():
    booking = given_cancelled()
    with pytest.raises(BookingIsCancelled):
        move(booking, TUESDAY_TEN)
    assert decided(booking) == []


def test_nobody_moves_a_meeting_that_has_begun():
    booking = given_confirmed()
    with pytest.raises(MeetingHasStarted):
        move(booking, TUESDAY_TEN, now=TUESDAY_NINE, actor="hana@example.org")


def test_the_link_works_right_up_until_the_cut_off_and_for_the_team_until_the_meeting():
    last_moment = TUESDAY_NINE - timedelta(minutes=60)
    move(given_confirmed(), TUESDAY_TEN, now=last_moment)
    with pytest.raises(CutoffHasPassed):
        move(given_confirmed(), TUESDAY_TEN, now=last_moment + timedelta(seconds=1))
    move(given_confirmed(), TUESDAY_TEN, now=TUESDAY_NINE - timedelta(seconds=1), actor="hana@example.org")


def test_the_team_is_bound_by_hours_but_not_by_the_horizon():
    in_a_year = datetime(2031, 11, 4, 9, tzinfo=UTC)
    booking = given_confirmed()
    with pytest.raises(SlotUnavailable):
        move(booking, in_a_year)
    move(booking, in_a_year, actor="hana@example.org")
    with pytest.raises(SlotUnavailable):
        move(booking, SUNDAY_TEN, actor="hana@example.org")


def test_a_booking_is_cancelled():
    booking = given_confirmed()
    booking.cancel(actor="customer", reason="ill", now=MONDAY)
    [event] = booking.pending_events
    assert (decided(booking), event.reason, booking.status) == (["Cancelled"], "ill", "cancelled")


def test_cancelling_again_stays_quiet_even_after_the_start():
    booking = given_cancelled()
    booking.cancel(actor="customer", now=TUESDAY_TEN)
    assert decided(booking) == []


def test_a_meeting_that_has_begun_is_not_cancelled():
    booking = given_confirmed()
    with pytest.raises(MeetingHasStarted):
        booking.cancel(actor="hana@example.org", now=TUESDAY_NINE)


def test_the_confirmation_is_sent_again_until_the_meeting_or_its_cancellation():
    booking = given_confirmed()
    booking.resend_confirmation(actor="hana@example.org", now=MONDAY)
    assert decided(booking) == ["ConfirmationResendRequested"]
    with pytest.raises(MeetingHasStarted):
        booking.resend_confirmation(actor="hana@example.org", now=TUESDAY_NINE)
    with pytest.raises(BookingIsCancelled):
        given_cancelled().resend_confirmation(actor="hana@example.org", now=MONDAY)


def test_erasing_the_customer_is_one_event_and_erasing_again_is_none():
    booking = given_confirmed()
    booking.erase_customer(actor="operator")
    assert decided(booking) == ["CustomerErased"]
    booking.erase_customer(actor="operator")
    assert decided(booking) == ["CustomerErased"]
    assert booking.status == "confirmed"


def test_no_reason_is_kept_once_the_customer_is_erased():
    booking = given_confirmed()
    booking.erase_customer(actor="operator")
    booking.collect_events()
    booking.reschedule(
        TUESDAY_TEN, Schedule.of(TERMS), actor="hana@example.org", reason="Ada is ill", now=MONDAY
    )
    booking.cancel(actor="hana@example.org", reason="Ada is ill", now=MONDAY)
    assert [event.reason for event in booking.pending_events] == ["", ""]
