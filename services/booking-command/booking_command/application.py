"""Bookings: load, decide, append. The only reader of the clock, and the judge of races.

Two changes to one booking: exactly one wins by the stream's version, the other is decided anew on fresh
state. Two claims on one time: the hold that is written with the events decides.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from eventsourcing.persistence import PersistenceError
from rebook.moments import format_moment, utc_now
from rebook.problems import Refused

from booking_command.booking import Booking
from booking_command.commands import NO_VERSION, UNCONDITIONAL, Conditions, IdempotencyKey
from booking_command.definitions import OUTDATED, Definitions
from booking_command.refusals import Busy, IdempotencyKeyReused, SlotTaken, StaleVersion, UnknownBooking
from booking_command.store import Statement, violated

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from booking_command.commands import Cancel, Confirm, Reschedule, ResendConfirmation
    from booking_command.definitions import Definition
    from booking_command.store import EventStore

    Decision = tuple[Booking, Sequence[Statement]]  # what changes, and what must hold when it is stored

ATTEMPTS = 8
_LOST_RACES = {"race", "stored_events_pkey", "idempotency_keys_pkey", "slot_holds_pkey"}
_LONGEST_PAUSE_S = 0.05  # between two attempts; random, so that rivals part

_RECEIPT = """
SELECT key.fingerprint, key.booking_id, key.version, key.status, key.starts_at, key.ends_at,
       event.notification_id AS position, key.created_at > now() - interval '24 hours' AS is_kept
FROM idempotency_keys AS key JOIN stored_events AS event
  ON event.originator_id = key.booking_id AND event.originator_version = key.version
WHERE key.scope = %s AND key.key = %s
"""
_FORGET = """
DELETE FROM idempotency_keys WHERE scope = %s AND key = %s AND created_at <= now() - interval '24 hours' RETURNING 1
"""
_REMEMBER = """
INSERT INTO idempotency_keys (scope, key, fingerprint, booking_id, version, status, starts_at, ends_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
"""


@dataclass(frozen=True)
class Receipt:
    """What a booking command answers: the booking as it stands now, and where its last event is in the store.

    `repeated` where the answer was given before, to a request with the same Idempotency-Key.
    """

    booking_id: UUID
    version: int
    status: str
    starts_at: datetime
    ends_at: datetime
    position: int
    repeated: bool = False

    def as_json(self) -> dict[str, Any]:
        return {
            "booking_id": str(self.booking_id),
            "version": self.version,
            "status": self.status,
            "starts_at": format_moment(self.starts_at),
            "ends_at": format_moment(self.ends_at),
            "position": self.position,
        }


class Bookings:
    """Every command on bookings, each answered with a receipt or a refusal."""

    def __init__(self, store: EventStore, now: Callable[[], datetime] = utc_now) -> None:
        self._store = store
        self._now = now
        self._definitions = Definitions(store)

    def confirm(
        self,
        command: Confirm,
        conditions: Conditions = UNCONDITIONAL,
        may_book: Callable[[], None] = lambda: None,
    ) -> Receipt:
        """Claim a slot for a customer; `may_book` refuses those who must not, and is not asked about a repeat."""
        booking_id = uuid4()

        def confirmed(by: Definition) -> Booking:
            by.must_be_offered()
            if not conditions.allow(NO_VERSION):
                raise StaleVersion
            return Booking.confirm(
                booking_id,
                by.slug,
                by.terms,
                by.schedule,
                command.starts_at,
                customer=command.customer,
                notes=command.notes,
                now=self._now(),
            )

        def decide() -> Decision:
            may_book()
            booking, proof = self._definitions.decide(command.meeting_type, confirmed)
            return booking, [proof]

        return self._settle(decide, conditions)

    def reschedule(self, command: Reschedule, conditions: Conditions = UNCONDITIONAL) -> Receipt:
        """Move a meeting by the present hours of its type and the frozen terms of the booking."""

        def decide() -> Decision:
            booking = self._booking(command.booking_id, conditions)

            def moved(by: Definition) -> None:
                schedule = by.schedule.lasting(booking.duration_minutes)
                booking.reschedule(
                    command.starts_at, schedule, actor=command.actor, reason=command.reason, now=self._now()
                )

            _, proof = self._definitions.decide(booking.meeting_type, moved)
            return booking, [proof] if booking.pending_events else []

        return self._settle(decide, conditions)

    def cancel(self, command: Cancel, conditions: Conditions = UNCONDITIONAL) -> Receipt:
        """Cancel a meeting and give its time back."""

        def decide() -> Decision:
            booking = self._booking(command.booking_id, conditions)
            booking.cancel(actor=command.actor, reason=command.reason, now=self._now())
            return booking, []

        return self._settle(decide, conditions)

    def resend_confirmation(
        self, command: ResendConfirmation, conditions: Conditions = UNCONDITIONAL
    ) -> Receipt:
        """Have the confirmation mailed to the customer again."""

        def decide() -> Decision:
            booking = self._booking(command.booking_id, conditions)
            booking.resend_confirmation(actor=command.actor, now=self._now())
            return booking, []

        return self._settle(decide, conditions)

    def _settle(self, decide: Callable[[], Decision], conditions: Conditions) -> Receipt:
        for _ in range(ATTEMPTS):
            answered = self._answered(conditions.key)
            if answered:
                return answered
            try:
                booking, proofs = decide()
                return self._save(booking, proofs, conditions.key)
            except (PersistenceError, Refused) as error:
                answered = self._answered(conditions.key)
                if answered:  # meanwhile, to a rival with the same key: what refused this one is its doing
                    return answered
                self._must_be_lost_race(error)
            time.sleep(random.uniform(0, _LONGEST_PAUSE_S))  # noqa: S311
        raise Busy

    def _must_be_lost_race(self, error: PersistenceError | Refused) -> None:
        """Return when the command is to be decided anew; raise what else it failed for."""
        reason = violated(error)
        if reason == "slot_holds_never_overlap":
            raise SlotTaken from None
        if reason == OUTDATED:
            self._definitions.forget()
        elif reason not in _LOST_RACES:
            raise error

    def _booking(self, booking_id: UUID, conditions: Conditions) -> Booking:
        booking = self._store.find(Booking, booking_id)
        if booking is None:
            raise UnknownBooking
        if not conditions.allow(booking.version):
            raise StaleVersion
        return booking

    def _answered(self, key: IdempotencyKey | None) -> Receipt | None:
        if key is None:
            return None
        row = self._store.appender.row(_RECEIPT, (key.scope, key.key))
        if row is None:
            return None
        known = dict(row)
        if not known.pop("is_kept"):
            self._store.appender.row(_FORGET, (key.scope, key.key))
            return None
        if known.pop("fingerprint") != key.fingerprint:
            raise IdempotencyKeyReused
        return Receipt(**known, repeated=True)

    def _save(self, booking: Booking, proofs: Sequence[Statement], key: IdempotencyKey | None) -> Receipt:
        position = self._store.append(booking, beside=[*_remember(key, booking), *proofs, *_hold(booking)])
        return Receipt(
            booking.id,
            booking.version,
            booking.status,
            booking.slot.starts_at,
            booking.slot.ends_at,
            position,
        )


def _hold(booking: Booking) -> list[Statement]:
    """The change to the host's holds that must happen together with the booking's pending events."""
    if not booking.pending_events:
        return []
    if booking.status == "cancelled":
        return [Statement("DELETE FROM slot_holds WHERE booking_id = %s", (booking.id,))]
    if isinstance(booking.pending_events[-1], (Booking.Confirmed, Booking.Rescheduled)):
        return [Statement("SELECT take_hold(%s, %s, %s, %s)", (booking.id, booking.host, *booking.hold))]
    return []


def _remember(key: IdempotencyKey | None, booking: Booking) -> list[Statement]:
    if key is None:
        return []
    receipt = (booking.id, booking.version, booking.status, *booking.slot)
    return [Statement(_REMEMBER, (key.scope, key.key, key.fingerprint, *receipt))]
