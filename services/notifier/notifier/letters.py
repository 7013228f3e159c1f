"""Which letter goes to whom for which event, and what is known when one is written."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from rebook.events import CUSTOMER

if TYPE_CHECKING:
    from datetime import datetime

    from rebook.availability import Slot

CONFIRMED, RESCHEDULED, CANCELLED, RESEND_REQUESTED = (
    "confirmed",
    "rescheduled",
    "cancelled",
    "resend-requested",
)
REMINDER = "reminder"

_DELIVERIES = UUID("5f0c6d0e-3d0b-5b0e-9d55-3a3f6c1f7a10")
_FOR_TEAM = "team-"  # how the names of letters to the team begin
_TO_CUSTOMER = {
    CONFIRMED: "confirmation",
    RESCHEDULED: "rescheduled",
    CANCELLED: "cancelled",
    RESEND_REQUESTED: "confirmation",
}
_TO_TEAM = {CONFIRMED: "team-confirmation", RESCHEDULED: "team-rescheduled", CANCELLED: "team-cancelled"}


@dataclass(frozen=True, slots=True)
class Booking:
    """A booking as the notifier knows it: the terms frozen when it was confirmed, and the customer."""

    booking_id: UUID
    meeting_type: str
    title: str
    location: str
    host_name: str
    host_email: str
    timezone: str
    team: tuple[str, ...]
    reminders_minutes_before: tuple[int, ...]
    reschedule_cutoff_minutes: int
    cancel_cutoff_minutes: int
    customer_name: str
    customer_email: str
    customer_timezone: str
    notes: str

    @property
    def customer_is_erased(self) -> bool:
        return not self.customer_email

    @property
    def called(self) -> str:
        """What the team's letters call the customer."""
        return self.customer_name or "Erased customer"


@dataclass(frozen=True, slots=True)
class Change:
    """One event of a booking: the slot that stands after it, and the one before where it moved.

    `kind` is one of the words above; `calendar_sequence` is the calendar entry's SEQUENCE, which rises with each
    change and stays with a resend.
    """

    version: int
    kind: str
    slot: Slot
    previous: Slot | None
    actor: str
    reason: str
    calendar_sequence: int
    happened_at: datetime

    @property
    def by_customer(self) -> bool:
        return self.actor == CUSTOMER


@dataclass(frozen=True, slots=True)
class Letter:
    """One e-mail to one person, ready to be written; `name` is one of `rebook.events.LETTERS`."""

    delivery_id: UUID
    name: str
    recipient: str
    message_id: str
    fell_due_at: datetime
    correlation_id: str
    booking: Booking
    change: Change

    @property
    def to_team(self) -> bool:
        return self.name.startswith(_FOR_TEAM)

    @property
    def timezone(self) -> str:
        """The zone that its reader thinks in: the customer's own, or the meeting type's for the team."""
        return self.booking.timezone if self.to_team else self.booking.customer_timezone

    @property
    def recipient_name(self) -> str:
        if not self.to_team:
            return self.booking.customer_name
        is_host = self.recipient.lower() == self.booking.host_email.lower()
        return self.booking.host_name if is_host else ""


@dataclass(frozen=True, slots=True)
class Call:
    """An event calls for this letter to this person."""

    letter: str
    recipient: str


def called_for(kind: str, booking: Booking) -> list[Call]:
    """The letters that a change calls for: the customer's first, then one to each of host and team."""
    calls = [Call(_TO_CUSTOMER[kind], booking.customer_email)]
    if kind in _TO_TEAM:
        calls += [Call(_TO_TEAM[kind], address) for address in team_of(booking)]
    return calls


def team_of(booking: Booking) -> list[str]:
    """The host and every address to be told, each once whatever the letters' case."""
    once: dict[str, str] = {}
    for address in (booking.host_email, *booking.team):
        once.setdefault(address.lower(), address)
    return list(once.values())


def event_id(booking_id: UUID, version: int) -> str:
    """The CloudEvents id of a booking's event."""
    return f"{booking_id}:{version}"


def history_of(source: str, booked_by: str) -> str:
    """What a delivery's id says about the store that its event came from: as a rule nothing.

    A booking is confirmed once in all histories. Where the store was restored since (`booked_by` is the source of the
    confirmation), a later event of the same version may have been lost, and its letters are others.
    """
    return "" if source == booked_by or not booked_by else source


def delivery_id(event: str, call: Call, minutes_before: int | None = None) -> UUID:
    """The same event, recipient, letter and (for a reminder) minutes always make the same delivery.

    A booking has one customer, so they count as `customer`: the delivery stays the same when the address is erased.
    """
    recipient = call.recipient if call.letter.startswith(_FOR_TEAM) else CUSTOMER
    return uuid5(_DELIVERIES, json.dumps([event, recipient, call.letter, minutes_before]))


def message_id(delivery: UUID, domain: str) -> str:
    return f"<{delivery}@{domain}>"


def thread_id(letter: Letter, domain: str) -> str:
    """The Message-ID of the letter that first told this person about the booking."""
    first = "team-confirmation" if letter.to_team else "confirmation"
    opened_by = event_id(letter.booking.booking_id, 1)
    return message_id(delivery_id(opened_by, Call(first, letter.recipient)), domain)
