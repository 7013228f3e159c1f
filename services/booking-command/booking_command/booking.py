"""The rules of one booking. Pure: time is an argument, and what the store must guarantee is not asked here."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from eventsourcing.domain import event
from rebook.availability import Slot
from rebook.events import CUSTOMER

from booking_command.refusals import BookingIsCancelled, CutoffHasPassed, MeetingHasStarted, SlotUnavailable
from booking_command.streams import Stream, StreamBegun, StreamEvent

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from rebook.availability import Schedule
    from rebook.meeting_types import MeetingType


class Booking(Stream):
    """One customer's claim on one slot, from confirmation to the meeting."""

    TOPIC = "Booking"

    class Confirmed(StreamBegun):
        """The claim was accepted; freezes the terms of the meeting type as they stood."""

        TOPIC = "BookingConfirmed"
        meeting_type: str
        title: str
        duration_minutes: int
        location: str
        host: dict[str, str]
        timezone: str
        team: list[str]
        reminders_minutes_before: list[int]
        reschedule_cutoff_minutes: int
        cancel_cutoff_minutes: int
        starts_at: datetime
        ends_at: datetime
        hold: dict[str, datetime]
        customer: dict[str, str]
        notes: str
        actor: str

    class Rescheduled(StreamEvent):
        """The meeting moved to another slot of the same meeting type."""

        TOPIC = "BookingRescheduled"
        previous_starts_at: datetime
        previous_ends_at: datetime
        starts_at: datetime
        ends_at: datetime
        hold: dict[str, datetime]
        actor: str
        reason: str

    class Cancelled(StreamEvent):
        """The meeting will not take place."""

        TOPIC = "BookingCancelled"
        actor: str
        reason: str

    class ConfirmationResendRequested(StreamEvent):
        """The team asked that the customer be sent the confirmation again."""

        TOPIC = "ConfirmationResendRequested"
        actor: str

    class CustomerErased(StreamEvent):
        """The customer's personal data is gone from the events before."""

        TOPIC = "CustomerErased"
        actor: str

    @classmethod
    def confirm(
        cls,
        booking_id: UUID,
        meeting_type: str,
        terms: MeetingType,
        schedule: Schedule,
        starts_at: datetime,
        *,
        customer: Mapping[str, str],
        notes: str,
        now: datetime,
    ) -> Booking:
        """Accept a customer's claim on a slot.

        Raises:
            SlotUnavailable: the type does not offer that start now.
        """
        if not (schedule.is_bookable_at(starts_at, now) and schedule.lies_in_hours(starts_at)):
            raise SlotUnavailable
        slot = schedule.slot(starts_at)
        return cls.begin(
            cls.Confirmed,
            id=booking_id,
            meeting_type=meeting_type,
            title=terms.title,
            duration_minutes=terms.duration_minutes,
            location=terms.location,
            host={"name": terms.host.name, "email": terms.host.email},
            timezone=terms.timezone,
            team=terms.team_addresses,
            reminders_minutes_before=terms.reminders_minutes_before,
            reschedule_cutoff_minutes=terms.reschedule_cutoff_minutes,
            cancel_cutoff_minutes=terms.cancel_cutoff_minutes,
            starts_at=slot.starts_at,
            ends_at=slot.ends_at,
            hold=schedule.hold(slot)._asdict(),
            customer=dict(customer),
            notes=notes,
            actor=CUSTOMER,
        )

    @event(Confirmed)
    def __init__(
        self,
        meeting_type: str,
        duration_minutes: int,
        host: dict[str, str],
        starts_at: datetime,
        ends_at: datetime,
        hold: dict[str, datetime],
        reschedule_cutoff_minutes: int,
        cancel_cutoff_minutes: int,
    ) -> None:
        self.meeting_type = meeting_type
        self.duration_minutes = duration_minutes
        self.host = host["email"].lower()
        self.slot = Slot(starts_at, ends_at)
        self.hold = Slot(**hold)
        self.reschedule_cutoff = timedelta(minutes=reschedule_cutoff_minutes)
        self.cancel_cutoff = timedelta(minutes=cancel_cutoff_minutes)
        self.status = "confirmed"
        self.is_erased = False

    def reschedule(
        self, starts_at: datetime, schedule: Schedule, *, actor: str, reason: str = "", now: datetime
    ) -> None:
        """Move the meeting to another start; moving it to where it already is changes nothing.

        Raises:
            BookingIsCancelled: a cancelled booking does not move.
            MeetingHasStarted: the link works right up until the meeting, not after.
            CutoffHasPassed: the customer is later than the booking's terms allow.
            SlotUnavailable: the type does not offer that start now.
        """
        self._must_be_changeable(now)
        self._must_be_in_time(self.reschedule_cutoff, actor, now)
        if starts_at == self.slot.starts_at:
            return
        allowed = schedule.is_bookable_at(starts_at, now) if actor == CUSTOMER else now <= starts_at
        if not (allowed and schedule.lies_in_hours(starts_at)):
            raise SlotUnavailable
        slot = schedule.slot(starts_at)
        self._rescheduled(
            self.slot.starts_at,
            self.slot.ends_at,
            slot.starts_at,
            slot.ends_at,
            schedule.hold(slot)._asdict(),
            actor,
            self._kept(reason),
        )

    @event(Rescheduled)
    def _rescheduled(
        self,
        previous_starts_at: datetime,
        previous_ends_at: datetime,
        starts_at: datetime,
        ends_at: datetime,
        hold: dict[str, datetime],
        actor: str,
        reason: str,
    ) -> None:
        self.slot = Slot(starts_at, ends_at)
        self.hold = Slot(**hold)
        self.status = "rescheduled"

    def cancel(self, *, actor: str, reason: str = "", now: datetime) -> None:
        """Cancel the meeting; cancelling again changes nothing.

        Raises:
            MeetingHasStarted: it is too late to cancel.
            CutoffHasPassed: the customer is later than the booking's terms allow.
        """
        if self.status == "cancelled":
            return
        self._must_be_changeable(now)
        self._must_be_in_time(self.cancel_cutoff, actor, now)
        self._cancelled(actor, self._kept(reason))

    @event(Cancelled)
    def _cancelled(self, actor: str, reason: str) -> None:
        self.status = "cancelled"

    def resend_confirmation(self, *, actor: str, now: datetime) -> None:
        """Ask that the customer be sent the confirmation again.

        Raises:
            BookingIsCancelled: there is nothing left to confirm.
            MeetingHasStarted: the confirmation would come too late.
        """
        self._must_be_changeable(now)
        self._resend_requested(actor)

    @event(ConfirmationResendRequested)
    def _resend_requested(self, actor: str) -> None:
        """The request changes nothing about the booking but its version."""

    def erase_customer(self, *, actor: str) -> None:
        """Say that the customer's personal data is gone, which the store takes out together with this event.

        The booking stands as it did, and keeps no reasons from now on. Erasing again changes nothing.
        """
        if not self.is_erased:
            self._customer_erased(actor)

    @event(CustomerErased)
    def _customer_erased(self, actor: str) -> None:
        self.is_erased = True

    def _kept(self, reason: str) -> str:
        """What is kept of a reason: whoever types one about an erased customer may name them."""
        return "" if self.is_erased else reason

    def _must_be_changeable(self, now: datetime) -> None:
        if self.status == "cancelled":
            raise BookingIsCancelled
        if now >= self.slot.starts_at:
            raise MeetingHasStarted

    def _must_be_in_time(self, cutoff: timedelta, actor: str, now: datetime) -> None:
        if actor == CUSTOMER and now > self.slot.starts_at - cutoff:
            raise CutoffHasPassed
