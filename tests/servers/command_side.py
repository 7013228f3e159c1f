"""booking-command's WSGI application on an event store of its own, and a team member's token."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from booking_command.app import create_app
from booking_command.settings import CommandSettings
from rebook.settings import load

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask
    from flask.testing import FlaskClient

    from servers.postgres import FreshDatabase

MEETING_TYPE = {
    "title": "Intro call",
    "duration_minutes": 30,
    "location": "Video",
    "host": {"name": "Hana Host", "email": "hana@example.org"},
    "timezone": "UTC",
    "weekly_hours": {day: [["00:00", "24:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")},
    "horizon_days": 3650,
}
ADA = {"name": "Ada Example", "email": "ada@example.org", "timezone": "Europe/London"}
PASSWORD = "correct horse"


@pytest.fixture(scope="session")
def event_store(database) -> Callable[[], FreshDatabase]:
    """Makes event stores with nothing in them."""

    def make() -> FreshDatabase:
        made: FreshDatabase = database("booking_command").with_tables("booking_command")
        return made

    return make


@pytest.fixture(scope="session")
def command_store(event_store) -> str:
    url: str = event_store().url
    return url


@pytest.fixture(scope="session")
def command_app(command_store: str) -> Flask:
    environment = {
        "BOOKING_COMMAND_DATABASE_URL": command_store,
        "PUBLIC_URL": "http://book.example.org",
        "MANAGE_LINK_KEYS": "m" * 32,
        "SESSION_KEYS": "s" * 32,
        "REBOOK_RATE_LIMITS": "0",
        "WEB_THREADS": "24",
    }
    made = create_app(load(CommandSettings, environment))
    made.extensions["rebook_accounts"].add("hana@example.org", PASSWORD)
    return made


@pytest.fixture(scope="session")
def team(command_app: Flask) -> dict[str, str]:
    accounts = command_app.extensions["rebook_accounts"]
    _, token = accounts.issue_token(accounts.by_email("hana@example.org"), "tests")
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="session")
def offered(command_app: Flask, team: dict[str, str]) -> None:
    """Two meeting types of one host: `intro` and `follow-up`."""
    for slug in ("intro", "follow-up"):
        added = command_app.test_client().put(f"/v1/meeting-types/{slug}", json=MEETING_TYPE, headers=team)
        assert added.status_code == 201


@pytest.fixture
def client(command_app: Flask) -> FlaskClient:
    return command_app.test_client()
