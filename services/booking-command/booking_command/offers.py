"""Meeting types: define, change, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from eventsourcing.persistence import PersistenceError

from booking_command.application import ATTEMPTS
from booking_command.commands import NO_VERSION, UNCONDITIONAL
from booking_command.meeting_type import MeetingType
from booking_command.refusals import Busy, SlugTaken, StaleVersion, UnknownMeetingType
from booking_command.store import violated

if TYPE_CHECKING:
    from collections.abc import Callable

    from rebook.meeting_types import MeetingType as Terms

    from booking_command.commands import Conditions
    from booking_command.store import EventStore


class OfferReceipt(NamedTuple):
    """What `PUT` of a meeting type answers; `added` where it was not on offer before."""

    slug: str
    version: int
    position: int
    added: bool


class Offers:
    """Every command on meeting types."""

    def __init__(self, store: EventStore) -> None:
        self._store = store

    def add(self, slug: str, terms: Terms, *, actor: str) -> OfferReceipt:
        """Put a definition on offer under a slug that is free; adding the same one again changes nothing.

        Raises:
            SlugTaken: it is on offer with another definition.
        """
        return self._settle(lambda: self._added(slug, terms, actor))

    def define(self, slug: str, terms: Terms, *, actor: str, conditions: Conditions) -> OfferReceipt:
        """Put a definition in force; the same one again changes nothing."""
        return self._settle(lambda: self._defined(slug, terms, actor, conditions))

    def change(self, slug: str, terms: Terms, *, actor: str, conditions: Conditions) -> OfferReceipt:
        """Put a form's definition in force; where it is, a second click has nothing left to do."""
        return self._settle(lambda: self._changed(slug, terms, actor, conditions))

    def delete(self, slug: str, *, actor: str, conditions: Conditions) -> OfferReceipt:
        """Take a type off the offer; its bookings stay."""
        return self._settle(lambda: self._deleted(slug, actor, conditions))

    def withdraw(self, slug: str, *, actor: str, conditions: Conditions) -> OfferReceipt:
        """Take a type off the offer by its form; where it is off, a second click has nothing left to do."""
        return self._settle(lambda: self._withdrawn(slug, actor, conditions))

    def _added(self, slug: str, terms: Terms, actor: str) -> tuple[MeetingType, bool]:
        offered = self._find(slug)
        if offered and not offered.deleted and offered.definition != terms.as_json():
            raise SlugTaken
        return self._defined(slug, terms, actor, UNCONDITIONAL)

    def _defined(
        self, slug: str, terms: Terms, actor: str, conditions: Conditions
    ) -> tuple[MeetingType, bool]:
        offered = self._find(slug)
        added = offered is None or offered.deleted
        if not conditions.allow(NO_VERSION if offered is None or offered.deleted else offered.version):
            raise StaleVersion
        if offered is None:
            return MeetingType.define(slug, terms, actor=actor), added
        offered.redefine(terms, actor=actor)
        return offered, added

    def _changed(
        self, slug: str, terms: Terms, actor: str, conditions: Conditions
    ) -> tuple[MeetingType, bool]:
        offered = self._find(slug)
        if offered and not offered.deleted and offered.definition == terms.as_json():
            return offered, False
        return self._defined(slug, terms, actor, conditions)

    def _withdrawn(self, slug: str, actor: str, conditions: Conditions) -> tuple[MeetingType, bool]:
        offered = self._find(slug)
        if offered and offered.deleted:
            return offered, False
        return self._deleted(slug, actor, conditions)

    def _deleted(self, slug: str, actor: str, conditions: Conditions) -> tuple[MeetingType, bool]:
        offered = self._find(slug)
        if offered is None:
            raise UnknownMeetingType
        offered.must_be_offered()
        if not conditions.allow(offered.version):
            raise StaleVersion
        offered.delete(actor=actor)
        return offered, False

    def _settle(self, decide: Callable[[], tuple[MeetingType, bool]]) -> OfferReceipt:
        for _ in range(ATTEMPTS):
            offered, added = decide()
            try:
                position = self._store.append(offered)
            except PersistenceError as error:
                if violated(error) != "stored_events_pkey":
                    raise
                continue
            return OfferReceipt(offered.slug, offered.version, position, added)
        raise Busy

    def _find(self, slug: str) -> MeetingType | None:
        return self._store.find(MeetingType, MeetingType.id_of(slug))
