"""booking-query's web process on a real PostgreSQL, its clock set, with events projected into its tables by hand."""

from __future__ import annotations

import hashlib
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

import psycopg2
import pytest
from booking_query.app import create_app
from booking_query.projection import project
from booking_query.settings import QuerySettings
from rebook import events
from rebook.cloudevents import Event
from rebook.manage_links import ManageLinks
from rebook.moments import format_moment, parse_moment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask.testing import FlaskClient

NOW = parse_moment("2030-11-04T12:00:00Z")  # a Monday
NAMES = UUID("6b1e1a52-93c4-4c0c-b1a5-3f1d3f7d9a11")
TYPE = str(uuid5(NAMES, "type"))
MEMBER = str(uuid5(NAMES, "member"))
KEYS = ("k" * 32,)
SECRET = "a-token"
HOST = {"name": "Ada", "email": "ada@example.org"}
DEFINITION = {
    "slug": "intro-call",
    "actor": "ada@example.org",
    "title": "Intro call",
    "duration_minutes": 30,
    "location": "Phone",
    "host": HOST,
    "timezone": "Europe/Berlin",
    "weekly_hours": {day: [["09:00", "12:00"]] for day in ("mon", "tue", "wed")},
    "buffer_after_minutes": 10,
    "minimum_notice_minutes": 60,
    "notify": ["office@example.org"],
}
CONFIRMED = {
    "meeting_type": "intro-call",
    "title": "Intro call",
    "duration_minutes": 30,
    "location": "Phone",
    "host": HOST,
    "timezone": "Europe/Berlin",
    "team": [],
    "reminders_minutes_before": [],
    "reschedule_cutoff_minutes": 60,
    "cancel_cutoff_minutes": 0,
    "notes": "",
    "actor": "customer",
}


def booking_id(name: str) -> str:
    return str(uuid5(NAMES, name))


def sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def event(kind: str, subject: str, sequence: int, data: dict[str, Any]) -> Event:
    return Event(
        id=f"{subject}:{sequence}",
        source="/booking-command/store",
        type=kind,
        subject=subject,
        time=f"2030-11-01T10:00:{sequence:02}Z",
        sequence=sequence,
        position=sequence,
        correlation_id="test",
        data=data,
    )


def times(starts_at: str, minutes: int = 30) -> dict[str, Any]:
    start = parse_moment(starts_at)
    ends_at = format_moment(start + timedelta(minutes=minutes))
    hold_ends_at = format_moment(start + timedelta(minutes=minutes + 10))
    return {
        "starts_at": starts_at,
        "ends_at": ends_at,
        "hold": {"starts_at": starts_at, "ends_at": hold_ends_at},
    }


class Site:
    """The web process, its clock at NOW, and events for its tables."""

    def __init__(self, url: str, **changes: Any) -> None:
        settings = QuerySettings(
            public_url="http://rebook.test",
            manage_link_keys=KEYS,
            session_keys=KEYS,
            session_hours=12,
            trusted_proxies=0,
            rate_limits=True,
            database_url=url,
            web_threads=4,
            rate_limit_storage="memory://",
            rate_limit_unknown_links="3/minute",
            mail_from="Rebook <bookings@example.org>",
        )
        self.url = url
        self.app = create_app(replace(settings, **changes))
        self.app.extensions["rebook_queries"].now = lambda: NOW
        self.links = ManageLinks(KEYS, "http://rebook.test")
        self._connection = psycopg2.connect(url)

    def close(self) -> None:
        self._connection.close()

    def take(self, *given: Event) -> None:
        with self._connection, self._connection.cursor() as cursor:
            for each in given:
                project(each, cursor)

    def confirm(self, name: str, starts_at: str, minutes: int = 30, **changes: Any) -> str:
        person = {"name": name.title(), "email": f"{name}@example.com", "timezone": "America/New_York"}
        data = CONFIRMED | {"duration_minutes": minutes, "customer": person} | times(starts_at, minutes)
        identity = booking_id(name)
        self.take(event(events.BOOKING_CONFIRMED, identity, 1, data | {"booking_id": identity} | changes))
        return identity

    def move(self, name: str, starts_at: str, version: int = 2, before: str = "") -> None:
        previous = times(before or starts_at)
        data = {f"previous_{edge}": previous[edge] for edge in ("starts_at", "ends_at")}
        data |= times(starts_at) | {"actor": "customer", "reason": ""}
        self.take(event(events.BOOKING_RESCHEDULED, booking_id(name), version, data))

    def cancel(self, name: str, version: int = 2, reason: str = "") -> None:
        self.take(
            event(
                events.BOOKING_CANCELLED, booking_id(name), version, {"actor": "customer", "reason": reason}
            )
        )

    def letter(self, name: str, kind: str, number: int, letter: str, recipient: str, **more: Any) -> None:
        """What became of a letter about a booking; `number` orders the letters."""
        told = {"booking_id": booking_id(name), "letter": letter, "recipient": recipient, **more}
        self.take(event(kind, booking_id(f"{name}-letter-{number}"), number, told))

    def define(self, version: int = 1, **changes: Any) -> None:
        self.take(event(events.MEETING_TYPE_DEFINED, TYPE, version, self.definition(**changes)))

    def definition(self, **changes: Any) -> dict[str, Any]:
        return DEFINITION | changes

    @property
    def anybody(self) -> FlaskClient:
        return self.app.test_client()

    @property
    def team(self) -> FlaskClient:
        client = self.app.test_client()
        client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {SECRET}"
        return client

    def get(self, path: str, **query: Any) -> Any:
        answer = self.team.get(f"/v1{path}", query_string=query)
        assert answer.status_code == 200, answer.text
        return answer.json

    def names(self, **query: Any) -> list[str]:
        return [item["customer"]["name"] for item in self.get("/bookings", **query)["items"]]


def introduce(site: Site, **definition: Any) -> None:
    """Let a site know a member of the team, their API token and a meeting type."""
    _join(site)
    token = {"name": "sync", "sha256": sha256(SECRET), "member_id": MEMBER, "created_by": "ada@example.org"}
    site.take(event(events.API_TOKEN_ISSUED, booking_id("token"), 1, token))
    site.define(**definition)


def _join(site: Site) -> None:
    member = {"member_id": MEMBER, "email": "ada@example.org", "generation": 1}
    site.take(event(events.TEAM_MEMBER_ADDED, MEMBER, 1, member))


@contextmanager
def _empty_site(database: Any, **changes: Any) -> Iterator[Site]:
    fresh = database("booking_query").with_tables("rebook", "booking_query")
    with closing(Site(fresh.url, **changes)) as made:
        yield made


@contextmanager
def new_site(database: Any, **changes: Any) -> Iterator[Site]:
    """A site with a team of one and nothing to book; `changes` are those of its settings."""
    with _empty_site(database, **changes) as made:
        _join(made)
        yield made


@pytest.fixture
def site(database: Any) -> Iterator[Site]:
    with _empty_site(database) as made:
        introduce(made)
        yield made
