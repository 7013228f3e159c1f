"""What a booking's entry in people's calendars is known by: the same in letters and on pages, for its whole life."""

from __future__ import annotations

from email.utils import parseaddr
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID


def uid(booking_id: UUID | str, domain: str) -> str:
    """The entry's UID (RFC 5545, section 3.8.4.7); never the manage token, since calendars are shared."""
    return f"{booking_id}@{domain}"


def domain_of(mail_from: str) -> str:
    """The domain of the address that letters come from: `Rebook <bookings@example.org>`."""
    return parseaddr(mail_from)[1].rpartition("@")[2]
