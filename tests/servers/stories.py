"""What happens to made-up bookings, as events on the bookings topic, and the letters that it calls for."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from rebook.cloudevents import Event
from rebook.events import (
    BOOKING_CANCELLED,
    BOOKING_CONFIRMED,
    BOOKING_RESCHEDULED,
    CONFIRMATION_RESEND_REQUESTED,
    CUSTOMER_ERASED,
    check,
)
from rebook.kafka import BOOKINGS, producer
from rebook.moments import format_moment

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random
    from uuid import UUID

    from rebook.kafka import KafkaSettings

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
    reminders_minutes: tuple[int, ...] = (1440, 60)
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
            "reminders_minutes_before": list(self.reminders_minutes),
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
        return chance.choice([self.moves, self.ends, self.is_asked_for])()

    def moves(self) -> Event:
        before, self.starts_at = self.starts_at, self.starts_at + timedelta(days=1)
        self.slot_version = len(self.happened) + 1
        slots = {**slot(before, "previous_"), **slot(self.starts_at), "hold": slot(self.starts_at)}
        return self._event(BOOKING_RESCHEDULED, {**slots, "actor": "customer", "reason": ""})

    def ends(self) -> Event:
        return self._event(BOOKING_CANCELLED, {"actor": "customer", "reason": ""})

    def is_asked_for(self) -> Event:
        return self._event(CONFIRMATION_RESEND_REQUESTED, {"actor": "customer"})

    def is_erased(self) -> Event:
        return self._event(CUSTOMER_ERASED, {"actor": "operator"})

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
        due = {minutes: self.starts_at - timedelta(minutes=minutes) for minutes in self.reminders_minutes}
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


def publish(settings: KafkaSettings, events: Iterable[Event], to: str = BOOKINGS) -> None:
    """Put events on a topic; returns when they are there."""
    with closing(producer(settings)) as client:
        topic = settings.topic(to)
        sent = [client.send(topic, e.value(), e.subject.encode(), e.headers()) for e in events]
        for future in sent:
            future.get(timeout=10)
