"""The way in, and the member's own page: password and API tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, make_response, redirect, request

from booking_query import reading
from booking_query.choosing import detected_zone, zone_for
from booking_query.credentials import team
from booking_query.drawing import draw
from booking_query.forms import Form
from booking_query.notices import after_team
from booking_query.presentation import moment
from booking_query.queries import queries
from booking_query.team_frame import framed

if TYPE_CHECKING:
    from flask import Response
    from flask.typing import ResponseReturnValue

_START = "/scheduling/bookings"
_ACCOUNT = "/scheduling/account"
_LOGIN_LABELS = {"email": "E-mail", "password": "Password"}
_ACCOUNT_LABELS = {
    "name": "Name of a new token",
    "current_password": "Present password",
    "new_password": "New password",
}
TOKEN_ISSUED, TOKEN_REVOKED = "token-issued", "token-revoked"

entrance = Blueprint("entrance", __name__)
blueprint = framed(Blueprint("team_account", __name__))


@entrance.get("/login")
def login() -> ResponseReturnValue:
    form = Form.of(reading.draft(), _LOGIN_LABELS)
    following = own_path(form.value("next") or request.args.get("next", ""))
    if team().member():
        return redirect(following, 303)
    answer = make_response()
    token = reading.sessions().begin_login(request, answer)
    answer.set_data(draw("login.html", form=form, following=following, csrf_token=token))
    return answer


@entrance.get("/scheduling")
def scheduling() -> ResponseReturnValue:
    return redirect(_START, 303)


@blueprint.get(_ACCOUNT)
def account() -> Response:
    done = request.args.get("done", "")
    if done in {TOKEN_ISSUED, TOKEN_REVOKED} and "token" in request.args:
        queries().wait_for_token(request.args["token"], gone=done == TOKEN_REVOKED)
    where = zone_for(detected_zone(), reading.usual_zone())
    draft = reading.draft()
    issued = draft.typed if draft and draft.code == TOKEN_ISSUED else None
    tokens = [{**token, "created": moment(token["created_at"], where)} for token in queries().api_tokens()]
    form = Form.of(None if issued else draft, _ACCOUNT_LABELS)
    notice = after_team(done, "")
    answer = make_response(draw("account.html", form=form, issued=issued, tokens=tokens, notice=notice))
    if issued:
        reading.drafts().clear(answer, _ACCOUNT)
    return answer


def own_path(path: str) -> str:
    """Where the login leads: a page of the team's, and nothing that a browser could take for another site."""
    is_ours = path == "/scheduling" or path.startswith("/scheduling/")
    return path if is_ours and "\\" not in path and "//" not in path and path.isprintable() else _START
