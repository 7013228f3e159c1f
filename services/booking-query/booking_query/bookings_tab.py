"""The Bookings tab: what was searched for, in the address; the page of the list that answers it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from operator import itemgetter
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from rebook.moments import format_moment

from booking_query import reading
from booking_query.bookings_list import Search
from booking_query.calendar import parse_day
from booking_query.drawing import draw
from booking_query.notices import refused
from booking_query.presentation import FILTERS
from booking_query.queries import queries
from booking_query.views import by_day

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

_PATH = "/scheduling/bookings"
_ROWS = 30  # on one page of the list, which keeps it under 60 kB with everything it needs
_NARROWS = ("q", "meeting_type", "host", "from", "to")
_KEPT = (*_NARROWS, "timezone")
_EMPTY = {
    "upcoming": ("No upcoming bookings", "Share a booking link, and what is booked shows up here."),
    "past": ("No past bookings", "Meetings move here once they have ended."),
    "cancelled": ("Nothing was cancelled", "Cancelled bookings stay here for reference."),
}


@dataclass(frozen=True)
class State:
    """One state of the tab; every part of it lives in the address."""

    filter: str
    terms: Mapping[str, str]
    cursor: str

    @classmethod
    def of(cls, parameters: Mapping[str, str]) -> State:
        chosen = parameters.get("filter", "")
        terms = {name: parameters.get(name, "").strip() for name in _KEPT}
        return cls(chosen if chosen in FILTERS else "upcoming", terms, parameters.get("cursor", ""))

    @property
    def is_narrowed(self) -> bool:
        return any(self.terms[name] for name in _NARROWS)

    @property
    def filters_in_use(self) -> int:
        """How many of the filters beside the search narrow the list."""
        return sum(bool(self.terms[name]) for name in _NARROWS if name != "q")

    def link(self, **changes: str) -> str:
        """The address of the tab in another state; a cursor belongs to one state only and is left out."""
        wanted = {"filter": self.filter, **self.terms, **changes}
        return f"{_PATH}?{urlencode({name: value for name, value in wanted.items() if value})}"

    def search(self, where: ZoneInfo) -> Search:
        """The question behind this state of the tab."""
        asked = {name: self.terms[name] for name in ("q", "meeting_type", "host")}
        cursor = {"cursor": self.cursor} if self.cursor else {}
        return Search.read(
            {"filter": self.filter, "limit": str(_ROWS), **asked, **self._bounds(where), **cursor}
        )

    def _bounds(self, where: ZoneInfo) -> dict[str, str]:
        """The days asked for, both included, as moments: from the first midnight to the one after the last."""
        first, last = parse_day(self.terms["from"]), parse_day(self.terms["to"])
        after = last + timedelta(days=1) if last else None
        days = {"from": first, "to": after}
        return {
            name: format_moment(datetime.combine(day, time(), where)) for name, day in days.items() if day
        }


def draw_list(state: State, where: ZoneInfo) -> str:
    page = queries().bookings(state.search(where))
    following = page.next_cursor
    return draw(
        "bookings.html",
        state=state,
        tabs=_tabs(state),
        days=by_day(page.items, where, queries().now().astimezone(where).date()),
        next_href=state.link(cursor=following) if following else "",
        first_href=state.link() if state.cursor else "",
        empty=None if page.items else _empty(state),
        **_choices(state),
        where=where,
        notice=refused(reading.draft()),
    )


def _choices(state: State) -> dict[str, list[tuple[str, str]]]:
    """What the filters offer: what is on offer now, and whatever else the address asks for."""
    offered = queries().meeting_types()
    types = {each["slug"]: each["title"] for each in offered}
    hosts = {each["host"]["email"]: f"{each['host']['name']} ({each['host']['email']})" for each in offered}
    chosen = state.terms
    return {
        "types": [*types.items(), *_also(chosen["meeting_type"], types)],
        "hosts": [*sorted(hosts.items(), key=itemgetter(1)), *_also(chosen["host"], hosts)],
    }


def _also(chosen: str, offered: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(chosen, chosen)] if chosen and chosen not in offered else []


def _tabs(state: State) -> list[dict[str, Any]]:
    counts = queries().counts()
    return [
        {
            "name": name,
            "href": state.link(filter=key),
            "count": counts[key],
            "is_current": key == state.filter,
        }
        for key, name in FILTERS.items()
    ]


def _empty(state: State) -> dict[str, str]:
    if state.cursor:
        return {
            "title": "No more bookings follow",
            "text": "Those that were here have moved to another place in the list, or to another tab.",
            "href": state.link(),
            "link": "First page",
        }
    if state.is_narrowed:
        return {
            "title": f"No {FILTERS[state.filter].lower()} booking matches",
            "text": "Try fewer letters, other days, or another tab.",
            "href": f"{_PATH}?filter={state.filter}",
            "link": "Show all of them",
        }
    title, text = _EMPTY[state.filter]
    share = {"href": "/scheduling/meeting-types", "link": "Meeting types and their links"}
    return {"title": title, "text": text, **(share if state.filter == "upcoming" else {})}
