"""What each letter says, once: its text part and its HTML part are both drawn from this."""

from __future__ import annotations

from typing import TYPE_CHECKING

from notifier import letters, times
from notifier.words import Button, Row, Wording, line, meeting, reason, subject_line, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from rebook.manage_links import ManageLinks

    from notifier.letters import Booking, Letter

GREETED_MAX_LENGTH = 60
_KEEP_TO_YOURSELF = "Whoever has the links can change the booking, so please keep them to yourself."


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
            subject=subject_line(subject, letter),
            tone=tone,
            headline=headline,
            greeting=_greeting(letter),
            lead=lead,
            rows=[*meeting(letter), Row("Host", line(letter.booking.host_name))],
            quotes=reason(letter),
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
            subject=subject_line("Cancelled", letter),
            tone="gone",
            headline="Your meeting is cancelled",
            greeting=_greeting(letter),
            lead=f"{who}. The attached file takes it out of your calendar.",
            rows=[*meeting(letter), Row("Host", line(letter.booking.host_name))],
            quotes=reason(letter),
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
        who = line(booking.called) if change.by_customer else change.actor
        notes = [Row("Notes", text(booking.notes))] if booking.notes and tone == "good" else []
        return Wording(
            subject=subject_line(subject, letter),
            tone=tone,
            headline=headline,
            greeting="",
            lead=f"{who} {lead} this meeting.",
            rows=[
                *meeting(letter),
                Row("Customer", _customer(booking)),
                Row("Their time zone", booking.customer_timezone),
                Row("Host", line(booking.host_name)),
            ],
            quotes=[*notes, *reason(letter)],
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


def _customer(booking: Booking) -> str:
    address = "" if booking.customer_is_erased else f" <{booking.customer_email}>"
    return f"{line(booking.called)}{address}"


def _greeting(letter: Letter) -> str:
    """Anyone can type anything as the name of someone else's address: only what looks like a name is greeted."""
    name = line(letter.booking.customer_name)
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
    return f"Questions? Answer this e-mail: it reaches {line(letter.booking.host_name)}."
