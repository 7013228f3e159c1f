"""A customer and a team over HTTP, as programs see Rebook through its gateway."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from servers.local_stack import LocalStack
    from servers.smtp import Letter

EVERY_DAY = {day: [["00:00", "24:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}


@dataclass
class Team:
    """A team member with a session."""

    url: str
    http: requests.Session = field(default_factory=requests.Session)

    @classmethod
    def logged_in(cls, stack: LocalStack) -> Team:
        team = cls(stack.url)
        login = {"email": stack.team_email, "password": stack.team_password}
        assert team.http.post(f"{team.url}/v1/session", json=login).status_code == 204
        team.http.headers["X-CSRF-Token"] = team.http.cookies["rebook_csrf"]
        return team

    def offer(self, **changes: Any) -> MeetingType:
        """A meeting type of its own host, open at every hour."""
        slug = f"type-{secrets.token_hex(4)}"
        host = f"host-{slug}@example.org"
        definition = {
            "title": f"Meeting {slug}",
            "duration_minutes": 30,
            "location": "Video",
            "host": {"name": "Host", "email": host},
            "timezone": "Europe/Berlin",
            "weekly_hours": EVERY_DAY,
            **changes,
        }
        added = self.http.put(f"{self.url}/v1/meeting-types/{slug}", json=definition)
        assert added.status_code == 201, added.text
        path = f"{self.url}/v1/meeting-types/{slug}?min_version={added.json()['version']}"
        assert requests.get(path, timeout=10).status_code == 200
        return MeetingType(self.url, slug, host)

    def listed(self, which: str, meeting_type: MeetingType) -> list[str]:
        """The ids of a type's bookings under a filter."""
        asked = self.http.get(
            f"{self.url}/v1/bookings", params={"filter": which, "meeting_type": meeting_type.slug}
        )
        assert asked.status_code == 200, asked.text
        return [item["booking_id"] for item in asked.json()["items"]]

    def details(self, booking_id: str, min_version: int = 1) -> dict[str, Any]:
        asked = self.http.get(f"{self.url}/v1/bookings/{booking_id}", params={"min_version": min_version})
        assert asked.status_code == 200, asked.text
        return asked.json()

    def emails(self, booking_id: str) -> list[tuple[str, str]]:
        """What became of the letters about a booking, as its history has it."""
        history = self.details(booking_id)["history"]
        return [(entry["type"], entry["letter"]) for entry in history if entry["type"].startswith("email-")]


@dataclass(frozen=True)
class MeetingType:
    """Something to book."""

    url: str
    slug: str
    host: str

    def start(self, slots_ahead: int = 0) -> str:
        """A start on offer, from tomorrow on."""
        tomorrow = datetime.now(UTC).date() + timedelta(days=1)
        asked = requests.get(
            f"{self.url}/v1/meeting-types/{self.slug}/slots",
            params={"from": str(tomorrow), "to": str(tomorrow + timedelta(days=1)), "timezone": "UTC"},
            timeout=10,
        )
        slots = [slot["starts_at"] for day in asked.json()["days"] for slot in day["slots"]]
        return str(slots[slots_ahead])

    def book(self, starts_at: str, email: str, **more: Any) -> requests.Response:
        customer = {"name": "Ada Example", "email": email, "timezone": "Europe/London"}
        body = {"meeting_type": self.slug, "starts_at": starts_at, "customer": customer, **more}
        return requests.post(f"{self.url}/v1/bookings", json=body, timeout=15)


def somebody() -> str:
    """An address that no other test writes to."""
    return f"ada-{secrets.token_hex(4)}@example.org"


def links(letter: Letter) -> tuple[str, str]:
    """The Reschedule and the Cancel link of a letter, out of its text part."""
    [move] = set(re.findall(r"https?://\S+/manage/\S+/reschedule", letter.text))
    [cancel] = set(re.findall(r"https?://\S+/manage/\S+/cancel", letter.text))
    return move, cancel


def by_api(link: str) -> str:
    """The command behind a page's link."""
    return link.replace("/manage/", "/v1/manage/")
