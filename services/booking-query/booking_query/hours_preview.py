"""What the hours in a meeting type's form come to: the week ahead, drawn, while nobody has booked in it yet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from marshmallow import ValidationError
from rebook.availability import Schedule, edge
from rebook.definition_form import definition
from rebook.drafts import Draft
from rebook.meeting_types import MeetingTypeSchema
from rebook.problems import flat

from booking_query.definition_fields import LABELS
from booking_query.forms import Form
from booking_query.presentation import count, weekday_and_day

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import date

    from rebook.availability import Span
    from rebook.meeting_types import MeetingType

_DAYS = 7
_DECIDES = ("timezone", "weekly_hours", "date_overrides", "duration_minutes", "slot_step_minutes")
_BESIDE_THE_POINT = {"title": "-", "location": "-", "host": {"name": "-", "email": "host@example.org"}}


@dataclass(frozen=True)
class DayDrawn:
    """One day: its bars as minutes from midnight and minutes long, and the same in words."""

    name: str
    bars: tuple[tuple[int, int], ...]
    hours: str
    starts: str


@dataclass(frozen=True)
class Preview:
    """The week, or what has to be put right before it can be drawn."""

    days: tuple[DayDrawn, ...] = ()
    problems: tuple[str, ...] = ()


def preview(fields: Mapping[str, str], today: date) -> Preview:
    """The week from next Monday, as the form's fields have it so far."""
    typed = definition(fields)
    asked: dict[str, Any] = {name: typed[name] for name in _DECIDES if typed[name] != ""}
    try:
        terms = MeetingTypeSchema().load({**_BESIDE_THE_POINT, **asked})
    except ValidationError as error:
        return Preview(problems=tuple(_problems(error)))
    monday = today + timedelta(days=7 - today.weekday())
    return Preview(tuple(_drawn(terms, monday)))


def _drawn(terms: MeetingType, monday: date) -> Iterator[DayDrawn]:
    schedule = Schedule.of(terms)
    last = monday + timedelta(days=_DAYS - 1)
    begin = edge(monday, 0, schedule.zone, closing=False)
    offered = schedule.slots(monday, last, schedule.zone, now=begin, taken=(), team=True)
    for offset in range(_DAYS):
        day = monday + timedelta(days=offset)
        hours = sorted(schedule.hours_on(day))
        yield DayDrawn(
            weekday_and_day(day),
            tuple((span.opens // 60, (span.closes - span.opens) // 60) for span in hours),
            ", ".join(map(_hours, hours)) or "closed",
            count(len(offered.get(day, ())), "start", "starts") if hours else "",
        )


def _hours(span: Span) -> str:
    return f"{_clock(span.opens)}-{_clock(span.closes)}"


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02}:{seconds % 3600 // 60:02}"


def _problems(error: ValidationError) -> Iterator[str]:
    form = Form.of(Draft("malformed-command", "", flat(error.messages)), LABELS)
    for name, label, messages in form.summary:
        yield f"{label or name}: {' '.join(messages)}"
