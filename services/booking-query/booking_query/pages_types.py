"""The team's pages about meeting types: the list with its booking links, and the form to add, edit and delete."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from flask import Blueprint, request
from rebook.times import clock

from booking_query import reading
from booking_query.choosing import detected_zone
from booking_query.credentials import team
from booking_query.definition_fields import (
    LABELS,
    WEEK_DAYS,
    fields_of,
    standing_otherwise,
    usual_fields,
)
from booking_query.drawing import draw
from booking_query.forms import Form
from booking_query.hours_preview import Preview, preview
from booking_query.notices import after_team
from booking_query.picker import shown_zone
from booking_query.presentation import weekday_and_day
from booking_query.queries import queries
from booking_query.team_frame import framed
from booking_query.views import type_view

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

blueprint = framed(Blueprint("team_types", __name__, url_prefix="/scheduling/meeting-types"))

_PREVIEWED_STARTS = 5
_PREVIEWED_DAYS = 61


@blueprint.get("")
def listed() -> str:
    if "slug" in request.args:
        reading.wait_for_type(request.args["slug"])
    if "preview" in request.args:
        return draw("hours_preview.html", preview=_preview(request.args))
    if "add" in request.args:
        draft = reading.draft()
        start = usual_fields(team().require().email, shown_zone(detected_zone(), reading.usual_zone()).key)
        form = Form.of(draft, LABELS, {} if draft else start)
        return draw("meeting_types.html", form=form, week_days=WEEK_DAYS, preview=_preview(form.values))
    types = [type_view(definition, reading.public_url()) for definition in queries().meeting_types()]
    return draw("meeting_types.html", types=types, notice=after_team(request.args.get("done", ""), ""))


@blueprint.get("/<slug>")
def edited(slug: str) -> str:
    definition = reading.meeting_type(slug)
    draft = None if "fresh" in request.args else reading.draft()
    standing = {**fields_of(definition), "version": str(definition["version"])}
    form = Form.of(draft, LABELS, standing)
    otherwise = standing_otherwise(form.values, standing) if draft and draft.code == "stale-version" else None
    return draw(
        "meeting_type.html",
        type={**type_view(definition, reading.public_url()), "next_starts": list(_next_starts(definition))},
        form=form,
        preview=_preview(form.values),
        standing=otherwise,
        version=form.value("version") if otherwise is None else standing["version"],
        week_days=WEEK_DAYS,
    )


def _preview(fields: Mapping[str, str]) -> Preview:
    where = shown_zone(fields.get("timezone"))
    return preview(fields, reading.now().astimezone(where).date())


def _next_starts(definition: Mapping[str, Any]) -> Iterator[str]:
    """The first free starts, on the clocks of the type's own zone: what the hours come to."""
    where = shown_zone(definition["timezone"])
    today = reading.now().astimezone(where).date()
    offered = reading.offering(definition).offer(today, today + timedelta(days=_PREVIEWED_DAYS), where)
    starts = [slot.starts_at.astimezone(where) for day in sorted(offered) for slot in offered[day]]
    for start in starts[:_PREVIEWED_STARTS]:
        yield f"{weekday_and_day(start.date())}, {clock(start)}"
