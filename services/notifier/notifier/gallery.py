"""Every letter of made-up bookings as files for people to look at."""

from __future__ import annotations

import email
import email.policy
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from rebook.availability import Slot
from rebook.events import CUSTOMER
from rebook.manage_links import ManageLinks

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
    event_id,
    message_id,
)
from notifier.messages import Press
from notifier.settings import LetterSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BOOKED_AT = datetime(2030, 10, 21, 8, 15, tzinfo=UTC)
FIRST = Slot(datetime(2030, 11, 5, 14, 0, tzinfo=UTC), datetime(2030, 11, 5, 14, 30, tzinfo=UTC))
SECOND = Slot(datetime(2030, 11, 7, 9, 30, tzinfo=UTC), datetime(2030, 11, 7, 10, 0, tzinfo=UTC))
SETTINGS = LetterSettings("Rebook <bookings@example.org>", "https://book.example.org", ("gallery" * 5,))

EVERYDAY = Booking(
    booking_id=UUID("7d7b1c4e-53a5-4a8e-9b83-1a5b2f4f6c10"),
    meeting_type="intro-call",
    title="Intro call",
    location="https://meet.example.org/grace",
    host_name="Grace Hopper",
    host_email="grace@example.org",
    timezone="Europe/Berlin",
    team=("grace@example.org",),
    reminders_minutes_before=(1440, 60),
    reschedule_cutoff_minutes=0,
    cancel_cutoff_minutes=0,
    customer_name="Ada Lovelace",
    customer_email="ada@example.com",
    customer_timezone="America/New_York",
    notes="I would like to talk about the analytical engine.\nAnd about notes in general.",
)
FAR_AWAY = replace(
    EVERYDAY,
    booking_id=UUID("a1f9b1d0-7f36-4c84-8b60-3f1c0f6f2b77"),
    title="Erstgespräch: Förderung & Recht <kostenlos> 🎉 – "
    + "ein sehr langer Titel, der über mehrere Zeilen läuft " * 2,
    location="Besprechungsraum »Ω«, Straße des 17. Juni 135, 10623 Berlin, zweiter Hof links, 3. Etage",
    customer_name="نور الهدى",
    customer_timezone="Asia/Kathmandu",
    reschedule_cutoff_minutes=24 * 60,
    cancel_cutoff_minutes=120,
    notes='"><script>alert(1)</script> ' + "Ein längerer Text mit vielen Wörtern. " * 12,
)


@dataclass(frozen=True)
class Picture:
    """One letter of the gallery: a file name, the letter, and the message it becomes."""

    name: str
    letter: Letter
    message: bytes


def hang(folder: Path) -> list[Path]:
    """Write each letter as .eml, .txt, .html and .ics; the files written."""
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for picture in pictures():
        parsed = email.message_from_bytes(picture.message, policy=email.policy.default)
        parts = {
            part.get_content_subtype(): part.get_content() for part in parsed.walk() if part.is_attachment()
        }
        bodies = {kind: parsed.get_body((kind,)) for kind in ("plain", "html")}
        files = {
            "eml": picture.message,
            "txt": bodies["plain"].get_content().encode() if bodies["plain"] else b"",
            "html": bodies["html"].get_content().encode() if bodies["html"] else b"",
            "ics": parts["calendar"].encode(),
        }
        for suffix, content in files.items():
            path = folder / f"{picture.name}.{suffix}"
            path.write_bytes(content)
            written.append(path)
    return written


def pictures() -> Iterator[Picture]:
    press = Press(SETTINGS, ManageLinks(SETTINGS.manage_link_keys, SETTINGS.public_url))
    for series, booking in (("everyday", EVERYDAY), ("far-away", FAR_AWAY)):
        for number, (change, call) in enumerate(story(booking), 1):
            letter = letter_for(booking, change, call)
            name = f"{series}-{number:02}-{call.letter}-to-{call.recipient.partition('@')[0]}"
            yield Picture(name, letter, press.message(letter, change.happened_at))


def story(booking: Booking) -> Iterator[tuple[Change, Call]]:
    """Booked, asked for again, moved by the customer and by the team, reminded, cancelled by either."""
    host, why = booking.host_email, "The room is being painted that week.\nSorry for the trouble!"
    confirmed = Change(1, CONFIRMED, FIRST, None, CUSTOMER, "", 0, BOOKED_AT)
    later = BOOKED_AT + timedelta(hours=3)
    moved = Change(3, RESCHEDULED, SECOND, FIRST, CUSTOMER, "My train is late.", 1, later)
    changes = [
        confirmed,
        replace(confirmed, version=2, kind=RESEND_REQUESTED, actor=host),
        moved,
        replace(moved, version=4, slot=FIRST, previous=SECOND, actor=host, reason=why, calendar_sequence=2),
        Change(5, CANCELLED, FIRST, None, CUSTOMER, "", 3, later),
        Change(5, CANCELLED, FIRST, None, host, why, 3, later),
    ]
    for change in changes:
        for call in called_for(change.kind, booking):
            yield change, call
    yield confirmed, Call(REMINDER, booking.customer_email)


def letter_for(booking: Booking, change: Change, call: Call) -> Letter:
    delivery = delivery_id(event_id(booking.booking_id, change.version), call)
    return Letter(
        delivery_id=delivery,
        name=call.letter,
        recipient=call.recipient,
        message_id=message_id(delivery, SETTINGS.mail_domain),
        fell_due_at=change.happened_at,
        correlation_id="gallery",
        booking=booking,
        change=change,
    )
