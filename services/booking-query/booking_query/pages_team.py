"""The team's pages about bookings: the list, one booking, and its two forms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, make_response, request

from booking_query import reading
from booking_query.bookings_tab import State, draw_list
from booking_query.choosing import detected_zone, zone_for
from booking_query.drawing import draw
from booking_query.forms import Form
from booking_query.moving import REASON_LABELS, TEAM, draw_move
from booking_query.notices import after_team, just_done, refused
from booking_query.presentation import history_line
from booking_query.queries import queries
from booking_query.team_frame import framed
from booking_query.views import team_view

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from flask import Response

BOOKINGS = "/scheduling/bookings"

blueprint = framed(Blueprint("team_bookings", __name__, url_prefix=BOOKINGS))


@blueprint.get("")
def listed() -> Response:
    where = zone_for(detected_zone(), reading.usual_zone())
    return _with_refusal_once(draw_list(State.of(request.args), where))


@blueprint.get("/<booking_id>")
def booking(booking_id: str) -> Response:
    view, where = _booking(booking_id)
    notice = after_team(just_done(request.args, view["version"]), view["customer_name"])
    return _with_refusal_once(_draw_booking(view, where, notice=notice, form=Form.of(reading.draft(), {})))


@blueprint.get("/<booking_id>/reschedule")
def reschedule(booking_id: str) -> str:
    view, where = _booking(booking_id)
    if not view["can_reschedule"]:
        return _draw_booking(view, where, notice=refused(reading.draft()))
    return draw_move(TEAM, view, _base(booking_id), reading.offering_for_move(view, team=True), where)


@blueprint.get("/<booking_id>/cancel")
def cancel(booking_id: str) -> str:
    view, where = _booking(booking_id)
    if not view["can_cancel"]:
        return _draw_booking(view, where, notice=refused(reading.draft()))
    form = Form.of(reading.draft(), REASON_LABELS)
    return draw("cancel.html", side=TEAM, booking=view, base=_base(booking_id), form=form)


def _booking(booking_id: str) -> tuple[dict[str, Any], ZoneInfo]:
    found = reading.booking(booking_id)
    where = zone_for(detected_zone(), found["timezone"])
    return team_view(found, where, reading.now()), where


def _draw_booking(view: dict[str, Any], where: ZoneInfo, **facts: Any) -> str:
    lines = [history_line(entry, where) for entry in queries().history(view["booking_id"])]
    base = _base(view["booking_id"])
    return draw("booking.html", booking=view, base=base, history=lines, where=where, **facts)


def _with_refusal_once(page: str) -> Response:
    """A page that is looked at often: the refusal of a form without fields is not said again."""
    answer = make_response(page)
    if reading.draft():
        reading.drafts().clear(answer, request.path)
    return answer


def _base(booking_id: object) -> str:
    return f"{BOOKINGS}/{booking_id}"
