"""What happens to made-up bookings, as events on the bookings topic, and the letters that it calls for."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from rebook.cloudevents import Event
from rebook.events import (
    BOOKING_CANCELLED,
    BOOKING_CONFIRMED,
    BOOKING_RESCHEDULED,
    CONFIRMATION_RESEND_REQUESTED,
    check,
)
from rebook.moments import format_moment

if TYPE_CHECKING:
    from random import Random
    from uuid import UUID

REMINDERS = (1440, 60)
_TO_CUSTOMER = {
    BOOKING_CONFIRMED: "confirmation",
    BOOKING_RESCHEDULED: "rescheduled",
    BOOKING_CANCELLED: "cancelled",
    CONFIRMATION_RESEND_REQUESTED: "confirmation",
}


def slot(starts_at: datetime, prefix: str = "") -> dict[str, str]:
    ends_at = starts_at + timedelta(minutes=30)
    return {f"{prefix}starts_at": format_moment(starts_at), f"{prefix}ends_at": format_moment(ends_at)}


@dataclass
class Story:
    """One booking; each method lets something happen to it and gives the event."""

    id: UUID
    starts_at: datetime
    happened: list[str] = field(default_factory=list)  # types, in order
    slot_version: int = 1

    @property
    def customer(self) -> str:
        return f"c{self.id.hex[:12]}@example.com"

    @property
    def host(self) -> str:
        return f"h{self.id.hex[:12]}@example.org"

    @property
    def is_over(self) -> bool:
        return BOOKING_CANCELLED in self.happened

    def begins(self) -> Event:
        data = {
            "meeting_type": "intro-call",
            "title": "Intro call",
            "duration_minutes": 30,
            "location": "Room 1",
            "host": {"name": "Grace", "email": self.host},
            "timezone": "Europe/Berlin",
            "team": [self.host],
            "reminders_minutes_before": list(REMINDERS),
            "reschedule_cutoff_minutes": 0,
            "cancel_cutoff_minutes": 0,
            **slot(self.starts_at),
            "hold": slot(self.starts_at),
            "customer": {"name": "Ada", "email": self.customer, "timezone": "Europe/London"},
            "notes": "",
            "actor": "customer",
        }
        return self._event(BOOKING_CONFIRMED, data)

    def goes_on(self, chance: Random) -> Event:
        """Moved, cancelled, or its confirmation asked for again."""
        kind = chance.choice([BOOKING_RESCHEDULED, BOOKING_CANCELLED, CONFIRMATION_RESEND_REQUESTED])
        data: dict[str, Any] = {"actor": "customer"}
        if kind == BOOKING_RESCHEDULED:
            before, self.starts_at = self.starts_at, self.starts_at + timedelta(days=1)
            data |= {**slot(before, "previous_"), **slot(self.starts_at), "hold": slot(self.starts_at)}
            self.slot_version = len(self.happened) + 1
        if kind != CONFIRMATION_RESEND_REQUESTED:
            data["reason"] = ""
        return self._event(kind, data)

    def letters(self) -> set[tuple[UUID, int, str, str]]:
        """Booking, version, letter and recipient of everything that is to be mailed, reminders left out."""
        called = set()
        for version, kind in enumerate(self.happened, 1):
            letter = _TO_CUSTOMER[kind]
            called.add((self.id, version, letter, self.customer))
            if kind != CONFIRMATION_RESEND_REQUESTED:
                called.add((self.id, version, f"team-{letter}", self.host))
        return called

    def reminders(self) -> set[tuple[UUID, int, int, datetime]]:
        """Booking, version, minutes and moment of every reminder that waits."""
        due = {minutes: self.starts_at - timedelta(minutes=minutes) for minutes in REMINDERS}
        waiting = () if self.is_over else due.items()
        return {(self.id, self.slot_version, minutes, at) for minutes, at in waiting}

    def _event(self, kind: str, data: dict[str, Any]) -> Event:
        self.happened.append(kind)
        version = len(self.happened)
        data = {"booking_id": str(self.id), **data}
        assert not check(kind, data)
        now = format_moment(datetime.now(UTC))
        return Event(
            f"{self.id}:{version}", "/booking-command/x", kind, str(self.id), now, version, 1, "c", data
        )
