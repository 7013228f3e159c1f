"""Which letter goes to whom, and what it says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from notifier import rendering, times
from notifier.gallery import BOOKED_AT, EVERYDAY, FIRST, SECOND, SETTINGS, letter_for
from notifier.letters import (
    CANCELLED,
    CONFIRMED,
    REMINDER,
    RESCHEDULED,
    RESEND_REQUESTED,
    Booking,
    Call,
    Change,
    Letter,
    called_for,
    delivery_id,
)
from notifier.wording import Writer
from rebook.availability import Slot
from rebook.events import CUSTOMER
from rebook.manage_links import ManageLinks

LINKS = ManageLinks(SETTINGS.manage_link_keys, SETTINGS.public_url)
MANAGE = LINKS.url(EVERYDAY.booking_id)
IN_BERLIN = "Tuesday, 5 November 2030, 15:00-15:30 (Europe/Berlin, UTC+1)"
IN_NEW_YORK = "Tuesday, 5 November 2030, 09:00-09:30 (America/New_York, UTC-5)"

confirmed = Change(1, CONFIRMED, FIRST, None, CUSTOMER, "", 0, BOOKED_AT)
moved_by_team = Change(2, RESCHEDULED, SECOND, FIRST, "grace@example.org", "Trains", 1, BOOKED_AT)
cancelled = Change(3, CANCELLED, SECOND, None, CUSTOMER, "Ill", 2, BOOKED_AT)
asked_again = replace(moved_by_team, kind=RESEND_REQUESTED, version=3, previous=None, reason="")


def both_parts(letter: Letter) -> list[str]:
    wording = Writer(LINKS, SETTINGS.public_url).words_for(letter)
    return [rendering.as_text(wording), rendering.as_html(wording)]


def subject(change: Change, call: Call, booking: Booking = EVERYDAY) -> str:
    return Writer(LINKS, SETTINGS.public_url).words_for(letter_for(booking, change, call)).subject


def to_customer(name: str) -> Call:
    return Call(name, EVERYDAY.customer_email)


def to_team(name: str) -> Call:
    return Call(name, EVERYDAY.host_email)


def test_a_booking_tells_the_customer_first_and_then_host_and_team_each_once():
    booking = replace(EVERYDAY, team=("Grace@Example.org", "office@example.org", "office@example.org"))
    assert called_for(CONFIRMED, booking) == [
        Call("confirmation", "ada@example.com"),
        Call("team-confirmation", "grace@example.org"),
        Call("team-confirmation", "office@example.org"),
    ]


def test_a_resend_is_the_confirmation_to_the_customer_alone():
    assert called_for(RESEND_REQUESTED, EVERYDAY) == [to_customer("confirmation")]


@pytest.mark.parametrize(
    ("change", "call", "begins"),
    [
        (confirmed, to_customer("confirmation"), "Confirmed: "),
        (confirmed, to_team("team-confirmation"), "New booking: "),
        (moved_by_team, to_customer("rescheduled"), "Rescheduled: "),
        (moved_by_team, to_team("team-rescheduled"), "Rescheduled: "),
        (confirmed, to_customer(REMINDER), "Reminder: "),
        (cancelled, to_customer("cancelled"), "Cancelled: "),
        (cancelled, to_team("team-cancelled"), "Cancelled: "),
    ],
)
def test_the_subject_says_what_happened(change: Change, call: Call, begins: str):
    assert subject(change, call).startswith(begins + "Intro call ")


@pytest.mark.parametrize(
    ("change", "name"), [(confirmed, "confirmation"), (moved_by_team, "rescheduled"), (confirmed, REMINDER)]
)
def test_what_the_customer_gets_holds_both_links_in_both_parts(change: Change, name: str):
    for part in both_parts(letter_for(EVERYDAY, change, to_customer(name))):
        assert f"{MANAGE}/reschedule" in part
        assert f"{MANAGE}/cancel" in part


def test_a_cancelled_letter_offers_to_book_again_and_no_dead_links():
    for part in both_parts(letter_for(EVERYDAY, cancelled, to_customer("cancelled"))):
        assert "https://book.example.org/book/intro-call" in part
        assert "/manage/" not in part


def test_the_team_gets_the_page_of_the_booking_and_never_the_manage_link():
    for change in (confirmed, moved_by_team, cancelled):
        call = called_for(change.kind, EVERYDAY)[1]
        for part in both_parts(letter_for(EVERYDAY, change, call)):
            assert f"https://book.example.org/scheduling/bookings/{EVERYDAY.booking_id}" in part
            assert "/manage/" not in part
            assert LINKS.token(EVERYDAY.booking_id) not in part


def test_the_customer_reads_their_own_zone_and_the_team_that_of_the_meeting_type():
    for part in both_parts(letter_for(EVERYDAY, confirmed, to_customer("confirmation"))):
        assert IN_NEW_YORK in part
    for part in both_parts(letter_for(EVERYDAY, confirmed, to_team("team-confirmation"))):
        assert IN_BERLIN in part


def test_a_move_shows_the_old_time_the_new_one_and_the_reason():
    for part in both_parts(letter_for(EVERYDAY, moved_by_team, to_team("team-rescheduled"))):
        assert IN_BERLIN in part
        assert "Thursday, 7 November 2030, 10:30-11:00 (Europe/Berlin, UTC+1)" in part
        assert "Trains" in part


def test_a_resend_shows_the_time_that_stands_now():
    text, _ = both_parts(letter_for(EVERYDAY, asked_again, to_customer("confirmation")))
    assert "Thursday, 7 November 2030, 04:30-05:00 (America/New_York, UTC-5)" in text


def test_notes_of_strangers_go_to_the_team_and_not_to_the_customers_address():
    booking = replace(EVERYDAY, notes="Cheap watches at evil.example")
    for part in both_parts(letter_for(booking, confirmed, to_team("team-confirmation"))):
        assert "Cheap watches" in part
    for part in both_parts(letter_for(booking, confirmed, to_customer("confirmation"))):
        assert "Cheap watches" not in part


def test_an_advertisement_in_the_name_is_not_greeted():
    booking = replace(EVERYDAY, customer_name="Win at https://evil.example/")
    text, html = both_parts(letter_for(booking, confirmed, to_customer("confirmation")))
    assert "evil.example" not in text + html


def test_markup_in_what_people_typed_stays_text():
    booking = replace(EVERYDAY, title="<b>Intro</b>", customer_name="<img src=x>", notes="</td><script>")
    text, html = both_parts(letter_for(booking, confirmed, to_team("team-confirmation")))
    assert "<b>Intro</b>" in text
    for escaped in ("&lt;b&gt;Intro&lt;/b&gt;", "&lt;img src=x&gt;", "&lt;/td&gt;&lt;script&gt;"):
        assert escaped in html
    assert "<script" not in html


def test_typed_lines_cannot_pass_for_lines_of_ours():
    booking = replace(EVERYDAY, notes="Hello\nReschedule:\nhttps://evil.example")
    text, _ = both_parts(letter_for(booking, confirmed, to_team("team-confirmation")))
    assert "> Hello\n> Reschedule:\n> https://evil.example\n" in text


def test_tabs_and_line_breaks_of_every_kind_keep_typed_words_apart():
    booking = replace(EVERYDAY, notes="Bring:\tink\rand paper\r\n\r\nThanks\x07\tAda")
    text, html = both_parts(letter_for(booking, confirmed, to_team("team-confirmation")))
    assert "> Bring: ink\n> and paper\n> \n> Thanks Ada\n" in text
    assert "Bring: ink\nand paper\n\nThanks Ada<" in html


def test_a_turned_writing_direction_ends_with_the_name_that_turned_it():
    booking = replace(EVERYDAY, customer_name="Eve \u202eadA")
    assert "Eve \u202eadA\u202c on" in subject(confirmed, to_team("team-confirmation"), booking)


def test_a_meeting_over_midnight_names_both_days_and_one_over_a_clock_change_both_offsets():
    late = Slot(datetime(2030, 11, 5, 22, 45, tzinfo=UTC), datetime(2030, 11, 5, 23, 15, tzinfo=UTC))
    assert times.in_full(late, "Europe/Berlin") == (
        "Tuesday, 5 November 2030, 23:45 - Wednesday, 6 November 2030, 00:15 (Europe/Berlin, UTC+1)"
    )
    change = Slot(datetime(2030, 10, 27, 0, 45, tzinfo=UTC), datetime(2030, 10, 27, 1, 15, tzinfo=UTC))
    assert times.in_full(change, "Europe/Berlin") == (
        "Sunday, 27 October 2030, 02:45-02:15 (Europe/Berlin, UTC+2 to UTC+1)"
    )


def test_the_same_event_person_and_letter_are_the_same_delivery():
    again = delivery_id("b:1", to_customer("confirmation"))
    assert delivery_id("b:1", to_customer("confirmation")) == again
    others = {
        delivery_id("b:2", to_customer("confirmation")),
        delivery_id("b:1", to_team("team-confirmation")),
        delivery_id("b:1", to_customer(REMINDER), 60),
        delivery_id("b:1", to_customer(REMINDER), 1440),
    }
    assert len(others | {again}) == 5


def test_a_letter_is_the_same_delivery_when_its_customer_has_been_erased():
    erased = Call("confirmation", "")
    assert delivery_id("b:1", erased) == delivery_id("b:1", to_customer("confirmation"))


def test_the_teams_letters_about_an_erased_customer_name_nobody():
    erased = replace(EVERYDAY, customer_name="", customer_email="", notes="")
    for part in both_parts(letter_for(erased, cancelled, to_team("team-cancelled"))):
        assert "Erased customer has cancelled" in part
        assert EVERYDAY.customer_email not in part
    assert "with Erased customer on" in subject(cancelled, to_team("team-cancelled"), erased)
