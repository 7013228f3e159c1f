"""What facts are called on the pages: pure, from values to words. English, 24-hour clock, the zone always named."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from rebook.times import clock, day_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from zoneinfo import ZoneInfo

STATUSES = {"confirmed": "Confirmed", "rescheduled": "Rescheduled", "cancelled": "Cancelled"}
FILTERS = {"upcoming": "Upcoming", "past": "Past", "cancelled": "Cancelled"}
ERASED = "Erased customer"  # the name of whoever asked to be forgotten
LETTERS = {
    "confirmation": "Confirmation",
    "rescheduled": "Notice of the new time",
    "cancelled": "Cancellation notice",
    "reminder": "Reminder",
    "team-confirmation": "New-booking notice to the team",
    "team-rescheduled": "Notice of the new time to the team",
    "team-cancelled": "Cancellation notice to the team",
}
_MINUTE_UNITS = ((1440, "day", "days"), (60, "hour", "hours"), (1, "minute", "minutes"))


def moment(at: datetime, where: ZoneInfo) -> str:
    """A point in time, such as `5 Nov 2030, 15:00`."""
    local = at.astimezone(where)
    return f"{short_day(local.date())}, {clock(local)}"


def short_day(day: date) -> str:
    return f"{day.day} {day_name(day).split()[2][:3]} {day.year}"


def weekday_and_day(day: date) -> str:
    """`Tue 5 Nov`, where the year goes without saying."""
    weekday, number, month, _ = day_name(day).split()
    return f"{weekday[:3]} {number} {month[:3]}"


def relative_day(day: date, today: date) -> str:
    """`Today`, `Tomorrow`, `Yesterday`, or nothing where the date says it best."""
    return {0: "Today", 1: "Tomorrow", -1: "Yesterday"}.get((day - today).days, "")


def duration(minutes: int) -> str:
    """`45 minutes`, `1 hour`, `1 hour 30 minutes`, `2 days`."""
    parts = []
    for size, one, many in _MINUTE_UNITS:
        count, minutes = divmod(minutes, size)
        if count:
            parts.append(f"{count} {one if count == 1 else many}")
    return " ".join(parts) or "0 minutes"


def length(starts_at: datetime, ends_at: datetime) -> str:
    return duration(round((ends_at - starts_at) / timedelta(minutes=1)))


def who(actor: str) -> str:
    """Who did it, in a sentence: the customer, the mail system, an operator, or a member of the team by address."""
    return {"customer": "the customer", "notifier": "Rebook", "operator": "an operator"}.get(actor, actor)


def count(number: int | str, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


@dataclass(frozen=True)
class HistoryLine:
    """One entry of a booking's timeline; `kind` picks its mark."""

    at: datetime
    at_text: str
    kind: str
    title: str
    facts: tuple[str, ...] = ()
    reason: str = ""


def history_line(entry: Mapping[str, Any], where: ZoneInfo) -> HistoryLine:
    """A line of the timeline; a kind that is not known yet is shown by its name."""
    kind, at = entry["type"], entry["at"]
    if kind.startswith("email-"):
        return _email_line(entry, where)
    by = f"by {who(entry['by'])}"
    titles = {
        "confirmed": "Booked",
        "rescheduled": "Rescheduled",
        "cancelled": "Cancelled",
        "resend-requested": "Confirmation sent again",
        "customer-erased": "Customer's personal data erased",
    }
    facts = [by, *_moved(entry, where)]
    title = titles.get(kind, kind)
    return HistoryLine(at, moment(at, where), kind, title, tuple(facts), entry.get("reason") or "")


def _moved(entry: Mapping[str, Any], where: ZoneInfo) -> Iterable[str]:
    if entry["type"] == "rescheduled":
        yield f"from {moment(entry['from'], where)} to {moment(entry['to'], where)}"


def _email_line(entry: Mapping[str, Any], where: ZoneInfo) -> HistoryLine:
    letter = LETTERS.get(entry["letter"], entry["letter"])
    outcome = {"email-sent": "sent", "email-failed": "could not be delivered", "email-skipped": "not sent"}
    kind, at = entry["type"], entry["at"]
    title = f"{letter} {outcome.get(kind, kind)}"
    facts = (f"to {entry['recipient'] or 'the customer'}",)
    return HistoryLine(at, moment(at, where), kind, title, facts, entry.get("reason") or "")


def hours_lines(weekly_hours: Mapping[str, Sequence[Sequence[str]]]) -> list[tuple[str, str]]:
    """The week in few lines: neighbouring days with the same hours share one (`Mon-Fri`, `09:00-17:00`)."""
    names = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    lines: list[tuple[str, str, str]] = []
    for name in names:
        text = ", ".join(
            f"{opens}-{closes}" for opens, closes in sorted(map(list, weekly_hours.get(name) or ()))
        )
        if lines and lines[-1][2] == text:
            lines[-1] = (lines[-1][0], name, text)
        else:
            lines.append((name, name, text))
    return [(_days(first, last), text or "closed") for first, last, text in lines]


def _days(first: str, last: str) -> str:
    return first.capitalize() if first == last else f"{first.capitalize()}-{last.capitalize()}"
