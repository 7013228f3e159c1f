"""A booking as an entry for the customer's own calendar: a file to open, or a web calendar's form filled in.

The file is the same entry that the letters bring (its UID and SEQUENCE), so whoever has both has it once. It names no
METHOD and nobody who attends, so no calendar mails anybody for it (RFC 5545, section 3.7.2). Nothing here holds the
manage token: calendars are shared, and web calendars belong to others.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from icalendar import Calendar, Event
from rebook.calendar_entries import uid
from rebook.moments import format_moment

if TYPE_CHECKING:
    from collections.abc import Mapping

_GOOGLE = "https://calendar.google.com/calendar/render?"
_OUTLOOK = "https://{}/calendar/0/deeplink/compose?"
_OUTLOOK_HOSTS = {"Outlook.com": "outlook.live.com", "Microsoft 365": "outlook.office.com"}


def calendar_file(booking: Mapping[str, Any], domain: str) -> bytes:
    """The entry as an iCalendar file, UTF-8 with CRLF, for a booking that stands."""
    calendar = Calendar()
    calendar.add("prodid", "-//Rebook//Pages//EN")
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    entry = Event()
    entry.add("uid", uid(booking["booking_id"], domain))
    entry.add("sequence", booking["reschedules"])
    entry.add("dtstamp", booking["updated_at"].astimezone(UTC).replace(microsecond=0))
    entry.add("dtstart", booking["starts_at"].astimezone(UTC))
    entry.add("dtend", booking["ends_at"].astimezone(UTC))
    entry.add("status", "CONFIRMED")
    entry.add("summary", _summary(booking))
    entry.add("location", booking["location"])
    calendar.add_component(entry)
    written: bytes = calendar.to_ical()
    return written


def web_calendars(booking: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names and addresses of web calendars, each with the entry to be looked at and saved there."""
    start, end = (format_moment(booking[name]) for name in ("starts_at", "ends_at"))
    span = f"{start}/{end}".replace("-", "").replace(":", "")
    google = {
        "action": "TEMPLATE",
        "text": _summary(booking),
        "dates": span,
        "location": booking["location"],
    }
    outlook = {
        "path": "/calendar/action/compose",
        "rru": "addevent",
        "subject": _summary(booking),
        "startdt": start,
        "enddt": end,
        "location": booking["location"],
    }
    return [
        ("Google", _GOOGLE + urlencode(google)),
        *((name, _OUTLOOK.format(host) + urlencode(outlook)) for name, host in _OUTLOOK_HOSTS.items()),
    ]


def _summary(booking: Mapping[str, Any]) -> str:
    return f"{booking['title']}: {booking['host']['name']}"
