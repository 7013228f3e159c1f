"""The team's commands as HTML forms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from flask import Blueprint, Response, request
from rebook.definition_form import definition
from rebook.drafts import Draft
from rebook.meeting_types import MeetingTypeSchema
from rebook.problems import BadCsrfToken, Refused, Unauthenticated
from rebook.sessions import CSRF_FIELD

from booking_command.access import access, acting, team_only
from booking_command.commands import (
    ApiTokenSchema,
    Cancel,
    CancelSchema,
    Conditions,
    LoginSchema,
    NewPasswordSchema,
    Reschedule,
    RescheduleSchema,
    ResendConfirmation,
)
from booking_command.forms import KEY_FIELD, drafts, form, once, read, see_other, typed
from booking_command.limits import limited_login
from booking_command.requests import accounts, bookings, checked_slug, known_booking, known_token, offers

if TYPE_CHECKING:
    from rebook.sessions import Session

blueprint = Blueprint("team_forms", __name__)

_BOOKINGS = "/scheduling/bookings"
_TYPES = "/scheduling/meeting-types"
_ACCOUNT = "/scheduling/account"
_PASSWORD = "password"  # noqa: S105 - the name of an action


@form(blueprint, "/login")
@limited_login
def log_in() -> Response:
    if not access().sessions.login_matches(request, request.form.get(CSRF_FIELD, "")):
        raise BadCsrfToken
    answer = see_other(_own_path(request.form.get("next", "")))
    try:
        access().begin_session(answer, **read(LoginSchema(), typed("email", "password")))
    except Unauthenticated:
        raise Refused("That address and password do not belong together.", code="unauthenticated") from None
    return answer


@form(blueprint, "/logout", _BOOKINGS)
@team_only
def log_out() -> Response:
    access().must_repeat_csrf_token()
    if session := acting().session:
        accounts().log_out(session)
    answer = see_other("/login")
    access().sessions.clear(answer)
    return answer


@form(blueprint, "/scheduling/bookings/<booking_id>/reschedule")
@team_only
def reschedule(booking_id: str) -> Response:
    access().must_repeat_csrf_token()
    body = read(RescheduleSchema(), typed("starts_at", "reason"))
    command = Reschedule(known_booking(booking_id), actor=acting().email, **body)
    return _shown(bookings().reschedule(command, once()).version, booking_id, "moved")


@form(blueprint, "/scheduling/bookings/<booking_id>/cancel")
@team_only
def cancel(booking_id: str) -> Response:
    access().must_repeat_csrf_token()
    body = read(CancelSchema(), typed("reason"))
    command = Cancel(known_booking(booking_id), actor=acting().email, **body)
    return _shown(bookings().cancel(command, once()).version, booking_id, "cancelled")


@form(blueprint, "/scheduling/bookings/<booking_id>/resend-confirmation", _BOOKINGS + "/<booking_id>")
@team_only
def resend_confirmation(booking_id: str) -> Response:
    access().must_repeat_csrf_token()
    command = ResendConfirmation(known_booking(booking_id), actor=acting().email)
    return _shown(bookings().resend_confirmation(command, once()).version, booking_id, "resent")


@form(blueprint, "/scheduling/meeting-types", query="?add=1")
@team_only
def add_meeting_type() -> Response:
    access().must_repeat_csrf_token()
    slug = request.form.get("slug", "")
    receipt = offers().add(checked_slug(slug), _terms(), actor=acting().email)
    return _listed(slug, receipt.version, "added")


@form(blueprint, "/scheduling/meeting-types/<slug>")
@team_only
def change_meeting_type(slug: str) -> Response:
    access().must_repeat_csrf_token()
    receipt = offers().change(checked_slug(slug), _terms(), actor=acting().email, conditions=_known_version())
    return _listed(slug, receipt.version, "saved")


@form(blueprint, "/scheduling/meeting-types/<slug>/delete", _TYPES + "/<slug>")
@team_only
def delete_meeting_type(slug: str) -> Response:
    access().must_repeat_csrf_token()
    receipt = offers().withdraw(slug, actor=acting().email, conditions=_known_version())
    return _listed(slug, receipt.version, "deleted")


@form(blueprint, "/scheduling/account")
def account() -> Response:
    try:
        return _account()
    except Refused:
        if request.form.get("action") == _PASSWORD and (again := _changed_before()):
            return again
        raise


@team_only
def _account() -> Response:
    access().must_repeat_csrf_token()
    actions = {_PASSWORD: _change_password, "issue-token": _issue_token, "revoke-token": _revoke_token}
    act = actions.get(request.form.get("action", ""))
    if act is None:
        raise Refused(code="malformed-command")
    return act()


def _change_password() -> Response:
    fields = read(NewPasswordSchema(), typed("current_password", "new_password"))
    session = accounts().change_password(acting(), fields["current_password"], fields["new_password"])
    return _changed(session)


@limited_login
def _changed_before() -> Response | None:
    """What the first of two clicks was answered: it made the password this one, and thereby ended this session."""
    sessions = access().sessions
    session = sessions.read(request)
    if session is None or not sessions.csrf_matches(session, request.form.get(CSRF_FIELD, "")):
        return None
    going_on = accounts().changed_before(session, request.form.get("new_password", ""))
    return _changed(going_on) if going_on else None


def _changed(session: Session) -> Response:
    answer = see_other(f"{_ACCOUNT}?done=password-changed")
    access().sessions.write(answer, session)
    return answer


def _issue_token() -> Response:
    """A second click makes the same token out of the same key, and shows it again."""
    name = read(ApiTokenSchema(), typed("name"))["name"]
    key, session = request.form.get(KEY_FIELD, ""), acting().session
    secret = access().sessions.secret(session, key) if key and session else ""
    token_id, token = accounts().issue_token(acting(), name, secret)
    answer = see_other(f"{_ACCOUNT}?done=token-issued&token={token_id}")
    shown_once = Draft("token-issued", "", typed={"id": str(token_id), "name": name, "token": token})
    drafts().write(answer, _ACCOUNT, shown_once)
    return answer


def _revoke_token() -> Response:
    token_id = known_token(request.form.get("id", ""))
    accounts().revoke_token(acting(), token_id, again=True)
    return see_other(f"{_ACCOUNT}?done=token-revoked&token={token_id}")


def _terms() -> Any:
    """What the form says of a meeting type."""
    return read(MeetingTypeSchema(), definition(request.form))


def _listed(slug: str, version: int, done: str) -> Response:
    return see_other(f"{_TYPES}?min_version={version}&slug={slug}&done={done}")


def _known_version() -> Conditions:
    version = request.form.get("version", "")
    return Conditions(if_match=f'"{version}"' if version else None)


def _shown(version: int, booking_id: str, done: str) -> Response:
    return see_other(f"{_BOOKINGS}/{UUID(booking_id)}?min_version={version}&done={done}")


def _own_path(path: str) -> str:
    """Where to go after the login: a path of ours, and nothing that a browser could take for another site."""
    if path.startswith("/scheduling") and path.isprintable() and "\\" not in path and "//" not in path:
        return path
    return _BOOKINGS
