"""The customer's pages: what can be booked, the calendar, and the booking behind a manage link."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, current_app, make_response, redirect, request

from booking_query import reading
from booking_query.calendar_entry import calendar_file, web_calendars
from booking_query.choosing import choose, detected_zone, form_after, typed_zone, zone_for
from booking_query.drawing import draw
from booking_query.forms import Form
from booking_query.moving import CUSTOMER, REASON_LABELS, draw_move
from booking_query.notices import after_customer, just_done, refused
from booking_query.queries import queries
from booking_query.views import customer_view, type_view

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from flask.typing import ResponseReturnValue

blueprint = Blueprint("customer", __name__)

_DETAILS = {"name": "Name", "email": "E-mail", "notes": "Anything we should know?"}


@blueprint.get("/")
def start() -> str:
    types = [type_view(definition, reading.public_url()) for definition in queries().meeting_types()]
    return draw("types.html", types=types)


@blueprint.get("/book/<slug>")
def book(slug: str) -> str:
    definition = reading.meeting_type(slug)
    draft = reading.draft()
    where = zone_for(typed_zone(draft), detected_zone(), definition["timezone"])
    choice = choose(reading.offering(definition), where, draft)
    page = "details.html" if choice.slot else "book.html"
    form = form_after(draft, _DETAILS)
    view = type_view(definition, reading.public_url())
    return draw(page, type=view, choice=choice, notice=choice.notice, form=form)


@blueprint.get("/manage/<token>")
def manage(token: str) -> str:
    view, _ = _managed(token)
    done = just_done(request.args, view["version"])
    notice = after_customer(done, view["customer_email"])
    return _draw_managed(token, view, notice=notice, has_just_booked=done == "booked")


@blueprint.get("/manage/<token>/calendar.ics")
def calendar(token: str) -> ResponseReturnValue:
    """The booking for the customer's own calendar; a cancelled one is no entry any more."""
    booking = reading.managed(token)
    if booking["status"] == "cancelled":
        return redirect(_base(token), 303)
    answer = make_response(calendar_file(booking, current_app.config["CALENDAR_DOMAIN"]))
    answer.mimetype = "text/calendar"
    answer.headers["Content-Disposition"] = 'attachment; filename="meeting.ics"'
    return answer


@blueprint.get("/manage/<token>/reschedule")
def reschedule(token: str) -> str:
    view, where = _managed(token)
    if not view["can_reschedule"]:
        return _draw_managed(token, view, notice=refused(reading.draft()))
    offering = reading.offering_for_move(view, team=False)
    return draw_move(CUSTOMER, view, _base(token), offering, where)


@blueprint.get("/manage/<token>/cancel")
def cancel(token: str) -> str:
    view, _ = _managed(token)
    if not view["can_cancel"]:
        return _draw_managed(token, view, notice=refused(reading.draft()))
    form = Form.of(reading.draft(), REASON_LABELS)
    return draw("cancel.html", side=CUSTOMER, booking=view, base=_base(token), form=form)


def _managed(token: str) -> tuple[dict[str, Any], ZoneInfo]:
    """The booking that the link opens as its customer sees it, in the zone asked for or the customer's own."""
    booking = reading.managed(token)
    where = zone_for(booking["customer"]["timezone"])
    return customer_view(booking, where, reading.now()), where


def _draw_managed(token: str, view: dict[str, Any], **facts: Any) -> str:
    calendars = web_calendars(view) if view["is_ahead"] else []
    return draw("manage.html", booking=view, base=_base(token), calendars=calendars, **facts)


def _base(token: str) -> str:
    return f"/manage/{token}"
