"""Requests, mostly right but for something; drawn by hypothesis from every route."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from hypothesis import strategies as st
from servers.people import EVERY_DAY

from fuzz import odd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fuzz.routes import Route

_BODILESS = {"GET", "HEAD", "OPTIONS"}
_OTHER_METHODS = ("OPTIONS", "PATCH", "PUT", "DELETE", "TRACE", "FOO", "POST", "GET")
_DEFINITION = {
    "title": "Fuzz", "duration_minutes": 30, "location": "Video", "host": {"name": "Fay", "email": "fay@example.org"},
    "timezone": "UTC", "weekly_hours": EVERY_DAY, "slot_step_minutes": 30, "buffer_before_minutes": 0,
    "minimum_notice_minutes": 0, "horizon_days": 60, "reminders_minutes_before": [60], "notify": ["fay@example.org"],
    "date_overrides": {"2030-12-24": []}, "reschedule_cutoff_minutes": 0, "cancel_cutoff_minutes": 0,
}  # fmt: skip
_PARAMETERS = (
    "filter", "q", "meeting_type", "host", "from", "to", "limit", "cursor", "timezone", "min_version", "month", "day",
    "next", "starts_at", "another",
)  # fmt: skip


@dataclass(frozen=True)
class Facts:
    """What is right at first: bookings with their links, a type, free times, and the credentials of the team."""

    bookings: tuple[tuple[str, str], ...]
    slug: str
    starts: tuple[str, ...]
    bearer: str
    session: str
    csrf: str
    email: str
    password: str


@dataclass(frozen=True)
class Request:
    """One request, as it goes over the wire."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def is_http(self) -> bool:
        """Whether a server can make out where it ends; else it may hang up without a word."""
        return all(value.isprintable() and value.isascii() for _, value in self.headers)


def requests(routes: Sequence[Route], facts: Facts) -> st.SearchStrategy[Request]:
    return st.integers(0, len(routes) - 1).flatmap(lambda number: _to(routes[number], facts))


@st.composite
def _to(draw: Any, route: Route, facts: Facts) -> Request:
    method = route.method if draw(_mostly()) else draw(st.sampled_from(_OTHER_METHODS))
    target = _path(draw, route.path, facts) + _query(draw, facts)
    headers = _credentials(draw, facts) + draw(odd.headers())
    body = b""
    if method not in _BODILESS or not draw(_mostly()):
        media, body = draw(odd.bodies(_right_body(route.path, facts, draw(st.sampled_from(facts.starts)))))
        headers.append(("Content-Type", media))
    return Request(method, target, tuple(headers), body)


def _mostly() -> st.SearchStrategy[bool]:
    return st.sampled_from((True, True, True, True, False))


def _path(draw: Any, template: str, facts: Facts) -> str:
    booking_id, link = draw(st.sampled_from(facts.bookings))
    right = {
        "booking_id": booking_id, "token": link, "slug": facts.slug, "token_id": booking_id,
        "code": "slot-taken", "path:name": "start.js", "name": "style.css",
    }  # fmt: skip

    def fill(found: re.Match[str]) -> str:
        value = right.get(found.group(1), "x")
        how = draw(st.integers(0, 5))
        if how == 0:
            return draw(odd.segments)
        return quote(value[: draw(st.integers(0, len(value)))] if how == 1 else value)

    path = re.sub(r"<([^>]+)>", fill, template)
    return (
        path
        if draw(_mostly())
        else path + draw(st.sampled_from(("/", "//", "/..", ";a=b", "%00", "/x", "#x", "?")))
    )


def _query(draw: Any, facts: Facts) -> str:
    right = {"from": "2030-11-05", "to": "2030-11-06", "timezone": "UTC", "limit": "5", "filter": "upcoming"}
    pairs = []
    for name in draw(st.lists(st.sampled_from(_PARAMETERS), max_size=3)):
        is_right = draw(st.booleans()) and name in right
        pairs.append(f"{name}={quote(right[name] if is_right else draw(odd.texts), safe='')}")
    return ("?" + "&".join(pairs)) if pairs else ""


def _credentials(draw: Any, facts: Facts) -> list[tuple[str, str]]:
    cookies = f"rebook_session={facts.session}; rebook_csrf={facts.csrf}"
    odd_text = draw(odd.texts)
    return list(
        draw(
            st.sampled_from(
                (
                    (),
                    (("Authorization", f"Bearer {facts.bearer}"),),
                    (("Cookie", cookies), ("X-CSRF-Token", facts.csrf)),
                    (("Cookie", cookies),),
                    (("Cookie", f"rebook_session={odd_text}; rebook_draft={odd_text}; {odd_text}"),),
                    (("Authorization", f"Bearer {odd_text}"),),
                )
            )
        )
    )


def _right_body(path: str, facts: Facts, starts_at: str) -> dict[str, Any]:
    customer = {"name": "Ada", "email": "ada@example.org", "timezone": "UTC"}
    login = {"email": facts.email, "password": facts.password, "next": "/scheduling/bookings"}
    by_ending = {
        "/v1/bookings": {
            "meeting_type": facts.slug,
            "starts_at": starts_at,
            "customer": customer,
            "notes": "x",
        },
        "/book/<slug>": {"starts_at": starts_at, **customer, "idempotency_key": "", "notes": "x"},
        "/reschedule": {"starts_at": starts_at, "reason": "x"},
        "/cancel": {"reason": "x"},
        "/session": login,
        "/login": login,
        "/api-tokens": {"name": "x"},
        "/meeting-types/<slug>": {**_DEFINITION, "slug": facts.slug},
        "/meeting-types": {**_DEFINITION, "slug": "another"},
        "/account": {"action": "password", "password": "x", "new_password": "y", "name": "x"},
    }
    found = next((body for ending, body in by_ending.items() if path.endswith(ending)), {})
    return {**found, "csrf_token": facts.csrf} if "/v1/" not in path else found
