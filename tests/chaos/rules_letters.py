"""Which letters must have been sent, by what the event store holds; and that no other was."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

from rebook.topics import DELIVERIES

from chaos.case import Rulebook

if TYPE_CHECKING:
    from rebook.cloudevents import Event

    from chaos.case import Case, Verdict
    from chaos.nemesis import Happened

RULES = Rulebook()

_CONFIRMED, _RESCHEDULED = "rebook.BookingConfirmed.v1", "rebook.BookingRescheduled.v1"
_CANCELLED, _RESEND = "rebook.BookingCancelled.v1", "rebook.ConfirmationResendRequested.v1"
_TO_CUSTOMER = {
    _CONFIRMED: "confirmation",
    _RESCHEDULED: "rescheduled",
    _CANCELLED: "cancelled",
    _RESEND: "confirmation",
}
_TO_TEAM = {_CONFIRMED: "team-confirmation", _RESCHEDULED: "team-rescheduled", _CANCELLED: "team-cancelled"}
_SUBJECTS = {
    "confirmation": "Confirmed: ",
    "rescheduled": "Rescheduled: ",
    "cancelled": "Cancelled: ",
    "reminder": "Reminder: ",
    "team-confirmation": "New booking: ",
    "team-rescheduled": "Rescheduled: ",
    "team-cancelled": "Cancelled: ",
}
_SENT, _SKIPPED = "rebook.EmailSent.v1", "rebook.EmailSkipped.v1"
_AFTERMATH_S = 5.0  # of a trouble
_MAY_DOUBLE = {"notifier-worker", "standby-notifier-worker", "postgres", "smtp"}


class Letter(NamedTuple):
    """A letter that an event calls for."""

    event_id: str
    name: str
    recipient: str


@RULES.rule("every letter that an event calls for was decided upon, once")
def called_for(case: Case, verdict: Verdict) -> None:
    decided: dict[Letter, set[str]] = defaultdict(set)
    for event in case.seen.topics[DELIVERIES]:
        if event.data["letter"] != "reminder":
            decided[_letter(event)].add(event.type)
    wanted = set(_called_for(case))
    for letter in wanted:
        verdict.expect(len(decided[letter]) == 1, f"{letter} was decided upon: {decided[letter] or 'never'}")
    for letter in decided.keys() - wanted:
        verdict.expect(False, f"{letter} was called for by nothing")


@RULES.rule("every letter that is said to be sent was sent, and none that is not")
def sent(case: Case, verdict: Verdict) -> None:
    arrived = {mail.message_id: mail for mail in case.seen.mails}
    told = {event.data["message_id"]: event for event in case.seen.topics[DELIVERIES] if event.type == _SENT}
    for message_id, event in told.items():
        mail = arrived.get(message_id)
        name, recipient = event.data["letter"], event.data["recipient"]
        verdict.expect(mail, f"{_letter(event)} is said to be sent, but never came")
        if mail:
            is_right = mail.recipient == recipient and mail.subject.startswith(_SUBJECTS[name])
            verdict.expect(is_right, f"{_letter(event)} came as {mail.subject!r} to {mail.recipient}")
    left_out = {event.data["message_id"] for event in case.seen.topics[DELIVERIES]} - told.keys()
    for message_id in arrived.keys() - told.keys():
        mail = arrived[message_id]
        is_unlearnt = message_id in case.seen.unanswered or _troubles(case, mail.arrived_s, mail.arrived_s)
        verdict.expect(message_id in left_out and is_unlearnt, f"{mail} is not known to have been sent")


@RULES.rule("a letter was left out only where a later one says more")
def skipped(case: Case, verdict: Verdict) -> None:
    for event in case.seen.topics[DELIVERIES]:
        if event.type == _SENT:
            continue
        booking_id, _, version = event.data["event_id"].rpartition(":")
        later = [one for one in case.streams.get(booking_id, ()) if one.sequence > int(version)]
        is_overtaken = event.type == _SKIPPED and any(one.type != _RESEND for one in later)
        verdict.expect(is_overtaken, f"{_letter(event)}: {event.type}, {event.data.get('reason')}")


@RULES.rule("no letter came twice, but where its being taken could not be learnt")
def copies(case: Case, verdict: Verdict) -> None:
    """Each trouble between mail server, worker and database may double the one letter that is under way."""
    arrivals: dict[str, list[float]] = defaultdict(list)
    for mail in case.seen.mails:
        arrivals[mail.message_id].append(mail.arrived_s)
    excuses = Counter(case.seen.unanswered)
    for message_id, times in arrivals.items():
        extra = len(times) - 1 - excuses[message_id]
        near = _troubles(case, min(times), max(times))
        verdict.expect(extra <= len(near), f"{message_id} came {len(times)} times, at {times}")
    troubles = _troubles(case, float("-inf"), float("inf"))
    total = sum(max(0, len(times) - 1 - excuses[one]) for one, times in arrivals.items())
    verdict.expect(total <= len(troubles), f"{total} letters came again, after {len(troubles)} troubles")


@RULES.rule("one person's letters about one booking came in the order of events")
def in_order(case: Case, verdict: Verdict) -> None:
    first = {mail.message_id: mail.arrived_s for mail in reversed(case.seen.mails)}
    to_each: dict[tuple[str, str], dict[str, tuple[float, int]]] = defaultdict(dict)
    for event in case.seen.topics[DELIVERIES]:
        message_id = event.data["message_id"]
        if event.type == _SENT and message_id in first and event.data["letter"] != "reminder":
            booking_id, _, version = event.data["event_id"].rpartition(":")
            of_booking = to_each[event.data["recipient"], booking_id]
            of_booking[message_id] = (first[message_id], int(version))
    for (recipient, booking_id), letters in to_each.items():
        came = [version for _, version in sorted(letters.values())]
        verdict.expect(came == sorted(came), f"{recipient} was told about {booking_id} in the order {came}")


def _troubles(case: Case, since_s: float, until_s: float) -> list[Happened]:
    """What happened then, or shortly before, that can keep the notifier from learning that a letter was taken."""
    return [
        one
        for one in case.happened
        if one.target in _MAY_DOUBLE and one.began_s <= until_s and since_s <= one.ended_s + _AFTERMATH_S
    ]


def _called_for(case: Case) -> list[Letter]:
    """The customer's letter, then one to each of host and team; a resend is the customer's alone."""
    found = []
    for booking_id in case.standings:
        confirmed = case.streams[booking_id][0].data
        team = {address.lower() for address in (confirmed["host"]["email"], *confirmed["team"])}
        for event in case.streams[booking_id]:
            found.append(Letter(event.id, _TO_CUSTOMER[event.type], confirmed["customer"]["email"]))
            if event.type in _TO_TEAM:
                found += [Letter(event.id, _TO_TEAM[event.type], address) for address in team]
    return found


def _letter(event: Event) -> Letter:
    return Letter(event.data["event_id"], event.data["letter"], event.data["recipient"])
