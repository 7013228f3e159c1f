"""The sentence at the top of a page: what has just been done, or why it was not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rebook.problems import PROBLEMS

from booking_query.forms import friendly
from booking_query.presentation import ERASED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rebook.drafts import Draft

CHOICE_REFUSED = frozenset({"slot-taken", "slot-unavailable"})


@dataclass(frozen=True)
class Notice:
    """`tone` is good or bad."""

    title: str
    text: str = ""
    tone: str = "good"


def just_done(arguments: Mapping[str, str], version: int) -> str:
    """What the address says has just been done; nothing once the booking has changed again since."""
    return arguments.get("done", "") if arguments.get("min_version") == str(version) else ""


def after_customer(done: str, email: str) -> Notice | None:
    """What is true now, for the customer who has just done something; nobody mails one whose address is erased."""
    if not email:
        return {
            "moved": Notice("Your meeting has moved", "The new time is below."),
            "cancelled": Notice("Your booking is cancelled", "The time is free again."),
        }.get(done)
    return {
        "booked": Notice("You are booked", f"A confirmation is on its way to {email}."),
        "moved": Notice("Your meeting has moved", f"The new time is below, and on its way to {email}."),
        "cancelled": Notice(
            "Your booking is cancelled", f"The time is free again. A notice is on its way to {email}."
        ),
    }.get(done)


def after_team(done: str, customer: str) -> Notice | None:
    """What is true now, for the member of the team who has just done something."""
    told = "The team is being told." if customer == ERASED else f"{customer} and the team are being told."
    return {
        "moved": Notice("The meeting has moved", told),
        "cancelled": Notice("The booking is cancelled", told),
        "resent": Notice("The confirmation is being sent again", f"It goes to {customer}."),
        "added": Notice("Added", "Copy its booking link below and share it."),
        "saved": Notice("Saved", "Its booking page shows this from now on."),
        "deleted": Notice("Deleted", "Bookings that were made stay as they are."),
        "password-changed": Notice("Your password is changed"),
        "token-revoked": Notice("The token is revoked", "Programs that used it are refused from now on."),
    }.get(done)


def choice_refused(draft: Draft | None) -> Notice | None:
    """Why the calendar is back: somebody was quicker, or the time is not on offer any more."""
    if draft is None or draft.code not in CHOICE_REFUSED:
        return None
    kept = " What you typed is kept." if draft.typed.get("name") or draft.typed.get("reason") else ""
    title = (
        "Sorry, somebody else just took that time"
        if draft.code == "slot-taken"
        else "That time is not on offer"
    )
    return Notice(title, f"These are the times that are free now; choose another one.{kept}", "bad")


def gone_meanwhile() -> Notice:
    return Notice("That time is not free any more", "These are the times that are free now.", "bad")


def refused(draft: Draft | None) -> Notice | None:
    """A refusal that belongs to the whole page rather than to a form on it."""
    if draft is None or draft.code not in PROBLEMS:
        return None
    return Notice(*friendly(draft), tone="bad")
