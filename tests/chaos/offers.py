"""What can be booked while everything fails: three types of two hosts, and one whose reminders fall due meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import requests
from servers.people import EVERY_DAY, Team

if TYPE_CHECKING:
    from servers.local_stack import LocalStack

SOON = "soon"
DURATIONS = {"short": 30, "long": 60, "other": 30, SOON: 1}  # minutes, by slug
_HOSTS = {"short": "hana", "long": "hana", "other": "otto", SOON: "sara"}
REMINDERS_MINUTES = tuple(24 * 60 + 7 * step for step in range(10))


def team_headers(stack: LocalStack) -> dict[str, str]:
    """The headers of a program that acts for the team."""
    issued = Team.logged_in(stack).http.post(f"{stack.url}/v1/api-tokens", json={"name": "chaos"})
    assert issued.status_code == 201, issued.text
    return {"Authorization": f"Bearer {issued.json()['token']}"}


def offer(url: str, team: dict[str, str], days: int) -> None:
    """Define the meeting types, and return when they can be seen."""
    for slug, minutes in DURATIONS.items():
        host = _HOSTS[slug]
        definition = {
            "title": f"A {slug} meeting",
            "duration_minutes": minutes,
            "slot_step_minutes": min(minutes, 30),
            "location": "Video",
            "host": {"name": host.title(), "email": f"{host}@example.org"},
            "timezone": "UTC",
            "weekly_hours": EVERY_DAY,
            "horizon_days": days + 4,
            "reminders_minutes_before": list(REMINDERS_MINUTES) if slug == SOON else [],
            "notify": ["office@example.org"] if slug == "other" else [],
        }
        defined = requests.put(f"{url}/v1/meeting-types/{slug}", json=definition, headers=team, timeout=10)
        assert defined.status_code == 201, defined.text
        seen = requests.get(f"{url}/v1/meeting-types/{slug}?min_version=1", timeout=10)
        assert seen.status_code == 200, seen.text
