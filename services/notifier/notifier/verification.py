"""Recomputes from the events of bookings what the notifier's tables should hold, and compares."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from rebook.events import BOOKING_CONFIRMED, CUSTOMER_ERASED
from rebook.moments import parse_moment
from rebook.operating import as_decided
from rebook.parking import reason_of

from notifier import reminders
from notifier.bookings import confirmed_by, slot_of
from notifier.inbox import KINDS
from notifier.letters import (
    CANCELLED,
    CONFIRMED,
    REMINDER,
    RESEND_REQUESTED,
    Booking,
    Call,
    called_for,
    history_of,
)
from notifier.letters import delivery_id as id_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from psycopg2.extensions import connection as Connection  # noqa: N812
    from rebook.cloudevents import Event

_AT_ONCE = 10_000
_AGAIN_AFTER_S = 0.5


@dataclass
class Story:
    """One booking by its events alone: how it stands, and every delivery that it calls for."""

    booking: Booking
    starts_at: datetime
    version: int = 0
    status: str = CONFIRMED
    letters: dict[UUID, str] = field(default_factory=dict)  # names by delivery id
    reminders: dict[UUID, int] = field(default_factory=dict)  # minutes, of every slot it ever had
    standing: dict[int, tuple[int, datetime, UUID]] = field(default_factory=dict)  # of the present slot
    sources: list[str] = field(default_factory=list)  # of its events, from version 1 on

    def goes_on(self, event: Event) -> None:
        """Take in the next event, or raise and be as before; one that was taken in before changes nothing."""
        if event.sequence != self.version + 1:
            return
        if event.type in KINDS:
            kind, _ = KINDS[event.type]
            if kind != RESEND_REQUESTED:
                self._changes(event, kind)
            calls = called_for(kind, self.booking)
            self.letters |= {id_of(self._key(event), call): call.letter for call in calls}
        elif event.type == CUSTOMER_ERASED:
            self.booking, self.standing = replace(self.booking, customer_email=""), {}
        self.version = event.sequence
        self.sources.append(event.source)

    def _changes(self, event: Event, kind: str) -> None:
        starts_at = self.starts_at if kind == CANCELLED else slot_of(event.data).starts_at
        due = reminders.moments(self.booking, kind, starts_at, parse_moment(event.time))
        call = Call(REMINDER, self.booking.customer_email)
        planned = {
            minutes: (event.sequence, at, id_of(self._key(event), call, minutes))
            for minutes, at in due.items()
        }
        self.status, self.starts_at = kind, starts_at
        self.reminders |= {made: minutes for minutes, (_, _, made) in planned.items()}
        self.standing = {} if self.booking.customer_is_erased else planned

    def _key(self, event: Event) -> str:
        return history_of(event.source, (self.sources or [event.source])[0]) + event.id

    def has_another(self, version: int, source: str) -> bool:
        """Whether its event of that version is not the one of that source: the store was restored since."""
        return self.sources[version - 1] != (source or self.sources[0])


class Replayed(NamedTuple):
    """Every booking that events tell of from its confirmation on; a sentence for each event that nobody can apply."""

    stories: dict[UUID, Story]
    hopeless: list[str]


def replayed(events: Iterable[Event], discarded: set[tuple[str, str, int]]) -> Replayed:
    """What events tell, those left out that an operator has given up."""
    found = Replayed({}, [])
    for event in events:
        decided = as_decided(event, discarded)
        try:
            _take_in(found.stories, decided)
        except Exception as error:  # whatever it is, it must not hide what else there is to tell
            said = f"event {event.id}: cannot be applied: {reason_of(error)}"
            if decided is event and said not in found.hopeless:
                found.hopeless.append(said)
    return found


def _take_in(stories: dict[UUID, Story], event: Event) -> None:
    booking_id = UUID(event.subject)
    story = stories.get(booking_id)
    if story is None and event.type == BOOKING_CONFIRMED:
        story = Story(confirmed_by(event), slot_of(event.data).starts_at)
    if story is not None:
        story.goes_on(event)
        stories[booking_id] = story


def lasting_differences(connection: Connection, stories: dict[UUID, Story], patience_s: float) -> list[str]:
    """What still differs when the worker has had so many seconds for what was published last."""
    deadline_s = time.monotonic() + patience_s
    while (found := list(differences(connection, stories))) and time.monotonic() < deadline_s:
        time.sleep(_AGAIN_AFTER_S)
    return found


def differences(connection: Connection, stories: dict[UUID, Story]) -> Iterator[str]:
    """A sentence for each; what happened after the events were read is not looked at.

    Letters about a history from before the store was restored were called for then.
    """
    made = {delivery for story in stories.values() for delivery in story.letters}
    there: set[UUID] = set()
    columns = "version, source, delivery_id, letter"
    for booking_id, version, source, delivery, letter in _rows(connection, columns, "deliveries"):
        there.add(delivery)
        story = stories.get(booking_id)
        if not story or version > story.version or delivery in made or delivery in story.reminders:
            continue
        if not story.has_another(version, source):
            yield f"booking {booking_id}: nothing calls for delivery {delivery} ({letter})"
    for booking_id, story in stories.items():
        for delivery, letter in story.letters.items():
            if delivery not in there:
                yield f"booking {booking_id}: delivery {delivery} ({letter}) is missing"
    standings = {row[0]: row[1:] for row in _rows(connection, "version, status, starts_at", "bookings")}
    yield from _other_standings(standings, stories)
    as_read = {b: story for b, story in stories.items() if standings.get(b, (0,))[0] == story.version}
    yield from _other_reminders(connection, as_read, there)


def _other_standings(standings: dict[UUID, Any], stories: dict[UUID, Story]) -> Iterator[str]:
    for booking_id, story in stories.items():
        version, *facts = standings.get(booking_id, (0, None, None))
        if version < story.version:
            yield f"booking {booking_id}: is at version {version} instead of {story.version}"
        elif version == story.version and facts != [story.status, story.starts_at]:
            yield f"booking {booking_id}: stands otherwise than its events say"


def _other_reminders(connection: Connection, stories: dict[UUID, Story], made: set[UUID]) -> Iterator[str]:
    """Each reminder of the slot that stands waits or has become a delivery, and no other waits."""
    columns = "minutes_before, version, due_at"
    waiting = {(row[0], row[1]): tuple(row[2:]) for row in _rows(connection, columns, "reminders")}
    for booking_id, story in stories.items():
        for minutes, (version, due_at, delivery) in story.standing.items():
            if waiting.pop((booking_id, minutes), None) != (version, due_at) and delivery not in made:
                yield f"booking {booking_id}: the reminder {minutes} minutes before is missing"
    for booking_id, minutes in waiting:
        if booking_id in stories:
            yield f"booking {booking_id}: nothing calls for the reminder {minutes} minutes before"


def _rows(connection: Connection, columns: str, table: str) -> Iterator[Any]:
    """A table's rows, a bounded number in memory at a time."""
    with connection, connection.cursor("rows") as cursor:
        cursor.itersize = _AT_ONCE
        cursor.execute(f"SELECT booking_id, {columns} FROM {table}")  # noqa: S608 - names of ours
        yield from cursor
