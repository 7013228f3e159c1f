"""Who may act for the team: members, passwords, sessions, API tokens.

Events tell that something happened; the hashes that prove who somebody is are written beside them, in the
same transaction, to tables that nothing else reads.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from eventsourcing.persistence import PersistenceError
from rebook.problems import Refused, Unauthenticated, malformed
from rebook.sessions import Session

from booking_command.application import ATTEMPTS
from booking_command.refusals import Busy, IdempotencyKeyReused, UnknownApiToken
from booking_command.store import Statement, violated
from booking_command.team import ApiToken, TeamMember

if TYPE_CHECKING:
    from collections.abc import Callable

    from booking_command.store import EventStore

A = TypeVar("A", TeamMember, ApiToken)

_HASHES_AT_ONCE = 2  # in one process; each takes 64 MiB and a core for a moment, whoever asks for it
_TOKEN_PREFIX = "rbk_"  # noqa: S105 - so that a leaked one is recognised for what it is
_MEMBER = "SELECT member_id, email, password_hash, generation FROM credentials WHERE email = %s"
_KEEP = """
INSERT INTO credentials (member_id, email, password_hash, generation) VALUES (%s, %s, %s, %s)
ON CONFLICT (member_id) DO UPDATE
SET password_hash = excluded.password_hash, generation = excluded.generation
"""
_BEARER = """
SELECT member_id, email FROM api_tokens JOIN credentials USING (member_id) WHERE sha256 = %s
"""
_ISSUE = "INSERT INTO api_tokens (token_id, sha256, member_id) VALUES (%s, %s, %s)"
_END = "INSERT INTO ended_sessions (session_id) VALUES (%s) ON CONFLICT DO NOTHING"
_REMOVE = "DELETE FROM credentials WHERE member_id = %s"
_REVOKE = "DELETE FROM api_tokens WHERE token_id = %s"
_LIVE_SESSION = """
SELECT 1 FROM credentials WHERE member_id = %s AND generation = %s
AND NOT EXISTS (SELECT FROM ended_sessions WHERE session_id = %s)
"""


@dataclass(frozen=True)
class Member:
    """Somebody of the team, acting through a session, or through an API token in their name."""

    member_id: UUID
    email: str
    session: Session | None = None


class Change(NamedTuple, Generic[A]):
    """A member or token with events to be stored, and what must be true together with them."""

    of: A
    beside: Statement


class Accounts:
    """Every command on team members and their ways in."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._hasher = PasswordHasher()
        self._may_hash = threading.BoundedSemaphore(_HASHES_AT_ONCE)
        self._nobodys_hash = self._hasher.hash(secrets.token_urlsafe())

    def log_in(self, email: str, password: str) -> Session:
        """Begin a session; a wrong address takes as long to refuse as a wrong password.

        Raises:
            Unauthenticated: nothing is said about which of the two was wrong.
        """
        row = self._store.appender.row(_MEMBER, (email.strip().lower(),))
        known = self._is_password(row["password_hash"] if row else self._nobodys_hash, password)
        if row is None or not known:
            raise Unauthenticated
        return Session.begin(str(row["member_id"]), row["email"], row["generation"])

    def log_out(self, session: Session) -> None:
        """End one session; ending one that has ended changes nothing."""

        def ended() -> Change[TeamMember] | None:
            if not self._lives(session):
                return None
            member = self._member(session.email)
            assert member is not None
            member.end_session(session.session_id)
            return Change(member, Statement(_END, (session.session_id,)))

        self._settle(ended)

    def by_session(self, session: Session) -> Member:
        """Who a session's cookie stands for.

        Raises:
            Unauthenticated: the session has ended, its member is gone or has another password.
        """
        if not self._lives(session):
            raise Unauthenticated
        return Member(UUID(session.member_id), session.email, session)

    def by_token(self, token: str) -> Member:
        """In whose name an API token acts.

        Raises:
            Unauthenticated: it is not valid (any more).
        """
        row = self._store.appender.row(_BEARER, (_sha256(token),))
        if row is None:
            raise Unauthenticated
        return Member(row["member_id"], row["email"])

    def by_email(self, email: str) -> Member:
        """The member with that address.

        Raises:
            Refused: there is none.
        """
        member = self._present(email)
        return Member(member.id, member.email)

    def members(self) -> list[str]:
        return [
            row["email"] for row in self._store.appender.rows("SELECT email FROM credentials ORDER BY email")
        ]

    def add(self, email: str, password: str) -> None:
        """Let somebody log in.

        Raises:
            Refused: they are a member already.
        """
        member = self._member(email)
        if member is None:
            member = TeamMember.add(email)
        elif member.removed:
            member.add_again()
        else:
            raise Refused(f"{email} is a member of the team already.")
        self._store.append(member, beside=[self._credentials(member, password)])

    def remove(self, email: str) -> None:
        """End somebody's membership, sessions and API tokens.

        Raises:
            Refused: there is no such member.
        """

        def removed() -> Change[TeamMember]:
            member = self._present(email)
            member.remove()
            return Change(member, Statement(_REMOVE, (member.id,)))

        self._settle(removed)

    def set_password(self, email: str, password: str) -> Session:
        """Give a member another password; their sessions end, and a new one begins.

        Raises:
            Refused: there is no such member.
        """
        return self._set_password(lambda: self._present(email), password)

    def change_password(self, member: Member, current: str, new: str) -> Session:
        """Change one's own password.

        Raises:
            Refused: the current password is wrong, or not the current one any more.
        """
        row = self._store.appender.row(_MEMBER, (member.email,))
        if row is None or not self._is_password(row["password_hash"], current):
            raise _not_current()

        def unchanged() -> TeamMember:
            present = self._present(member.email)
            if present.generation != row["generation"]:
                raise _not_current()
            return present

        return self._set_password(unchanged, new)

    def _set_password(self, find: Callable[[], TeamMember], password: str) -> Session:
        def changed() -> Change[TeamMember]:
            member = find()
            member.change_password()
            return Change(member, self._credentials(member, password))

        member = self._settle(changed)
        assert member is not None
        return Session.begin(str(member.id), member.email, member.generation)

    def changed_before(self, session: Session, new: str) -> Session | None:
        """A session like the one that went on when `session` ended by a change to this very password, if it did.

        Whoever proves to know the password may log in anyway.
        """
        row = self._store.appender.row(_MEMBER, (session.email,))
        if row is None or row["generation"] != session.generation + 1:
            return None
        known = self._is_password(row["password_hash"], new)
        return Session.begin(str(row["member_id"]), row["email"], row["generation"]) if known else None

    def issue_token(self, member: Member, name: str, secret: str = "") -> tuple[UUID, str]:
        """A new API token's id, and the token itself, which is never shown again.

        A `secret` of the caller's makes it: given once more, it answers the same without effect.

        Raises:
            IdempotencyKeyReused: the secret has made a token of another name.
            UnknownApiToken: it has made one that was revoked since.
        """
        token = _TOKEN_PREFIX + (secret or secrets.token_urlsafe(32))
        sha256 = _sha256(token)
        token_id = ApiToken.id_of(sha256)

        def issued() -> Change[ApiToken] | None:
            known = self._store.find(ApiToken, token_id)
            if known is None:
                made = ApiToken.issue(
                    token_id, name, sha256, member_id=member.member_id, created_by=member.email
                )
                return Change(made, Statement(_ISSUE, (token_id, sha256, member.member_id)))
            if known.name != name:
                raise IdempotencyKeyReused
            if known.revoked:
                raise UnknownApiToken
            return None

        self._settle(issued)
        return token_id, token

    def revoke_token(self, member: Member, token_id: UUID, *, again: bool = False) -> None:
        """End an API token, whoever made it; `again` where one that was revoked before may be.

        Raises:
            UnknownApiToken: there is none of that id, or it was revoked before.
        """

        def revoked() -> Change[ApiToken] | None:
            token = self._store.find(ApiToken, token_id)
            if token is None:
                raise UnknownApiToken
            if again and token.revoked:
                return None
            token.revoke(actor=member.email)
            return Change(token, Statement(_REVOKE, (token_id,)))

        self._settle(revoked)

    def _lives(self, session: Session) -> bool:
        facts = (session.member_id, session.generation, session.session_id)
        return self._store.appender.row(_LIVE_SESSION, facts) is not None

    def _settle(self, decide: Callable[[], Change[A] | None]) -> A | None:
        """Store what is decided, if anything; decided anew where a rival changed the same member or token meanwhile.

        Raises:
            Busy: rivals were quicker every time.
        """
        for _ in range(ATTEMPTS):
            change = decide()
            if change is None:
                return None
            try:
                self._store.append(change.of, beside=[change.beside])
            except PersistenceError as error:
                if violated(error) != "stored_events_pkey":
                    raise
            else:
                return change.of
        raise Busy

    def _present(self, email: str) -> TeamMember:
        member = self._member(email)
        if member is None or member.removed:
            raise Refused(f"{email} is not a member of the team.")
        return member

    def _member(self, email: str) -> TeamMember | None:
        return self._store.find(TeamMember, TeamMember.id_of(email))

    def _credentials(self, member: TeamMember, password: str) -> Statement:
        with self._may_hash:
            password_hash = self._hasher.hash(password)
        return Statement(_KEEP, (member.id, member.email, password_hash, member.generation))

    def _is_password(self, password_hash: str, password: str) -> bool:
        try:
            with self._may_hash:
                return self._hasher.verify(password_hash, password)
        except VerificationError:
            return False


def _not_current() -> Refused:
    return malformed({"current_password": ["This is not your present password."]})


def _sha256(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
