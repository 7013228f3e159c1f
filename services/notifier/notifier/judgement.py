"""Whether a letter whose turn has come still makes sense; if not, why not."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from notifier.letters import CANCELLED, REMINDER

if TYPE_CHECKING:
    from datetime import datetime

    from notifier.queue import Due

LATE_AFTER = timedelta(seconds=60)  # a quick book-and-move is told in two letters; a late one in the last


def reason_to_skip(due: Due, now: datetime, max_age: timedelta) -> str:
    """A sentence for the booking's history; empty when the letter should go out."""
    if due.letter.booking.customer_is_erased and not due.letter.to_team:
        return "The customer's data has been erased."
    if now - (due.released_at or due.letter.fell_due_at) > max_age:
        return "It fell due too long ago."
    if due.letter.name == REMINDER:
        return _why_no_reminder(due, now)
    is_late = due.has_failed or now - due.letter.fell_due_at > LATE_AFTER
    if is_late and due.changed_version > due.version:
        return "A later change has overtaken it."
    return ""


def _why_no_reminder(due: Due, now: datetime) -> str:
    if due.status == CANCELLED:
        return "The meeting has been cancelled."
    if due.changed_version != due.version:
        return "The meeting has been moved."
    if due.letter.change.slot.starts_at <= now:
        return "The meeting has begun."
    return ""
