"""Every refusal of the HTTP API, by its code: one table for answers, documentation and explaining pages.

Errors are RFC 9457 problem details. Code refuses by raising `Refused` or a subclass; only this table and
`rebook.web` know HTTP.
"""

from __future__ import annotations

from typing import NamedTuple


class Problem(NamedTuple):
    """What a code means: the HTTP status, a short title, and what the person who met it can do."""

    status: int
    title: str
    advice: str


PROBLEMS: dict[str, Problem] = {
    "malformed-json": Problem(400, "The body is not JSON", "Send one JSON object in UTF-8."),
    "malformed-request": Problem(400, "The request cannot be read", "Check how the request is put together."),
    "unauthenticated": Problem(
        401, "Log in first", "Log in, or send `Authorization: Bearer` with an API token that is still valid."
    ),
    "csrf": Problem(
        403,
        "The form has gone stale",
        "Open the page again and send the form from there. Programs repeat the cookie `rebook_csrf` in the header "
        "`X-CSRF-Token`.",
    ),
    "not-found": Problem(404, "There is nothing here", "Check the address."),
    "unknown-meeting-type": Problem(
        404, "No such meeting type", "It may have been removed; see what else is on offer."
    ),
    "unknown-booking": Problem(404, "No such booking", "Check the booking's id."),
    "unknown-link": Problem(
        404,
        "This link does not open a booking",
        "Links are sometimes cut by mail programs: copy the whole link from the e-mail, or ask the team to send "
        "the confirmation again.",
    ),
    "unknown-api-token": Problem(404, "No such API token", "It may have been revoked already."),
    "method-not-allowed": Problem(
        405, "This address does not take that method", "See `Allow` for those it takes."
    ),
    "slot-taken": Problem(
        409, "Somebody else just took that time", "Choose another time; nothing was changed."
    ),
    "booking-cancelled": Problem(
        409, "The booking is cancelled", "A cancelled booking does not change; book again."
    ),
    "meeting-started": Problem(
        409, "The meeting has begun", "A booking can be changed right up until its meeting, not after."
    ),
    "cutoff-passed": Problem(
        409, "It is too late to change this online", "Get in touch with the team: they can still change it."
    ),
    "stale-version": Problem(412, "It has changed meanwhile", "Look at how it stands now and decide again."),
    "body-too-large": Problem(413, "The body is too large", "At most 64 KiB are read."),
    "unsupported-media-type": Problem(
        415, "The body is of the wrong kind", "Send `Content-Type: application/json`."
    ),
    "malformed-command": Problem(
        422, "Something in the request is not right", "See `errors`: each names a field."
    ),
    "malformed-query": Problem(422, "A parameter is not right", "See `errors`: each names a parameter."),
    "slot-unavailable": Problem(
        422, "That time is not on offer", "Choose one of the times on offer; nothing was changed."
    ),
    "idempotency-key-reused": Problem(
        422, "The Idempotency-Key was used for another request", "Use a new key for every new request."
    ),
    "too-many-requests": Problem(
        429, "Too many requests", "Wait as long as `Retry-After` says, then try again."
    ),
    "internal-error": Problem(
        500,
        "Something went wrong on our side",
        "It has been recorded. Try again later; with the same Idempotency-Key nothing happens twice.",
    ),
    "bad-gateway": Problem(502, "A part of the service is not answering", "Try again in a moment."),
    "busy": Problem(503, "Too much is happening at once", "Nothing was changed. Try again in a second."),
    "unavailable": Problem(
        503,
        "The service cannot reach its database",
        "Try again in a moment; with the same Idempotency-Key nothing happens twice.",
    ),
    "not-yet": Problem(503, "The change is recorded but not visible yet", "Ask again in a second."),
}


class Refused(Exception):  # noqa: N818 - the word the whole code uses
    """A request is refused, with the code of its problem and a sentence for the person who made it.

    Attributes:
        code: a key of `PROBLEMS`.
        errors: field (dotted path) -> sentences, where fields are to blame.
        headers: extra headers of the answer, such as `Retry-After`.
    """

    code = "malformed-request"

    def __init__(
        self,
        detail: str = "",
        *,
        code: str | None = None,
        errors: dict[str, list[str]] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.code = code or self.code
        self.detail = detail or PROBLEMS[self.code].advice
        self.errors = errors
        self.headers = headers or {}
        super().__init__(f"{self.code}: {self.detail}")


class Unauthenticated(Refused):
    """No or bad credentials (RFC 9110, section 11.6.1)."""

    code = "unauthenticated"

    def __init__(self) -> None:
        super().__init__(headers={"WWW-Authenticate": 'Bearer realm="Rebook team"'})


class BadCsrfToken(Refused):
    """A write with the session's cookie, without its CSRF token."""

    code = "csrf"


class UnknownMeetingType(Refused):
    code = "unknown-meeting-type"


class UnknownBooking(Refused):
    code = "unknown-booking"


class UnknownLink(Refused):
    """The manage token is wrong, cut, or signed with a key that is no longer in use."""

    code = "unknown-link"


class NotYet(Refused):
    """The projection has not reached the version that was asked for."""

    code = "not-yet"

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "1"})


def malformed(errors: dict[str, list[str]], code: str = "malformed-command") -> Refused:
    """A refusal that names the fields to blame."""
    return Refused(code=code, errors=errors)


def flat(errors: object, path: str = "") -> dict[str, list[str]]:
    """marshmallow's nested messages as dotted paths to lists of sentences; `_body` for the body itself."""
    if isinstance(errors, list):
        return {path or "_body": [str(message) for message in errors]}
    if not isinstance(errors, dict):
        return {path or "_body": [str(errors)]}
    found: dict[str, list[str]] = {}
    for key, inner in errors.items():
        step = "" if key == "_schema" else str(key)
        below = ".".join(part for part in (path, step) if part)
        for where, messages in flat(inner, below).items():
            found.setdefault(where, []).extend(messages)
    return found
