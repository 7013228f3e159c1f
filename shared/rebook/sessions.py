"""The team's session: a signed cookie that every web process can read, and the CSRF token tied to it.

What ends a session (logout, removal, a changed password) is an event, so each service keeps its own list of
what has ended; the cookie alone only says who logged in and when it was last used.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import asdict, dataclass
from hmac import compare_digest
from typing import TYPE_CHECKING

from itsdangerous import BadData, Signer, URLSafeTimedSerializer

if TYPE_CHECKING:
    from flask import Request, Response

SESSION_COOKIE = "rebook_session"
CSRF_COOKIE = "rebook_csrf"
CSRF_HEADER = "X-CSRF-Token"
CSRF_FIELD = "csrf_token"
_REFRESH_AFTER_S = 300
_LONGEST_S = 30 * 24 * 3600  # however much it is used (NIST SP 800-63B, section 4.1.3)


@dataclass(frozen=True)
class Session:
    """Who is logged in: `generation` counts the member's passwords, `session_id` names this login, at `began_s`."""

    member_id: str
    email: str
    generation: int
    session_id: str
    began_s: int  # since 1970

    @classmethod
    def begin(cls, member_id: str, email: str, generation: int) -> Session:
        return cls(member_id, email, generation, secrets.token_urlsafe(16), int(time.time()))


class Sessions:
    """Makes and reads session cookies; keys newest first, idle time in hours."""

    def __init__(self, keys: tuple[str, ...], idle_hours: int, *, secure: bool) -> None:
        oldest_first = list(reversed(keys))
        options = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
        self._serializer = URLSafeTimedSerializer(
            oldest_first, salt="rebook.session.v1", signer_kwargs=options
        )
        self._csrf = Signer(oldest_first, salt="rebook.csrf.v1", **options)  # type: ignore[arg-type]
        self._secrets = Signer(oldest_first, salt="rebook.api-token.v1", **options)  # type: ignore[arg-type]
        self._max_age_s = idle_hours * 3600
        self._secure = secure

    def read(self, request: Request) -> Session | None:
        """The session of a request's cookie, unless it is forged, was idle for too long or began too long ago."""
        try:
            session = Session(
                **self._serializer.loads(request.cookies.get(SESSION_COOKIE, ""), max_age=self._max_age_s)
            )
        except (BadData, TypeError):
            return None
        return session if time.time() < session.began_s + _LONGEST_S else None

    def is_due_for_refresh(self, request: Request) -> bool:
        """Whether a session that is in use should get a newer time of last use."""
        try:
            self._serializer.loads(request.cookies.get(SESSION_COOKIE, ""), max_age=_REFRESH_AFTER_S)
        except BadData:
            return True
        return False

    def refresh(self, request: Request, response: Response, session: Session) -> None:
        """Keep a session that is in use from ending, unless this very answer ends it or begins another."""
        written = {cookie.partition("=")[0] for cookie in response.headers.getlist("Set-Cookie")}
        if SESSION_COOKIE not in written and self.is_due_for_refresh(request):
            self.write(response, session)

    def write(self, response: Response, session: Session) -> None:
        self._set(response, SESSION_COOKIE, str(self._serializer.dumps(asdict(session))), httponly=True)
        self._set(response, CSRF_COOKIE, self.csrf_token(session.session_id), httponly=False)

    def clear(self, response: Response) -> None:
        for name in (SESSION_COOKIE, CSRF_COOKIE):
            response.delete_cookie(name, secure=self._secure, samesite="Lax")

    def csrf_token(self, session_id: str) -> str:
        """What a write made with this session repeats; for a login form, `session_id` is a random text."""
        return self._csrf.sign(session_id).decode()

    def secret(self, session: Session, key: str) -> str:
        """256 bits that only we can make; the same again for that session and key, so they need not be kept."""
        return self._secrets.get_signature(f"{session.session_id} {key}").decode()

    def csrf_matches(self, session: Session, given: str) -> bool:
        """Whether the token was made for this session, with any key of the list."""
        try:
            session_id = self._csrf.unsign(given.encode("utf-8", "replace"))
        except BadData:
            return False
        return compare_digest(session_id, session.session_id.encode())

    def begin_login(self, request: Request, response: Response) -> str:
        """The CSRF token of the login form, kept in a cookie until the login; it defeats login CSRF."""
        token = request.cookies.get(CSRF_COOKIE, "")
        if not self._is_ours(token):
            token = self.csrf_token(secrets.token_urlsafe(16))
            self._set(response, CSRF_COOKIE, token, httponly=False)
        return token

    def login_matches(self, request: Request, given: str) -> bool:
        cookie = request.cookies.get(CSRF_COOKIE, "")
        return self._is_ours(cookie) and compare_digest(cookie.encode(), given.encode("utf-8", "replace"))

    def _is_ours(self, token: str) -> bool:
        return self._csrf.validate(token.encode("utf-8", "replace"))

    def _set(self, response: Response, name: str, value: str, *, httponly: bool) -> None:
        response.set_cookie(
            name, value, max_age=self._max_age_s, secure=self._secure, httponly=httponly, samesite="Lax"
        )
