"""Bookings and their letters become read tables and history (see `projection`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rebook import events

from booking_query.projection import folds

if TYPE_CHECKING:
    from rebook.cloudevents import Event

    from booking_query.folding import Bookings

NOTIFIER = "notifier"  # in a booking's history, who sends letters


@folds(events.BOOKING_CONFIRMED)
def confirmed(event: Event, bookings: Bookings) -> None:
    booking = bookings.of(event.subject)
    if booking.takes(event):
        data = event.data
        booking.facts |= {"status": "confirmed", "created_at": event.time}
        booking.facts |= _terms(data) | _people(data) | _slot(data)
        bookings.remember(event, event.subject, "confirmed", data["actor"])


@folds(events.BOOKING_RESCHEDULED)
def rescheduled(event: Event, bookings: Bookings) -> None:
    booking = bookings.of(event.subject)
    if booking.takes(event):
        data = event.data
        booking.facts |= {"status": "rescheduled"} | _slot(data)
        booking.moves += 1
        moved = {
            "from": data["previous_starts_at"],
            "from_ends_at": data["previous_ends_at"],
            "to": data["starts_at"],
            "to_ends_at": data["ends_at"],
            "reason": data.get("reason", ""),
        }
        bookings.remember(event, event.subject, "rescheduled", data["actor"], **moved)


@folds(events.BOOKING_CANCELLED)
def cancelled(event: Event, bookings: Bookings) -> None:
    booking = bookings.of(event.subject)
    if booking.takes(event):
        reason = event.data.get("reason", "")
        booking.facts |= {"status": "cancelled", "cancelled_at": event.time, "cancel_reason": reason}
        bookings.remember(event, event.subject, "cancelled", event.data["actor"], reason=reason)


@folds(events.CONFIRMATION_RESEND_REQUESTED)
def resend_requested(event: Event, bookings: Bookings) -> None:
    if bookings.of(event.subject).takes(event):
        bookings.remember(event, event.subject, "resend-requested", event.data["actor"])


@folds(events.CUSTOMER_ERASED)
def customer_erased(event: Event, bookings: Bookings) -> None:
    if bookings.of(event.subject).takes(event):
        bookings.forget(event.subject)
        bookings.remember(event, event.subject, "customer-erased", event.data["actor"])


@folds(events.EMAIL_SENT)
def email_sent(event: Event, bookings: Bookings) -> None:
    _remember_letter(event, bookings, "email-sent")


@folds(events.EMAIL_FAILED)
def email_failed(event: Event, bookings: Bookings) -> None:
    _remember_letter(event, bookings, "email-failed")


@folds(events.EMAIL_SKIPPED)
def email_skipped(event: Event, bookings: Bookings) -> None:
    _remember_letter(event, bookings, "email-skipped")


def _remember_letter(event: Event, bookings: Bookings, kind: str) -> None:
    """A letter's outcome; deliveries are streams of their own, so it may come before the booking's own events."""
    told = ("letter", "recipient", "minutes_before", "reason")
    details = {name: event.data[name] for name in told if event.data.get(name) is not None}
    bookings.remember(event, event.data["booking_id"], kind, NOTIFIER, **details)


def _terms(data: dict[str, Any]) -> dict[str, Any]:
    """The meeting type's, frozen as they stood."""
    return {
        "meeting_type": data["meeting_type"],
        "title": data["title"],
        "location": data["location"],
        "timezone": data["timezone"],
        "duration_minutes": data["duration_minutes"],
        "reschedule_cutoff_minutes": data["reschedule_cutoff_minutes"],
        "cancel_cutoff_minutes": data["cancel_cutoff_minutes"],
        "notes": data["notes"],
    }


def _people(data: dict[str, Any]) -> dict[str, str]:
    host, customer = data["host"], data["customer"]
    return {
        "host": host["email"].lower(),
        "host_name": host["name"],
        "host_email": host["email"],
        "customer_name": customer["name"],
        "customer_email": customer["email"],
        "customer_timezone": customer["timezone"],
    }


def _slot(data: dict[str, Any]) -> dict[str, str]:
    """A booking's time, and with its buffers."""
    return {
        "starts_at": data["starts_at"],
        "ends_at": data["ends_at"],
        "hold_starts_at": data["hold"]["starts_at"],
        "hold_ends_at": data["hold"]["ends_at"],
    }
