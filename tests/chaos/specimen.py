"""A small history with everything that it implies, by which the checker itself is tested."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

from rebook.cloudevents import Event
from rebook.moments import format_moment, parse_moment
from rebook.topics import BOOKINGS, DELIVERIES, MEETING_TYPES, TEAM

from chaos.fold import fold
from chaos.history import BOOK, CANCEL, MOVE, READ, RESEND, Call
from chaos.seen import Hold, Mail, Seen

NOON = parse_moment("2030-11-05T12:00:00Z")
_BEGAN = parse_moment("2030-11-04T12:00:00Z")
_IDS = UUID("0d4c6f5e-9a06-4f3b-8c1d-6a4bb5a7f2c3")
_HOST = {"name": "Hana", "email": "hana@example.org"}
_KINDS = {BOOK: "BookingConfirmed", MOVE: "BookingRescheduled", CANCEL: "BookingCancelled"}
_KINDS |= {RESEND: "ConfirmationResendRequested"}
_LETTERS = {
    BOOK: (("confirmation", "Confirmed: "), ("team-confirmation", "New booking: ")),
    MOVE: (("rescheduled", "Rescheduled: "), ("team-rescheduled", "Rescheduled: ")),
    CANCEL: (("cancelled", "Cancelled: "), ("team-cancelled", "Cancelled: ")),
    RESEND: (("confirmation", "Confirmed: "),),
}


@dataclass
class Specimen:
    """Acts are added one by one; `calls` and `seen()` are what clients and the checker's readers would have."""

    calls: list[Call] = field(default_factory=list)
    store: list[Event] = field(default_factory=list)
    decisions: list[Event] = field(default_factory=list)
    mails: list[Mail] = field(default_factory=list)
    keys: dict[str, tuple[str, int]] = field(default_factory=dict)

    def done(
        self, kind: str, name: str, hour: int = 0, *, was_told: bool = True, **asked: Any
    ) -> dict[str, Any]:
        """An act that is stored and mailed; without an answer where its caller was not told."""
        booking_id = str(uuid5(_IDS, name))
        act = f"act-{len(self.calls)}"
        self._store(kind, name, booking_id, hour, act)
        stands = fold(self._stream(booking_id))[-1]
        answer = {
            "booking_id": booking_id,
            "version": stands.version,
            "status": stands.status,
            "starts_at": stands.starts_at,
            "ends_at": stands.ends_at,
            "position": len(self.store),
        }
        self.keys[act] = (booking_id, stands.version)
        asked = {"booking_id": booking_id, "starts_at": _at(hour), "email": _email(name), "key": act, **asked}
        self._call(kind, act, asked, 200 if was_told else 0, answer if was_told else {})
        return answer

    def again(self, kind: str, answer: dict[str, Any]) -> None:
        """An act that asks for what is so already: acknowledged, and nothing is stored."""
        asked = {"booking_id": answer["booking_id"], "starts_at": answer["starts_at"]}
        self._call(kind, f"act-{len(self.calls)}", asked, 200, answer)

    def not_done(self, kind: str, name: str, hour: int, status: int, code: str = "", **asked: Any) -> None:
        asked = {"booking_id": str(uuid5(_IDS, name)), "starts_at": _at(hour), "email": _email(name), **asked}
        self._call(kind, f"act-{len(self.calls)}", asked, status, {"code": code} if code else {})

    def read(self, answer: dict[str, Any]) -> None:
        asked = {"booking_id": answer["booking_id"], "min_version": answer["version"]}
        self._call(READ, f"act-{len(self.calls)}", asked, 200, answer)

    def seen(self) -> Seen:
        ids = {event.subject for event in self.store}
        folded = {booking_id: fold(self._stream(booking_id))[-1] for booking_id in ids}
        statuses = [stands.status for stands in folded.values()]
        cancelled = statuses.count("cancelled")
        return Seen(
            store=list(self.store),
            holds=[Hold(one, stands.host, *stands.hold) for one, stands in folded.items() if stands.hold],
            keys=dict(self.keys),
            topics={
                BOOKINGS: list(self.store),
                MEETING_TYPES: [],
                TEAM: [],
                DELIVERIES: list(self.decisions),
            },
            bookings={booking_id: self._details(booking_id) for booking_id in ids},
            counts={"upcoming": len(ids) - cancelled, "past": 0, "cancelled": cancelled},
            mails=list(self.mails),
            unanswered=[],
            status={one: {"parked_streams": 0, "dead_letters": 0} for one in ("query", "notifier")},
            read_at=_BEGAN + timedelta(hours=1),
        )

    def _stream(self, booking_id: str) -> list[Event]:
        return [event for event in self.store if event.subject == booking_id]

    def _call(self, kind: str, act: str, asked: dict[str, Any], status: int, answer: dict[str, Any]) -> None:
        began_s = float(len(self.calls))
        made = Call(act, kind, f"{act}-1", asked, began_s, began_s + 0.5, status, copy.deepcopy(answer))
        self.calls.append(made)

    def _store(self, kind: str, name: str, booking_id: str, hour: int, act: str) -> None:
        version = len(self._stream(booking_id)) + 1
        times = {"starts_at": _at(hour), "ends_at": _at(hour, 30)}
        data: dict[str, Any] = {"hold": dict(times), **times} if kind in {BOOK, MOVE} else {}
        if kind == BOOK:
            data |= {"host": _HOST, "team": [], "customer": {"email": _email(name)}}
            data |= {"reminders_minutes_before": [24 * 60 - 30 + 60 * hour]}  # 30 minutes after the beginning
        event = self._event(booking_id, version, f"rebook.{_KINDS[kind]}.v1", f"{act}-1", data)
        self.store.append(event)
        for (letter, subject), recipient in zip(_LETTERS[kind], (_email(name), _HOST["email"]), strict=False):
            self.sent(event, letter, subject, recipient)

    def sent(
        self, event: Event, letter: str, subject: str, recipient: str, minutes: int | None = None
    ) -> None:
        """A letter about an event, mailed and told."""
        message_id = f"<{uuid5(_IDS, f'{event.id}{letter}{recipient}{minutes}')}@example.org>"
        data = {"event_id": event.id, "letter": letter, "recipient": recipient, "message_id": message_id}
        decided = self._event(
            event.subject, 1, "rebook.EmailSent.v1", "letter", data | {"minutes_before": minutes}
        )
        self.decisions.append(replace(decided, id=f"{message_id}:1"))
        self.mails.append(Mail(message_id, recipient, f"{subject}Intro call", float(len(self.mails))))

    def _event(self, subject: str, version: int, kind: str, correlation: str, data: dict[str, Any]) -> Event:
        number = len(self.store) + 1
        time = format_moment(_BEGAN + timedelta(seconds=number + len(self.decisions)))
        source = "/booking-command/store"
        return Event(f"{subject}:{version}", source, kind, subject, time, version, number, correlation, data)

    def _details(self, booking_id: str) -> dict[str, Any]:
        stands = fold(self._stream(booking_id))[-1]
        told = [one for one in self.decisions if one.subject == booking_id]
        kinds = {f"rebook.{event}.v1": shown for event, shown in _SHOWN.items()}
        history = [
            {"at": event.time, "type": kinds[event.type], **{n: event.data.get(n, "") for n in _OF_LETTERS}}
            for event in (*self._stream(booking_id), *told)
        ]
        return {
            **{name: getattr(stands, name) for name in ("version", "status", "starts_at", "ends_at")},
            "reschedules": stands.reschedules,
            "host": _HOST,
            "customer": {"email": stands.customer},
            "history": history,
        }


_OF_LETTERS = ("letter", "recipient")
_SHOWN = {
    "BookingConfirmed": "confirmed",
    "BookingRescheduled": "rescheduled",
    "BookingCancelled": "cancelled",
    "ConfirmationResendRequested": "resend-requested",
    "EmailSent": "email-sent",
}


def specimen() -> Specimen:
    """Everything once: done, refused, unanswered, asked again, and a reminder."""
    made = Specimen()
    booked = made.done(BOOK, "ada", 1)
    made.read(booked)
    made.not_done(BOOK, "bob", 1, 409, "slot-taken")
    made.done(MOVE, "ada", 2, if_match=1)
    made.not_done(MOVE, "ada", 3, 412, "stale-version", if_match=1)
    made.done(BOOK, "cleo", 1, was_told=False)
    made.done(RESEND, "cleo")
    cancelled = made.done(CANCEL, "ada")
    made.again(CANCEL, cancelled)
    made.not_done(MOVE, "ada", 4, 409, "booking-cancelled")
    made.not_done(BOOK, "dora", 5, 0)
    made.sent(made.store[2], "reminder", "Reminder: ", _email("cleo"), 24 * 60 + 30)
    return made


def _at(hour: int, minute: int = 0) -> str:
    return format_moment(NOON + timedelta(hours=hour, minutes=minute))


def _email(name: str) -> str:
    return f"{name}@example.org"
