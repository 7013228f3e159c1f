"""How a booking stands after each of its events, by the contract alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rebook.moments import parse_moment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from rebook.cloudevents import Event


@dataclass(frozen=True)
class Standing:
    """A booking after an event; `hold` is None once it is cancelled."""

    version: int
    status: str
    starts_at: str
    ends_at: str
    reschedules: int
    host: str
    customer: str
    hold: tuple[datetime, datetime] | None


def fold(events: Sequence[Event]) -> list[Standing]:
    """One standing for each event of a booking, oldest first; none for any other stream."""
    if not events or events[0].type != "rebook.BookingConfirmed.v1":
        return []
    standings = [_confirmed(events[0])]
    for event in events[1:]:
        standings.append(_after(standings[-1], event))
    return standings


def _confirmed(event: Event) -> Standing:
    data = event.data
    return Standing(
        version=event.sequence,
        status="confirmed",
        starts_at=data["starts_at"],
        ends_at=data["ends_at"],
        reschedules=0,
        host=data["host"]["email"].lower(),
        customer=data["customer"]["email"],
        hold=_hold(event),
    )


def _after(before: Standing, event: Event) -> Standing:
    known = replace(before, version=event.sequence)
    if event.type == "rebook.BookingRescheduled.v1":
        slot = {name: event.data[name] for name in ("starts_at", "ends_at")}
        return replace(
            known, status="rescheduled", reschedules=before.reschedules + 1, hold=_hold(event), **slot
        )
    if event.type == "rebook.BookingCancelled.v1":
        return replace(known, status="cancelled", hold=None)
    if event.type == "rebook.CustomerErased.v1":
        return replace(known, customer="")
    return known


def _hold(event: Event) -> tuple[datetime, datetime]:
    hold = event.data["hold"]
    return parse_moment(hold["starts_at"]), parse_moment(hold["ends_at"])
