"""The calendar file of a letter: an iTIP message (RFC 5546) that puts, moves or takes out one entry.

One booking is one entry: its UID is the booking's id at our domain, for ever, and SEQUENCE rises with each change,
so that a moved meeting moves and a cancelled one leaves. Times are UTC, which every calendar reads alike.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from icalendar import Calendar, Event, vCalAddress
from rebook.calendar_entries import uid

from notifier.letters import CANCELLED

if TYPE_CHECKING:
    from notifier.letters import Letter

REQUEST, CANCEL = "REQUEST", "CANCEL"


def method_of(letter: Letter) -> str:
    return CANCEL if letter.change.kind == CANCELLED else REQUEST


def calendar_file(letter: Letter, domain: str) -> bytes:
    """The file as bytes, UTF-8 with CRLF; the same for every try of the same delivery."""
    calendar = Calendar()
    calendar.add("prodid", "-//Rebook//Notifier//EN")
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", method_of(letter))
    calendar.add_component(_entry(letter, domain))
    written: bytes = calendar.to_ical()
    return written


def _entry(letter: Letter, domain: str) -> Event:
    booking, change = letter.booking, letter.change
    entry = Event()
    entry.add("uid", uid(booking.booking_id, domain))
    entry.add("sequence", change.calendar_sequence)
    entry.add("dtstamp", letter.fell_due_at.astimezone(UTC).replace(microsecond=0))
    entry.add("dtstart", change.slot.starts_at.astimezone(UTC))
    entry.add("dtend", change.slot.ends_at.astimezone(UTC))
    entry.add("status", "CANCELLED" if change.kind == CANCELLED else "CONFIRMED")
    entry.add("summary", _summary(letter))
    entry.add("location", booking.location)
    entry.add("transp", "OPAQUE")
    entry.add("organizer", _person(booking.host_email, booking.host_name))
    for address, name in _attendees(letter).items():
        entry.add("attendee", _attendee(address, name))
    return entry


def _summary(letter: Letter) -> str:
    other = letter.booking.customer_name if letter.to_team else letter.booking.host_name
    return f"{letter.booking.title}: {other}"


def _attendees(letter: Letter) -> dict[str, str]:
    """The customer and whoever this copy is for, by address."""
    people = {letter.booking.customer_email: letter.booking.customer_name}
    people.setdefault(letter.recipient, letter.recipient_name)
    return people


def _attendee(address: str, name: str) -> vCalAddress:
    person = _person(address, name)
    person.params.update({"ROLE": "REQ-PARTICIPANT", "PARTSTAT": "ACCEPTED", "RSVP": "FALSE"})
    return person


def _person(address: str, name: str) -> vCalAddress:
    """Parameters cannot hold quotes or line breaks (RFC 5545, section 3.2), and few readers know RFC 6868."""
    person = vCalAddress(f"mailto:{address}")
    person.params["CN"] = " ".join(name.replace('"', "'").split()) or address
    return person
