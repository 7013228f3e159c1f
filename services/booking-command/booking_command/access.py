"""Who is asking: credentials, CSRF tokens and rate limits at the edge of every command."""

from __future__ import annotations

import functools
import hashlib
import time
from typing import TYPE_CHECKING, Any, TypeVar, cast

from flask import current_app, g, request
from limits import parse
from rebook.problems import BadCsrfToken, Refused, Unauthenticated, UnknownLink
from rebook.sessions import CSRF_FIELD, CSRF_HEADER

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from flask import Response
    from flask_limiter import Limiter
    from rebook.manage_links import ManageLinks
    from rebook.sessions import Sessions

    from booking_command.accounts import Accounts, Member
    from booking_command.settings import CommandSettings

F = TypeVar("F", bound="Callable[..., Any]")


class Access:
    """The gate in front of the commands."""

    def __init__(
        self,
        accounts: Accounts,
        sessions: Sessions,
        links: ManageLinks,
        limiter: Limiter,
        settings: CommandSettings,
    ) -> None:
        self.accounts = accounts
        self.sessions = sessions
        self.links = links
        self._limiter = limiter
        self._limited = settings.rate_limits
        self._unknown_links = parse(settings.rate_limit_unknown_links)
        self._per_customer = parse(settings.rate_limit_bookings_per_customer)

    def identify(self) -> Member:
        """The member of the team who is asking, by API token or by session.

        Raises:
            Unauthenticated: no or bad credentials.
        """
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return self.accounts.by_token(token.strip())
        session = self.sessions.read(request)
        if session is None:
            raise Unauthenticated
        return self.accounts.by_session(session)

    def booking_of(self, token: str) -> UUID:
        """The booking that a manage token opens; failures are counted, and never stop a valid link.

        Raises:
            UnknownLink: it opens none.
            Refused: too many failures from this address.
        """
        try:
            return self.links.booking_id(token)
        except UnknownLink:
            if self._limited and not self._limiter.limiter.hit(self._unknown_links, "link", _address()):
                raise _too_many() from None
            raise

    def must_have_bookings_left(self, customer: str) -> None:
        """Refuse a customer's address that has booked its day's share; see `count_booking`."""
        counted = (self._per_customer, "customer", _counted_as(customer))
        if self._limited and not self._limiter.limiter.test(*counted):
            raise _too_many(self._limiter.limiter.get_window_stats(*counted)[0])

    def count_booking(self, customer: str) -> None:
        if self._limited:
            self._limiter.limiter.hit(self._per_customer, "customer", _counted_as(customer))

    def begin_session(self, answer: Response, email: str, password: str) -> None:
        """Log somebody in, and end the session that their browser had.

        Raises:
            Unauthenticated: address and password do not belong together.
        """
        session = self.accounts.log_in(email, password)
        if earlier := self.sessions.read(request):
            self.accounts.log_out(earlier)
        self.sessions.write(answer, session)

    def refresh(self, response: Response) -> Response:
        """Keep the session of whoever is asking from ending; after every command."""
        member: Member | None = g.get("member")
        if member and member.session:
            self.sessions.refresh(request, response, member.session)
        return response

    def must_repeat_csrf_token(self) -> None:
        """Refuse a write that a session's cookie alone vouches for (header or form field must repeat its token)."""
        member: Member | None = g.get("member")
        if member is None or member.session is None:
            return
        given = request.headers.get(CSRF_HEADER) or request.form.get(CSRF_FIELD, "")
        if not self.sessions.csrf_matches(member.session, given):
            raise BadCsrfToken


def access() -> Access:
    return cast("Access", current_app.extensions["rebook_access"])


def team_only(view: F) -> F:
    """Let only the team in; `acting()` tells who it is."""

    @functools.wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        g.member = access().identify()
        return view(*args, **kwargs)

    return cast("F", guarded)


def by_link(view: F) -> F:
    """Give the view the id of the booking that its manage token opens, before anything else is looked at."""

    @functools.wraps(view)
    def opened(*args: Any, token: str, **kwargs: Any) -> Any:
        return view(*args, booking_id=access().booking_of(token), **kwargs)

    return cast("F", opened)


def acting() -> Member:
    """The member of the team who is asking."""
    return cast("Member", g.member)


def _counted_as(customer: str) -> str:
    """A customer's address where their bookings are counted: nobody's personal data lies in that storage."""
    return hashlib.sha256(customer.lower().encode()).hexdigest()


def _address() -> str:
    return request.remote_addr or "unknown"


def _too_many(until_s: float | None = None) -> Refused:
    wait_s = 60 if until_s is None else max(1, int(until_s - time.time()) + 1)
    return Refused(code="too-many-requests", headers={"Retry-After": str(wait_s)})
