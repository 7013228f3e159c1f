"""A made-up history: bookings that are made, moved and cancelled, with the letters about each change."""

from __future__ import annotations

import heapq
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from bench.people import person
from rebook import events
from rebook.cloudevents import Event
from rebook.moments import format_moment

if TYPE_CHECKING:
    from collections.abc import Iterator

HOSTS = 80
FIRST_START = datetime(2029, 1, 1, 8, tzinfo=UTC)
_SHARE_MOVED, _SHARE_CANCELLED = 0.30, 0.15


def history(count: int, within: int = 20_000, seed: int = 1) -> Iterator[Event]:
    """So many events in the order in which they happened: a third of bookings, the others of letters.

    A booking that changes does so at most `within` events after the last time.
    """
    chance, numbers = random.Random(seed), iter(range(count))
    due: list[tuple[int, int, Event]] = []
    for place in range(count):
        while not due or due[0][0] > place:
            number = next(numbers)
            for delay, event in _life(chance, number, within):
                heapq.heappush(due, (place + delay, len(due) + number * 8, event))
        yield heapq.heappop(due)[2]


def _life(chance: random.Random, number: int, within: int) -> Iterator[tuple[int, Event]]:
    """One booking's events and letters, each with how much later it comes."""
    booking_id = str(UUID(int=chance.getrandbits(128), version=4))
    start = start_of(number)
    delay, version = 0, 1
    yield delay, _confirmed(booking_id, number, start)
    yield from _letters(chance, booking_id, version, delay, "confirmation")
    if chance.random() < _SHARE_MOVED:
        delay, version = delay + chance.randrange(10, within), version + 1
        yield delay, _moved(booking_id, start)
        yield from _letters(chance, booking_id, version, delay, "rescheduled")
    if chance.random() < _SHARE_CANCELLED:
        delay, version = delay + chance.randrange(10, within), version + 1
        yield delay, _cancelled(booking_id, version)
        yield from _letters(chance, booking_id, version, delay, "cancelled")


def start_of(number: int) -> datetime:
    """When the booking of that number starts: each host has a meeting every half hour of the day."""
    day, hour = divmod(number // HOSTS, 16)
    return FIRST_START + timedelta(days=day, minutes=30 * hour)


def host(number: int) -> dict[str, str]:
    return {"name": f"Host {number % HOSTS}", "email": f"host{number % HOSTS}@example.org"}


def _slot(start: datetime) -> dict[str, Any]:
    times = {
        "starts_at": format_moment(start),
        "ends_at": format_moment(start + timedelta(minutes=30)),
    }
    return times | {"hold": dict(times)}


def _confirmed(booking_id: str, number: int, start: datetime) -> Event:
    data = {
        "booking_id": booking_id,
        "meeting_type": "intro-call",
        "title": "Intro call",
        "duration_minutes": 30,
        "location": "https://meet.example.org/intro",
        "host": host(number),
        "timezone": "Europe/Berlin",
        "team": [host(number)["email"], "office@example.org"],
        "reminders_minutes_before": [60],
        "reschedule_cutoff_minutes": 60,
        "cancel_cutoff_minutes": 0,
        **_slot(start),
        "customer": person(number),
        "notes": "",
        "actor": "customer",
    }
    return _event(events.BOOKING_CONFIRMED, booking_id, 1, data)


def _moved(booking_id: str, start: datetime) -> Event:
    before = {"previous_starts_at": format_moment(start), "previous_ends_at": format_moment(start)}
    data = {"booking_id": booking_id, **before, **_slot(start + timedelta(days=1)), "actor": "customer"}
    return _event(events.BOOKING_RESCHEDULED, booking_id, 2, data | {"reason": ""})


def _cancelled(booking_id: str, version: int) -> Event:
    data = {"booking_id": booking_id, "actor": "customer", "reason": "Something came up."}
    return _event(events.BOOKING_CANCELLED, booking_id, version, data)


def _letters(
    chance: random.Random, booking_id: str, version: int, delay: int, letter: str
) -> Iterator[tuple[int, Event]]:
    for recipient, name in (("customer@example.org", letter), ("office@example.org", f"team-{letter}")):
        delivery_id = str(UUID(int=chance.getrandbits(128), version=4))
        data = {
            "delivery_id": delivery_id,
            "booking_id": booking_id,
            "event_id": f"{booking_id}:{version}",
            "letter": name,
            "recipient": recipient,
            "minutes_before": None,
            "message_id": f"<{delivery_id}@example.org>",
        }
        facts = {"id": f"{delivery_id}:1", "source": "/notifier"}
        yield delay + 5, _event(events.EMAIL_SENT, booking_id, 1, data, **facts)


def _event(kind: str, booking_id: str, version: int, data: dict[str, Any], **facts: Any) -> Event:
    usual = {
        "id": f"{booking_id}:{version}",
        "source": "/booking-command/0d9e1a0c-6f52-4a0e-8f0b-7f8f1f6c2a11",
        "type": kind,
        "subject": booking_id,
        "time": "2028-12-01T09:00:00.123456Z",
        "sequence": version,
        "position": version,
        "correlation_id": "3f6a2c1e-0d55-4a57-9b80-5d0ce1f8a913",
        "data": data,
    }
    return Event(**(usual | facts))
