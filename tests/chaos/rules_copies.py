"""What the topics and the queries must show, by what the event store holds."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from rebook.events import TOPIC_OF
from rebook.moments import format_moment, parse_moment
from rebook.topics import DELIVERIES

from chaos.case import Rulebook

if TYPE_CHECKING:
    from rebook.cloudevents import Event

    from chaos.case import Case, Verdict
    from chaos.fold import Standing

RULES = Rulebook()

_HISTORY = {
    "rebook.BookingConfirmed.v1": "confirmed",
    "rebook.BookingRescheduled.v1": "rescheduled",
    "rebook.BookingCancelled.v1": "cancelled",
    "rebook.ConfirmationResendRequested.v1": "resend-requested",
    "rebook.EmailSent.v1": "email-sent",
    "rebook.EmailFailed.v1": "email-failed",
    "rebook.EmailSkipped.v1": "email-skipped",
}


@RULES.rule("every event of the store is on its topic, as it is, and nothing else is")
def published(case: Case, verdict: Verdict) -> None:
    wanted = {(TOPIC_OF[event.type], event.id): event for event in case.seen.store}
    there = {
        (topic, event.id): event
        for topic, events in case.seen.topics.items()
        if topic != DELIVERIES
        for event in events
    }
    for place, event in wanted.items():
        verdict.expect(there.get(place) == event, f"{event.id} is on {place[0]} as {there.get(place)}")
    for place in there.keys() - wanted.keys():
        verdict.expect(False, f"{place[1]} on {place[0]} is not in the store")


@RULES.rule("the events of one stream are on their topic in order")
def in_order(case: Case, verdict: Verdict) -> None:
    """Each version comes (again) after the one before it: the relay may repeat itself.

    So a copy may come early too, by a relay that stood still, was replaced, and woke up in a topic made anew.
    """
    for topic, events in case.seen.topics.items():
        reached: Counter[tuple[str, str]] = Counter()
        copies: dict[tuple[str, str], list[int]] = defaultdict(list)
        for event in events:
            stream = (event.source, event.id.rpartition(":")[0])
            copies[stream].append(event.sequence)
            if event.sequence == reached[stream] + 1:
                reached[stream] += 1
        for stream, found in copies.items():
            verdict.expect(reached[stream] == max(found), f"{stream[1]} is on {topic} in the order {found}")


@RULES.rule("the queries show every booking as its events make it, and no other")
def read_tables(case: Case, verdict: Verdict) -> None:
    shown = case.seen.bookings
    for booking_id, standings in case.standings.items():
        verdict.expect(
            _as_shown(shown.get(booking_id)) == _as_folded(standings[-1]),
            f"{booking_id} is shown as {_as_shown(shown.get(booking_id))}, but is {_as_folded(standings[-1])}",
        )
    for booking_id in shown.keys() - case.standings.keys():
        verdict.expect(False, f"{booking_id} is shown, but was never booked")
    folded = [standings[-1] for standings in case.standings.values()]
    cancelled = sum(stands.status == "cancelled" for stands in folded)
    now = format_moment(case.seen.read_at)
    past = sum(stands.status != "cancelled" and stands.ends_at <= now for stands in folded)
    wanted = {"upcoming": len(folded) - cancelled - past, "past": past, "cancelled": cancelled}
    verdict.expect(case.seen.counts == wanted, f"the counts are {case.seen.counts}, not {wanted}")


def _as_shown(booking: dict[str, Any] | None) -> tuple[Any, ...] | None:
    if booking is None:
        return None
    names = ("version", "status", "starts_at", "ends_at", "reschedules")
    return (
        *(booking[name] for name in names),
        booking["host"]["email"].lower(),
        booking["customer"]["email"],
    )


def _as_folded(stands: Standing) -> tuple[Any, ...]:
    times = (stands.starts_at, stands.ends_at)
    return (stands.version, stands.status, *times, stands.reschedules, stands.host, stands.customer)


@RULES.rule("a booking's history is its events and what became of its letters")
def histories(case: Case, verdict: Verdict) -> None:
    letters: dict[str, dict[str, Event]] = defaultdict(dict)
    for event in case.seen.topics[DELIVERIES]:
        letters[event.subject][event.id] = event
    for booking_id, booking in case.seen.bookings.items():
        happened = [*case.streams.get(booking_id, ()), *letters[booking_id].values()]
        wanted = sorted((parse_moment(event.time), *_entry(event)) for event in happened)
        shown = sorted(
            (parse_moment(entry["at"]), entry["type"], entry.get("letter", ""), entry.get("recipient", ""))
            for entry in booking["history"]
        )
        verdict.expect(shown == wanted, f"the history of {booking_id} is {shown}, not {wanted}")


def _entry(event: Event) -> tuple[str, str, str]:
    return _HISTORY[event.type], event.data.get("letter", ""), event.data.get("recipient", "")


@RULES.rule("nothing is parked, and no letter is a dead one")
def nothing_parked(case: Case, verdict: Verdict) -> None:
    for service in ("query", "notifier"):
        for name in ("parked_streams", "dead_letters"):
            verdict.expect(
                case.seen.status[service].get(name) == 0, f"{service} has {name}: {case.seen.status}"
            )
