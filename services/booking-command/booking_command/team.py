"""Who may act for the team: members with their passwords' generations, and API tokens."""

from __future__ import annotations

from uuid import UUID, uuid5

from eventsourcing.domain import event

from booking_command.refusals import UnknownApiToken
from booking_command.streams import NAMESPACE, Stream, StreamBegun, StreamEvent


class TeamMember(Stream):
    """One person of the team. `generation` counts their passwords: sessions of an earlier one have ended."""

    TOPIC = "TeamMember"

    class Added(StreamBegun):
        TOPIC = "TeamMemberAdded"
        email: str
        generation: int

    class AddedAgain(StreamEvent):
        TOPIC = "TeamMemberAddedAgain"
        email: str
        generation: int

    class Removed(StreamEvent):
        TOPIC = "TeamMemberRemoved"

    class PasswordChanged(StreamEvent):
        TOPIC = "TeamPasswordChanged"
        generation: int

    class SessionEnded(StreamEvent):
        TOPIC = "TeamSessionEnded"
        session_id: str

    @staticmethod
    def id_of(email: str) -> UUID:
        return uuid5(NAMESPACE, f"team-member:{email.lower()}")

    @classmethod
    def add(cls, email: str) -> TeamMember:
        return cls.begin(cls.Added, id=cls.id_of(email), email=email.lower(), generation=1)

    @event(Added)
    def __init__(self, email: str, generation: int) -> None:
        self.email = email
        self.generation = generation
        self.removed = False

    def add_again(self) -> None:
        self._added_again(self.email, self.generation + 1)

    @event(AddedAgain)
    def _added_again(self, email: str, generation: int) -> None:
        self.generation = generation
        self.removed = False

    @event(Removed)
    def remove(self) -> None:
        self.removed = True

    def change_password(self) -> None:
        self._password_changed(self.generation + 1)

    @event(PasswordChanged)
    def _password_changed(self, generation: int) -> None:
        self.generation = generation

    @event(SessionEnded)
    def end_session(self, session_id: str) -> None:
        """A session that has ended changes nothing about the member."""


class ApiToken(Stream):
    """A secret with which a program acts in the name of the member who made it; only its SHA-256 is kept."""

    TOPIC = "ApiToken"

    class Issued(StreamBegun):
        TOPIC = "ApiTokenIssued"
        name: str
        sha256: str
        member_id: UUID
        created_by: str

    class Revoked(StreamEvent):
        TOPIC = "ApiTokenRevoked"
        actor: str

    @staticmethod
    def id_of(sha256: str) -> UUID:
        return uuid5(NAMESPACE, f"api-token:{sha256}")

    @classmethod
    def issue(cls, token_id: UUID, name: str, sha256: str, *, member_id: UUID, created_by: str) -> ApiToken:
        return cls.begin(
            cls.Issued, id=token_id, name=name, sha256=sha256, member_id=member_id, created_by=created_by
        )

    @event(Issued)
    def __init__(self, name: str) -> None:
        self.name = name
        self.revoked = False

    def revoke(self, *, actor: str) -> None:
        """End the token.

        Raises:
            UnknownApiToken: it was revoked before.
        """
        if self.revoked:
            raise UnknownApiToken
        self._revoked(actor)

    @event(Revoked)
    def _revoked(self, actor: str) -> None:
        self.revoked = True
