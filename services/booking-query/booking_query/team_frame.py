"""What every page of the team has around it: who is logged in, the sections, and the token that forms repeat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import g, request

from booking_query import reading
from booking_query.credentials import team

if TYPE_CHECKING:
    from flask import Blueprint

    from booking_query.credentials import Member

_SECTIONS = ("/scheduling/bookings", "/scheduling/meeting-types", "/scheduling/account")


def framed(blueprint: Blueprint) -> Blueprint:
    """Let only the team see the pages of `blueprint`, with the team's frame around them."""
    blueprint.before_request(_let_in)
    blueprint.context_processor(_frame)
    return blueprint


def _let_in() -> None:
    g.team_member = team().require()


def _frame() -> dict[str, Any]:
    member: Member | None = g.get("team_member")
    session = member.session if member else None
    return {
        "me": member.email if member else "",
        "csrf_token": reading.sessions().csrf_token(session.session_id) if session else "",
        "section": next((path for path in _SECTIONS if request.path.startswith(path)), ""),
    }
