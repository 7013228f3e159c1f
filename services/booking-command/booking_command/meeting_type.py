"""A meeting type over time: every definition it has had, and whether it is on offer now."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid5

from eventsourcing.domain import event
from rebook.meeting_types import MeetingType as Terms

from booking_command.refusals import UnknownMeetingType
from booking_command.streams import NAMESPACE, Stream, StreamBegun, StreamEvent


class MeetingType(Stream):
    """What can be booked, under its slug."""

    TOPIC = "MeetingType"

    class Defined(StreamBegun):
        """The type was added."""

        TOPIC = "MeetingTypeDefined"
        slug: str
        definition: dict[str, Any]
        actor: str

    class Redefined(StreamEvent):
        """The type was changed, or added again after it was deleted."""

        TOPIC = "MeetingTypeRedefined"
        slug: str
        definition: dict[str, Any]
        actor: str

    class Deleted(StreamEvent):
        """It cannot be booked any more; its bookings stay."""

        TOPIC = "MeetingTypeDeleted"
        slug: str
        actor: str

    @staticmethod
    def id_of(slug: str) -> UUID:
        return uuid5(NAMESPACE, f"meeting-type:{slug}")

    @classmethod
    def define(cls, slug: str, terms: Terms, *, actor: str) -> MeetingType:
        return cls.begin(cls.Defined, id=cls.id_of(slug), slug=slug, definition=terms.as_json(), actor=actor)

    @event(Defined)
    def __init__(self, slug: str, definition: dict[str, Any]) -> None:
        self.slug = slug
        self.definition = definition
        self.deleted = False

    @property
    def terms(self) -> Terms:
        """The present definition, or the last one of a deleted type."""
        return Terms.from_json(self.definition)

    def redefine(self, terms: Terms, *, actor: str) -> None:
        """Put another definition in force; the same one again changes nothing."""
        if self.deleted or self.definition != terms.as_json():
            self._redefined(self.slug, terms.as_json(), actor)

    @event(Redefined)
    def _redefined(self, slug: str, definition: dict[str, Any], actor: str) -> None:
        self.definition = definition
        self.deleted = False

    def delete(self, *, actor: str) -> None:
        """Take it off the offer.

        Raises:
            UnknownMeetingType: it was deleted before.
        """
        self.must_be_offered()
        self._deleted(self.slug, actor)

    @event(Deleted)
    def _deleted(self, slug: str, actor: str) -> None:
        self.deleted = True

    def must_be_offered(self) -> None:
        if self.deleted:
            raise UnknownMeetingType
