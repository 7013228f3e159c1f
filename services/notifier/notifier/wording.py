"""What each letter says, once: its text part and its HTML part are both drawn from this."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from notifier import letters, times

if TYPE_CHECKING:
    from collections.abc import Callable

    from rebook.manage_links import ManageLinks

    from notifier.letters import Letter

GREETED_MAX_LENGTH = 60
_KEEP_TO_YOURSELF = "Whoever has the links can change the booking, so please keep them to yourself."
_OPENERS, _CLOSERS = {"\u202a", "\u202b", "\u202d", "\u202e"}, "\u202c"
_ISOLATES, _ISOLATE_CLOSER = {"\u2066", "\u2067", "\u2068"}, "\u2069"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the letter's table; `before` is what it was until now."""

    label: str
    value: str
    before: str = ""


@dataclass(frozen=True, slots=True)
class Button:
    label: str
    url: str
    primary: bool = False


@dataclass(frozen=True, slots=True)
class Wording:
    """Everything that a reader of one letter sees.

    `tone` is the colour of its event: `good`, `moved` or `gone`. `quotes` are what people typed, with a label each.
    """

    subject: str
    tone: str
    headline: str
    greeting: str
    lead: str
    rows: list[Row]
    quotes: list[Row]
    buttons: list[Button]
    notes: list[str]
    footer: str
    struck: bool = False


class Writer:
    """Finds the words for a letter; manage links are made here, at the last moment, and kept nowhere."""

    def __init__(self, links: ManageLinks, public_url: str) -> None:
        self._links = links
        self._public_url = public_url

    def words_for(self, letter: Letter) -> Wording:
        return _LETTERS[letter.name](self, letter)

    def _confirmation(self, letter: Letter) -> Wording:
        again = letter.change.kind == letters.RESEND_REQUESTED
        return self._to_customer(
            letter,
            subject="Confirmed",
            headline="Your meeting is confirmed",
            lead="Here is your confirmation again, with the time that stands now."
            if again
            else "We look forward to meeting you. The attached file puts the meeting into your calendar.",
        )

    def _rescheduled(self, letter: Letter) -> Wording:
        who = "You have moved your meeting" if letter.change.by_customer else "We had to move your meeting"
        return self._to_customer(
            letter,
            subject="Rescheduled",
            tone="moved",
            headline="Your meeting has a new time",
            lead=f"{who}. The attached file moves it in your calendar.",
        )

    def _reminder(self, letter: Letter) -> Wording:
        return self._to_customer(
            letter,
            subject="Reminder",
            headline="Your meeting is coming up",
            lead="We look forward to meeting you.",
        )

    def _to_customer(
        self, letter: Letter, *, subject: str, headline: str, lead: str, tone: str = "good"
    ) -> Wording:
        url = self._links.url(letter.booking.booking_id)
        return Wording(
            subject=_subject(subject, letter),
            tone=tone,
            headline=headline,
            greeting=_greeting(letter),
            lead=lead,
            rows=[*_meeting(letter), Row("Host", _line(letter.booking.host_name))],
            quotes=_reason(letter),
            buttons=[
                Button("Reschedule", f"{url}/reschedule", primary=True),
                Button("Cancel", f"{url}/cancel"),
            ],
            notes=[_how_long(letter), _KEEP_TO_YOURSELF],
            footer=_answers(letter),
        )

    def _cancelled(self, letter: Letter) -> Wording:
        who = (
            "You have cancelled your meeting"
            if letter.change.by_customer
            else "We had to cancel your meeting"
        )
        return Wording(
            subject=_subject("Cancelled", letter),
            tone="gone",
            headline="Your meeting is cancelled",
            greeting=_greeting(letter),
            lead=f"{who}. The attached file takes it out of your calendar.",
            rows=[*_meeting(letter), Row("Host", _line(letter.booking.host_name))],
            quotes=_reason(letter),
            buttons=[
                Button("Book again", f"{self._public_url}/book/{letter.booking.meeting_type}", primary=True)
            ],
            notes=[],
            footer=_answers(letter),
            struck=True,
        )

    def _team_confirmation(self, letter: Letter) -> Wording:
        return self._to_team(
            letter, subject="New booking", tone="good", headline="New booking", lead="has booked"
        )

    def _team_rescheduled(self, letter: Letter) -> Wording:
        return self._to_team(
            letter, subject="Rescheduled", tone="moved", headline="Booking rescheduled", lead="has moved"
        )

    def _team_cancelled(self, letter: Letter) -> Wording:
        return self._to_team(
            letter, subject="Cancelled", tone="gone", headline="Booking cancelled", lead="has cancelled"
        )

    def _to_team(self, letter: Letter, *, subject: str, tone: str, headline: str, lead: str) -> Wording:
        booking, change = letter.booking, letter.change
        who = _line(booking.customer_name) if change.by_customer else change.actor
        notes = [Row("Notes", _text(booking.notes))] if booking.notes and tone == "good" else []
        return Wording(
            subject=_subject(subject, letter),
            tone=tone,
            headline=headline,
            greeting="",
            lead=f"{who} {lead} this meeting.",
            rows=[
                *_meeting(letter),
                Row("Customer", f"{_line(booking.customer_name)} <{booking.customer_email}>"),
                Row("Their time zone", booking.customer_timezone),
                Row("Host", _line(booking.host_name)),
            ],
            quotes=[*notes, *_reason(letter)],
            buttons=[
                Button(
                    "Open the booking",
                    f"{self._public_url}/scheduling/bookings/{booking.booking_id}",
                    primary=True,
                )
            ],
            notes=[],
            footer="You get this as the host, or because the team wished you to be told.",
            struck=tone == "gone",
        )


_LETTERS: dict[str, Callable[[Writer, Letter], Wording]] = {
    "confirmation": Writer._confirmation,
    "rescheduled": Writer._rescheduled,
    "cancelled": Writer._cancelled,
    "reminder": Writer._reminder,
    "team-confirmation": Writer._team_confirmation,
    "team-rescheduled": Writer._team_rescheduled,
    "team-cancelled": Writer._team_cancelled,
}


def _subject(begins: str, letter: Letter) -> str:
    who = f" with {_line(letter.booking.customer_name)}" if letter.to_team else ""
    when = times.in_short(letter.change.slot.starts_at, letter.timezone)
    return f"{begins}: {_line(letter.booking.title)}{who} on {when}"


def _meeting(letter: Letter) -> list[Row]:
    change = letter.change
    before = times.in_full(change.previous, letter.timezone) if change.previous else ""
    return [
        Row("Meeting", _line(letter.booking.title)),
        Row("When", times.in_full(change.slot, letter.timezone), before),
        Row("Where", _line(letter.booking.location)),
    ]


def _reason(letter: Letter) -> list[Row]:
    return [Row("Reason", _text(letter.change.reason))] if letter.change.reason else []


def _greeting(letter: Letter) -> str:
    """Anyone can type anything as the name of someone else's address: only what looks like a name is greeted."""
    name = _line(letter.booking.customer_name)
    is_name = (
        len(name) <= GREETED_MAX_LENGTH and not any(mark in name for mark in "/@:<>") and "www." not in name
    )
    return f"Hello {name}," if is_name else "Hello,"


def _how_long(letter: Letter) -> str:
    move, cancel = letter.booking.reschedule_cutoff_minutes, letter.booking.cancel_cutoff_minutes
    if not move and not cancel:
        return "Both links work right up until the meeting starts."
    return f"You can reschedule until {_before(move)}, and cancel until {_before(cancel)}."


def _before(minutes: int) -> str:
    return f"{times.in_words(minutes)} before the meeting" if minutes else "the meeting starts"


def _answers(letter: Letter) -> str:
    return f"Questions? Answer this e-mail: it reaches {_line(letter.booking.host_name)}."


def _line(text: str) -> str:
    """Typed text as one line."""
    return _text(" ".join(text.split()))


def _text(text: str) -> str:
    """Typed text without control characters, its changes of writing direction ended where it ends."""
    kept = "".join(
        character
        for character in text
        if character == "\n" or unicodedata.category(character) not in {"Cc", "Cs"}
    )
    opened = sum(character in _OPENERS for character in kept) - kept.count(_CLOSERS)
    isolated = sum(character in _ISOLATES for character in kept) - kept.count(_ISOLATE_CLOSER)
    return kept + _CLOSERS * max(opened, 0) + _ISOLATE_CLOSER * max(isolated, 0)
