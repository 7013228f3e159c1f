"""Reading a command out of a request, in the contract's order of refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, cast
from uuid import UUID

from flask import current_app, g, request
from flask_smorest import Blueprint
from rebook.meeting_types import is_slug
from rebook.problems import flat, malformed
from rebook.web import json_body
from webargs.flaskparser import FlaskParser

from booking_command.access import access
from booking_command.commands import KEY_MAX_LENGTH, PUBLIC, Conditions, IdempotencyKey
from booking_command.refusals import KEY_HEADER, UnknownApiToken

if TYPE_CHECKING:
    from marshmallow import ValidationError

    from booking_command.accounts import Accounts
    from booking_command.application import Bookings
    from booking_command.offers import Offers

BODY_REFUSALS = (
    "body-too-large",
    "unsupported-media-type",
    "malformed-json",
    "malformed-command",
    "malformed-query",
    "unavailable",
)
TEAM_REFUSALS = ("unauthenticated", "csrf")
BARE_REFUSALS = (*TEAM_REFUSALS, "malformed-query", "unavailable")  # of what comes without a body
NOBODYS_ID = UUID(int=0)
BOOKING_REFUSALS = (*BODY_REFUSALS, "idempotency-key-reused", "stale-version", "busy")


class BodyParser(FlaskParser):
    """Reads a body in the order of refusals: too large, wrong kind, no JSON, CSRF, malformed."""

    def load_json(self, req: Any, schema: Any) -> Any:
        body = json_body()
        admit()
        return body

    def handle_error(self, error: ValidationError, *args: Any, **kwargs: Any) -> NoReturn:
        raise malformed(flat(cast("dict[str, Any]", error.messages)["json"]))


class CommandBlueprint(Blueprint):  # type: ignore[misc]
    ARGUMENTS_PARSER = BodyParser()


def admit() -> None:
    """Let a command pass to its body, if it has one.

    Raises:
        Refused: a session's CSRF token is missing, or there are query parameters: no command has any.
    """
    access().must_repeat_csrf_token()
    unknown = [name for name, value in request.args.items() if value]
    if unknown:
        raise malformed({name: ["There is no such parameter."] for name in unknown}, "malformed-query")


def bookings() -> Bookings:
    return cast("Bookings", current_app.extensions["rebook_bookings"])


def offers() -> Offers:
    return cast("Offers", current_app.extensions["rebook_offers"])


def accounts() -> Accounts:
    return cast("Accounts", current_app.extensions["rebook_accounts"])


def known_booking(text: str) -> UUID:
    """A booking's id out of a path; what is no UUID is just unknown, and refused where an unknown id is."""
    try:
        return UUID(text)
    except ValueError:
        return NOBODYS_ID


def known_token(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise UnknownApiToken from None


def checked_slug(text: str) -> str:
    """The slug of a meeting type that is to be defined.

    Raises:
        Refused: it is not one.
    """
    if not is_slug(text):
        raise malformed(
            {"slug": ["Lower-case letters, digits and single hyphens, such as intro-call; at most 100."]}
        )
    return text


def conditions() -> Conditions:
    """`If-Match` and `Idempotency-Key` of the request.

    Raises:
        Refused: the key cannot be one.
    """
    key = request.headers.get(KEY_HEADER, "")
    return Conditions(request.headers.get("If-Match"), idempotency_key(key, json_body()) if key else None)


def idempotency_key(key: str, body: Any) -> IdempotencyKey:
    """The key of the request, in the scope of who is asking.

    Raises:
        Refused: the key is too long, or holds what no database can carry.
    """
    if len(key) > KEY_MAX_LENGTH or "\0" in key:
        raise malformed({KEY_HEADER: [f"At most {KEY_MAX_LENGTH} characters, none of them NUL."]})
    member = g.get("member")
    scope = str(member.member_id) if member else PUBLIC
    return IdempotencyKey.of(scope, key, request.method, request.path, body)
