"""Which reminders must have been sent, and of which slot."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from rebook.moments import parse_moment
from rebook.topics import DELIVERIES

from chaos.case import Rulebook

if TYPE_CHECKING:
    from rebook.cloudevents import Event

    from chaos.case import Case, Verdict

RULES = Rulebook()

_RESEND = "rebook.ConfirmationResendRequested.v1"
_WITHIN = timedelta(seconds=30)  # of falling due, or of everything being well again


@RULES.rule("reminders came once, of the slot that stood, and none was forgotten")
def reminders(case: Case, verdict: Verdict) -> None:
    decided = {
        (event.data["event_id"], event.data["minutes_before"]): event
        for event in case.seen.topics[DELIVERIES]
        if event.data["letter"] == "reminder"
    }
    ids = [event.data["message_id"] for event in decided.values()]
    verdict.expect(len(set(ids)) == len(ids), "two reminders have one Message-ID")
    for (event_id, minutes), event in decided.items():
        planned = event_id in {one.id for one in case.streams.get(event.subject, ())}
        verdict.expect(
            planned and minutes, f"the reminder {event_id} of {minutes} minutes was planned by nobody"
        )
    for booking_id, standings in case.standings.items():
        confirmed, last = case.streams[booking_id][0], _last_change(case.streams[booking_id])
        if standings[-1].status == "cancelled":
            continue
        for minutes in confirmed.data["reminders_minutes_before"]:
            due_at = parse_moment(standings[-1].starts_at) - timedelta(minutes=minutes)
            is_due = parse_moment(last.time) < due_at < case.seen.read_at - _WITHIN
            if is_due:
                verdict.expect(
                    (last.id, minutes) in decided, f"the reminder {last.id} of {minutes} min never came"
                )


def _last_change(events: list[Event]) -> Event:
    return [event for event in events if event.type != _RESEND][-1]
