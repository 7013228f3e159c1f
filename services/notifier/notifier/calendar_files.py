"""The calendar file of a letter: an iTIP message (RFC 5546) that puts, moves or takes out one entry.

One booking is one entry: its UID is the booking's id at our domain, for ever, and SEQUENCE rises with each change,
so that a moved meeting moves and a cancelled one leaves. Times are UTC, which every calendar reads alike.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from rebook.calendar_entries import uid

from notifier.headers import one_line
from notifier.letters import CANCELLED
from notifier.words import text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from notifier.letters import Letter

REQUEST, CANCEL = "REQUEST", "CANCEL"

_LINE_MAX = 75  # octets, without the line break: RFC 5545, section 3.1
_ESCAPES = str.maketrans({"\\": "\\\\", ";": "\\;", ",": "\\,", "\n": "\\n"})  # section 3.3.11


def method_of(letter: Letter) -> str:
    return CANCEL if letter.change.kind == CANCELLED else REQUEST


def calendar_file(letter: Letter, domain: str) -> bytes:
    """The file as bytes, UTF-8 with CRLF; the same for every try of the same delivery."""
    lines = [
        "BEGIN:VCALENDAR",
        "PRODID:-//Rebook//Notifier//EN",
        "VERSION:2.0",
        "CALSCALE:GREGORIAN",
        f"METHOD:{method_of(letter)}",
        "BEGIN:VEVENT",
        *_entry(letter, domain),
        "END:VEVENT",
        "END:VCALENDAR",
    ]
    return b"".join(map(_folded, lines))


def _entry(letter: Letter, domain: str) -> Iterator[str]:
    booking, change = letter.booking, letter.change
    yield f"UID:{uid(booking.booking_id, domain)}"
    yield f"SEQUENCE:{change.calendar_sequence}"
    yield f"DTSTAMP:{_utc(letter.fell_due_at)}"
    yield f"DTSTART:{_utc(change.slot.starts_at)}"
    yield f"DTEND:{_utc(change.slot.ends_at)}"
    yield f"STATUS:{'CANCELLED' if change.kind == CANCELLED else 'CONFIRMED'}"
    yield f"SUMMARY:{_typed(_summary(letter))}"
    yield f"LOCATION:{_typed(booking.location)}"
    yield "TRANSP:OPAQUE"
    yield f"ORGANIZER{_person(booking.host_email, booking.host_name)}"
    for address, name in _attendees(letter).items():
        yield f"ATTENDEE;ROLE=REQ-PARTICIPANT;PARTSTAT=ACCEPTED;RSVP=FALSE{_person(address, name)}"


def _summary(letter: Letter) -> str:
    other = letter.booking.called if letter.to_team else letter.booking.host_name
    return f"{letter.booking.title}: {other}"


def _attendees(letter: Letter) -> dict[str, str]:
    """The customer and whoever this copy is for, by address."""
    booking = letter.booking
    people = {} if booking.customer_is_erased else {booking.customer_email: booking.customer_name}
    people.setdefault(letter.recipient, letter.recipient_name)
    return people


def _person(address: str, name: str) -> str:
    """Parameters cannot hold quotes or line breaks (RFC 5545, section 3.2), and few readers know RFC 6868."""
    shown = one_line(name).replace('"', "'") or address
    return f';CN="{shown}":mailto:{address}'


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _typed(value: str) -> str:
    return text(value).translate(_ESCAPES)


def _folded(line: str) -> bytes:
    """The line in pieces that are short enough, each after the first behind a blank, no character cut in two."""
    left, pieces = line.encode(), []
    while len(left) > _LINE_MAX:
        end = _LINE_MAX
        while left[end] & 0xC0 == 0x80:  # in the middle of a character
            end -= 1
        pieces.append(left[:end])
        left = b" " + left[end:]
    return b"\r\n".join([*pieces, left, b""])
