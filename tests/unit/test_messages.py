"""The bytes that leave: their structure, and that nothing typed by strangers becomes a header."""

from __future__ import annotations

import email
import email.policy
import re
from dataclasses import replace
from email.message import EmailMessage

import icalendar
import pytest
from markupsafe import escape
from notifier import words
from notifier.calendar_files import calendar_file
from notifier.gallery import BOOKED_AT, EVERYDAY, FAR_AWAY, FIRST, SETTINGS, letter_for, story
from notifier.headers import NotAnAddress
from notifier.letters import CONFIRMED, Booking, Call, Change, called_for
from notifier.messages import Press
from rebook.events import CUSTOMER
from rebook.manage_links import ManageLinks
from rebook.settings import address
from servers.typed import HOSTILE

PRESS = Press(SETTINGS, ManageLinks(SETTINGS.manage_link_keys, SETTINGS.public_url))
KINDS = ["multipart/mixed", "multipart/alternative", "text/plain", "text/html", "text/calendar"]
BOOKED = Change(1, CONFIRMED, FIRST, None, CUSTOMER, "", 0, BOOKED_AT)
ALLOWED = {
    *("content-type", "mime-version", "from", "to", "reply-to", "subject", "date", "message-id"),
    *("auto-submitted", "x-auto-response-suppress", "x-correlation-id", "in-reply-to", "references"),
}


def written(booking: Booking, call: Call, change: Change = BOOKED) -> bytes:
    return PRESS.message(letter_for(booking, change, call), BOOKED_AT)


def parsed(raw: bytes) -> EmailMessage:
    """Read as the standard library's strict policy does: any defect raises."""
    message = email.message_from_bytes(raw, policy=email.policy.strict.clone(linesep="\r\n"))
    assert isinstance(message, EmailMessage)
    return message


@pytest.mark.parametrize("typed", HOSTILE)
def test_nothing_typed_becomes_a_header_or_another_recipient_of_any_letter(typed: str):
    booking = replace(
        EVERYDAY, customer_name=typed, title=typed, host_name=typed, notes=typed, location=typed
    )
    for change, call in story(booking):
        raw = written(booking, call, replace(change, reason=typed))
        head = raw.partition(b"\r\n\r\n")[0]
        names = {name.decode().lower() for name in re.findall(rb"(?m)^([^\s:]+):", head)}
        assert names <= ALLOWED
        message = parsed(raw)
        assert [address.addr_spec for address in message["To"].addresses] == [call.recipient]
        assert [address.addr_spec for address in message["Reply-To"].addresses] == [booking.host_email]
        assert [part.get_content_type() for part in message.walk()] == KINDS


@pytest.mark.parametrize("typed", HOSTILE)
def test_what_is_typed_arrives_whole_in_both_parts_and_as_text(typed: str):
    booking = replace(EVERYDAY, title=typed, notes=typed)
    message = parsed(written(booking, called_for(CONFIRMED, booking)[1]))
    text, html = (message.get_body((kind,)).get_content() for kind in ("plain", "html"))
    wanted = words.line(typed)
    assert f"Meeting:          {wanted}\n" in text.replace("\r\n", "\n")
    assert str(escape(wanted)) in html
    assert "<script" not in html


@pytest.mark.parametrize("typed", HOSTILE)
def test_a_name_arrives_as_it_was_typed_on_one_line(typed: str):
    booking = replace(EVERYDAY, customer_name=typed)
    (address,) = parsed(written(booking, called_for(CONFIRMED, booking)[0]))["To"].addresses
    assert address.display_name.replace(" ", "") == "".join(typed.split()).replace("\u0085", "")


@pytest.mark.parametrize(
    ("notes", "encoding"),
    [
        ("Hello", "7bit"),
        ("Grüße", "quoted-printable"),
        ("x" * 1_000, "quoted-printable"),
        ("مرحبا " * 100, "base64"),
    ],
)
def test_a_part_travels_as_readable_as_mail_can_carry_it(notes: str, encoding: str):
    message = parsed(written(replace(EVERYDAY, notes=notes), called_for(CONFIRMED, EVERYDAY)[1]))
    body = message.get_body(("plain",))
    assert str(body["Content-Transfer-Encoding"]) == encoding
    assert f"> {notes.strip()}" in body.get_content()


def test_every_line_ends_with_crlf_and_is_short_enough_for_mail():
    booking = replace(EVERYDAY, notes="word " * 200, title="ü" * 200)
    raw = written(booking, called_for(CONFIRMED, booking)[1])
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    assert raw.isascii()


def test_every_letter_is_text_and_html_with_a_calendar_file_whose_method_is_the_bodys():
    for change, call in story(EVERYDAY):
        message = parsed(written(EVERYDAY, call, change))
        alternative, calendar = message.iter_parts()
        kinds = [message.get_content_type(), alternative.get_content_type(), calendar.get_content_type()]
        assert kinds == ["multipart/mixed", "multipart/alternative", "text/calendar"]
        assert [part.get_content_type() for part in alternative.iter_parts()] == ["text/plain", "text/html"]
        body = icalendar.Calendar.from_ical(calendar.get_content())
        assert calendar["Content-Type"].params["method"] == str(body["METHOD"])
        assert calendar.get_filename() == "invite.ics"


@pytest.mark.parametrize("booking", [EVERYDAY, FAR_AWAY], ids=["everyday", "far-away"])
def test_the_calendar_file_arrives_byte_for_byte_and_text_ends_with_its_last_line(booking: Booking):
    for change, call in story(booking):
        message = parsed(written(booking, call, change))
        *_, calendar = message.walk()
        letter = letter_for(booking, change, call)
        assert calendar.get_payload(decode=True) == calendar_file(letter, SETTINGS.mail_domain)
        assert re.search(r"\S\r?\n\Z", message.get_body(("plain",)).get_content())


def test_later_letters_answer_the_confirmation_of_the_same_person():
    for wanted in ("ada@example.com", "grace@example.org"):
        mine = [(change, call) for change, call in story(EVERYDAY) if call.recipient == wanted]
        first, *later = [parsed(written(EVERYDAY, call, change)) for change, call in mine]
        assert first["In-Reply-To"] is None
        assert {message["In-Reply-To"] for message in later} == {first["Message-ID"]}
        assert {message["References"] for message in later} == {first["Message-ID"]}


def test_a_letter_says_that_a_machine_wrote_it_and_answers_go_to_the_host():
    message = parsed(written(EVERYDAY, called_for(CONFIRMED, EVERYDAY)[0]))
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["From"] == "Rebook <bookings@example.org>"
    assert message["Reply-To"] == "Grace Hopper <grace@example.org>"


def test_letters_come_from_a_domain_in_another_script_as_mail_carries_it():
    settings = replace(SETTINGS, mail_from=address("Rebook <bookings@bücher.example.org>"))
    press = Press(settings, PRESS.links)
    letter = letter_for(EVERYDAY, BOOKED, called_for(CONFIRMED, EVERYDAY)[0])
    (sender,) = parsed(press.message(letter, BOOKED_AT))["From"].addresses
    assert sender.addr_spec == "bookings@xn--bcher-kva.example.org"


def test_the_message_id_stays_when_a_letter_is_written_again():
    call = called_for(CONFIRMED, EVERYDAY)[0]
    once, again = (parsed(written(EVERYDAY, call)) for _ in range(2))
    assert once["Message-ID"] == again["Message-ID"]


@pytest.mark.parametrize(
    "address", ["ada@example.com>\r\nBcc: x@y", "a b@example.com", "ada", "a@b, c@d", ""]
)
def test_an_address_that_would_break_out_of_its_header_is_refused(address: str):
    booking = replace(EVERYDAY, customer_email=address)
    with pytest.raises(NotAnAddress):
        written(booking, Call("confirmation", address))
