"""Who is asking: a member of the team by session or API token, a customer by manage link, or just anybody."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from flask import current_app, g, request
from limits import parse
from limits.storage import storage_from_string
from limits.strategies import FixedWindowRateLimiter
from rebook.problems import Refused, Unauthenticated, UnknownLink

if TYPE_CHECKING:
    from uuid import UUID

    from flask import Response
    from rebook.manage_links import ManageLinks
    from rebook.sessions import Session, Sessions

    from booking_query.database import Database
    from booking_query.settings import QuerySettings

_TOKEN_KEPT_S = 2.0  # so long may a revoked API token still read
_TOKENS_KEPT = 1_000
_MEMBER_BY_SHA256 = """
    SELECT member_id, created_by AS email FROM api_tokens WHERE sha256 = %s AND revoked_at IS NULL
"""
# A session that is newer than what has been projected is good: the signature alone says so.
_HAS_ENDED = """
    SELECT 1 FROM team_members
    WHERE member_id = %(member_id)s AND (generation > %(generation)s
        OR removed_at IS NOT NULL AND generation = %(generation)s)
    UNION ALL SELECT 1 FROM ended_sessions WHERE session_id = %(session_id)s
"""


@dataclass(frozen=True)
class Member:
    """One of the team, here with a session, or without one by an API token."""

    member_id: str
    email: str
    session: Session | None


class Team:
    """Knows the team by what they send with a request."""

    def __init__(self, database: Database, sessions: Sessions) -> None:
        self._database = database
        self._sessions = sessions
        self._tokens: dict[str, tuple[float, Member]] = {}

    def member(self) -> Member | None:
        """Who is asking, if it is one of the team; looked up once for each request."""
        if "member" not in g:
            g.member = self._identify()
        found: Member | None = g.member
        return found

    def require(self) -> Member:
        """Who of the team is asking.

        Raises:
            Unauthenticated: nobody of the team.
        """
        member = self.member()
        if member is None:
            raise Unauthenticated
        return member

    def refresh(self, response: Response) -> Response:
        """Keep a session that is in use from ending; after every GET."""
        member: Member | None = g.get("member")
        session = member.session if member else None
        if session and request.method in {"GET", "HEAD"}:
            self._sessions.refresh(request, response, session)
        return response

    def _identify(self) -> Member | None:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return self._by_token(hashlib.sha256(token.strip().encode("utf-8", "surrogatepass")).hexdigest())
        session = self._sessions.read(request)
        if session is None or self._has_ended(session):
            return None
        return Member(session.member_id, session.email, session)

    def _by_token(self, sha256: str) -> Member | None:
        kept_at_s, member = self._tokens.get(sha256, (0.0, None))
        if member and time.monotonic() - kept_at_s < _TOKEN_KEPT_S:
            return member
        row = self._database.row(_MEMBER_BY_SHA256, (sha256,))
        if row is None:
            return None
        if len(self._tokens) >= _TOKENS_KEPT:
            self._tokens.clear()
        member = Member(row["member_id"], row["email"], None)
        self._tokens[sha256] = (time.monotonic(), member)
        return member

    def _has_ended(self, session: Session) -> bool:
        values: dict[str, Any] = {
            "member_id": session.member_id,
            "generation": session.generation,
            "session_id": session.session_id,
        }
        return self._database.row(_HAS_ENDED, values) is not None


class Links:
    """Opens bookings by manage links; too many failures from one address are refused, a valid link never."""

    def __init__(self, links: ManageLinks, settings: QuerySettings) -> None:
        self._links = links
        self._limiter = FixedWindowRateLimiter(storage_from_string(settings.rate_limit_storage))
        self._is_limited = settings.rate_limits
        self._share = parse(settings.rate_limit_unknown_links)

    def booking_of(self, token: str) -> UUID:
        """The booking that a manage token opens.

        Raises:
            UnknownLink: it opens none.
            Refused: too-many-requests, after too many that opened none.
        """
        try:
            return self._links.booking_id(token)
        except UnknownLink:
            if self._is_limited and not self._limiter.hit(self._share, "link", _address()):
                wait_s = self._share.get_expiry()
                raise Refused(code="too-many-requests", headers={"Retry-After": str(wait_s)}) from None
            raise


def _address() -> str:
    return request.remote_addr or "unknown"


def team() -> Team:
    """That of the current app."""
    return cast("Team", current_app.extensions["rebook_team"])


def opened_by(token: str) -> UUID:
    """The booking that a manage token opens; see `Links.booking_of`."""
    return cast("Links", current_app.extensions["rebook_opener"]).booking_of(token)
