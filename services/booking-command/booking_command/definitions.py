"""Meeting types kept in memory, so that nobody's booking waits for its type to be read.

What is decided by one goes to the store with a proof that it is the newest: the append itself fails where it
is not, and what a known one refuses is decided again by the newest. So memory is never wrong, only late.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

from rebook.availability import Schedule
from rebook.meeting_types import MeetingType as Terms
from rebook.meeting_types import is_slug
from rebook.problems import Refused

from booking_command.meeting_type import MeetingType
from booking_command.refusals import UnknownMeetingType
from booking_command.store import Statement

if TYPE_CHECKING:
    from collections.abc import Callable

    from booking_command.store import EventStore

T = TypeVar("T")

OUTDATED = "definition_is_newest"  # the constraint of sql/0004


class Definition(NamedTuple):
    """One version of a meeting type, made ready to decide by; `proof` fails once there is a newer one."""

    slug: str
    terms: Terms
    schedule: Schedule
    deleted: bool
    proof: Statement

    @classmethod
    def of(cls, offered: MeetingType) -> Definition:
        terms = offered.terms
        proof = Statement("SELECT must_be_newest(%s, %s)", (offered.id, offered.version))
        return cls(offered.slug, terms, Schedule.of(terms), offered.deleted, proof)

    def must_be_offered(self) -> None:
        if self.deleted:
            raise UnknownMeetingType


class Definitions:
    """Every meeting type that somebody has asked for."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._known: dict[str, Definition] = {}

    def decide(self, slug: str, by: Callable[[Definition], T]) -> tuple[T, Statement]:
        """What `by` makes of the newest definition, and the proof to append it with.

        Raises:
            UnknownMeetingType: there never was one of that name.
            Refused: as `by` does, by the newest definition there is.
        """
        known = self._known.get(slug)
        if known:
            try:
                return by(known), known.proof
            except Refused:
                pass
        newest = self._newest(slug)
        return by(newest), newest.proof

    def forget(self) -> None:
        """Read every type anew: one that was decided by turned out not to be the newest."""
        self._known.clear()

    def _newest(self, slug: str) -> Definition:
        found = self._store.find(MeetingType, MeetingType.id_of(slug)) if is_slug(slug) else None
        if found is None:
            raise UnknownMeetingType
        self._known[slug] = Definition.of(found)
        return self._known[slug]
