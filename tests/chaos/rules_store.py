"""What the event store must hold, by what clients were answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chaos.case import Rulebook
from chaos.history import ACKNOWLEDGED, BOOK, CANCEL, MOVE, READ, REFUSED, WRITES

if TYPE_CHECKING:
    from datetime import datetime

    from chaos.case import Case, Verdict
    from chaos.history import Call

RULES = Rulebook()

_ANSWERS = {
    READ: frozenset({0, 200, 502, 503}),
    **dict.fromkeys(WRITES, frozenset({0, 200, 201, 202, 409, 412, 502, 503})),
}


@RULES.rule("every acknowledged write is in the store, as it was answered")
def acknowledged(case: Case, verdict: Verdict) -> None:
    for call in case.writes:
        if call.outcome != ACKNOWLEDGED:
            continue
        answer = call.answer
        stands = case.standing(answer["booking_id"], answer["version"])
        told = (answer["status"], answer["starts_at"], answer["ends_at"])
        is_there = stands is not None and (stands.status, stands.starts_at, stands.ends_at) == told
        verdict.expect(is_there, f"{_named(call)} was answered {told}, but there is {stands}")
        if stands:
            event = case.streams[answer["booking_id"]][answer["version"] - 1]
            verdict.expect(
                event.position == answer["position"],
                f"{_named(call)} was answered position {answer['position']}, which is {event.position}",
            )


@RULES.rule("every acknowledged act changed what it was asked to change, once")
def once(case: Case, verdict: Verdict) -> None:
    for calls in case.acts.values():
        events = [event for call in calls for event in case.caused_by[call.correlation_id]]
        verdict.expect(len(events) <= 1, f"{_named(calls[0])} was done {len(events)} times")
        done = [call for call in calls if call.outcome == ACKNOWLEDGED]
        if done and not events:
            verdict.expect(
                _was_so_already(case, done[0]), f"{_named(done[0])} was acknowledged but never done"
            )
        answers = {(call.answer["booking_id"], call.answer["version"]) for call in done}
        verdict.expect(len(answers) <= 1, f"{_named(calls[0])} was answered in several ways: {answers}")
        if done and events:
            told = {(event.subject, event.sequence) for event in events}
            verdict.expect(answers == told, f"{_named(done[0])} was answered {answers}, but did {told}")


def _was_so_already(case: Case, call: Call) -> bool:
    """Cancelling again and moving to where it is change nothing."""
    stands = case.standing(call.answer["booking_id"], call.answer["version"])
    if stands is None:
        return False
    is_there = call.kind == MOVE and stands.starts_at == call.asked["starts_at"]
    return is_there or (call.kind == CANCEL and stands.status == "cancelled")


@RULES.rule("nothing that was refused is in the store")
def refused(case: Case, verdict: Verdict) -> None:
    for call in case.writes:
        if call.outcome == REFUSED:
            done = case.caused_by[call.correlation_id]
            verdict.expect(
                not done, f"{_named(call)} was refused as {call.code}, but did {[e.id for e in done]}"
            )


@RULES.rule("refusals are true")
def true_refusals(case: Case, verdict: Verdict) -> None:
    for call in case.calls:
        verdict.expect(
            call.status in _ANSWERS[call.kind], f"{_named(call)} was answered {call.status} {call.answer}"
        )
        if call.code == "stale-version":
            verdict.expect("if_match" in call.asked, f"{_named(call)} is stale without an If-Match")
        if call.code == "booking-cancelled":
            last = case.standings.get(call.asked["booking_id"], [None])[-1]
            verdict.expect(
                last and last.status == "cancelled", f"{_named(call)}: that booking is not cancelled"
            )


@RULES.rule("If-Match let a change through at that very version only")
def conditional(case: Case, verdict: Verdict) -> None:
    for call in case.writes:
        if call.outcome == ACKNOWLEDGED and "if_match" in call.asked:
            asked, version = call.asked["if_match"], call.answer["version"]
            verdict.expect(
                version in (asked, asked + 1), f"{_named(call)} If-Match {asked} made version {version}"
            )


@RULES.rule("what is stored is what was asked for, and nothing else is")
def as_asked(case: Case, verdict: Verdict) -> None:
    asked_by = {call.correlation_id: call for call in case.writes}
    for booking_id, standings in case.standings.items():
        for event, stands in zip(case.streams[booking_id], standings, strict=True):
            call = asked_by.get(event.correlation_id)
            verdict.expect(call, f"{event.id} ({event.type}) was asked for by nobody")
            if call and call.kind in {BOOK, MOVE}:
                verdict.expect(
                    stands.starts_at == call.asked["starts_at"],
                    f"{event.id} starts at {stands.starts_at}, not at {call.asked['starts_at']}",
                )
            if call and call.kind == BOOK:
                verdict.expect(
                    stands.customer == call.asked["email"],
                    f"{event.id} is for {stands.customer}, not the caller",
                )


@RULES.rule("versions have no gaps, positions no repeats")
def versions(case: Case, verdict: Verdict) -> None:
    for subject, events in case.streams.items():
        found = sorted(event.sequence for event in events)
        verdict.expect(found == [*range(1, len(found) + 1)], f"{subject} has the versions {found}")
        in_order = [event.sequence for event in events]
        verdict.expect(in_order == found, f"{subject} has its versions in the order {in_order}")
    positions = [event.position for event in case.seen.store]
    verdict.expect(len(set(positions)) == len(positions), "a position was given twice")


@RULES.rule("one winner for each time of a host, at every moment")
def one_winner(case: Case, verdict: Verdict) -> None:
    """In the order of positions: who takes a time that was given back has the later one."""
    held: dict[str, dict[str, tuple[datetime, datetime]]] = {}
    for event in case.seen.store:
        stands = case.standing(event.subject, event.sequence)
        if stands is None:
            continue
        of_host = held.setdefault(stands.host, {})
        of_host.pop(event.subject, None)
        if stands.hold:
            start, end = stands.hold
            rivals = [other for other, (since, until) in of_host.items() if since < end and start < until]
            verdict.expect(not rivals, f"{event.id} holds a time of {stands.host} that {rivals} hold too")
            of_host[event.subject] = stands.hold


@RULES.rule("holds and Idempotency-Keys were stored with their events, or not at all")
def whole(case: Case, verdict: Verdict) -> None:
    wanted = {
        (booking_id, standings[-1].host, *standings[-1].hold)
        for booking_id, standings in case.standings.items()
        if standings[-1].hold
    }
    there = {tuple(hold) for hold in case.seen.holds}
    for hold in wanted | there:
        verdict.expect(hold in wanted and hold in there, f"hold {hold} is there: {hold in there}")
    for key, (booking_id, version) in case.seen.keys.items():
        verdict.expect(
            case.standing(booking_id, version), f"key {key} answers for an event that is not there"
        )
    for act, calls in case.acts.items():
        is_keyed = any("key" in call.asked for call in calls)
        done = [event for call in calls for event in case.caused_by[call.correlation_id]]
        if is_keyed and done:
            kept = case.seen.keys.get(act)
            verdict.expect(
                kept == (done[0].subject, done[0].sequence), f"{_named(calls[0])} is stored without its key"
            )


@RULES.rule("nobody read a version older than the one they were told of")
def own_writes(case: Case, verdict: Verdict) -> None:
    for call in case.calls:
        if call.kind == READ and call.outcome == ACKNOWLEDGED:
            answer = call.answer
            verdict.expect(
                answer["version"] >= call.asked["min_version"],
                f"{_named(call)} saw version {answer['version']}, not {call.asked['min_version']}",
            )
            stands = case.standing(answer["booking_id"], answer["version"])
            verdict.expect(
                stands and (stands.status, stands.starts_at) == (answer["status"], answer["starts_at"]),
                f"{_named(call)} saw {answer['status']} {answer['starts_at']}, but there was {stands}",
            )


def _named(call: Call) -> str:
    return f"{call.kind} at {call.began_s:.2f} s (act {call.act})"
