"""Two meeting types to try, added through the same HTTP interface that everybody uses."""

from __future__ import annotations

import json
from typing import Any

import urllib3

_OFFICE_HOURS = {day: [["09:00", "12:00"], ["13:00", "17:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}
_CREATED, _NO_CONTENT, _NOT_FOUND = 201, 204, 404


def meeting_types(host_email: str) -> dict[str, dict[str, Any]]:
    host = {"name": "Front desk", "email": host_email}
    return {
        "intro-call": {
            "title": "Introduction call",
            "description": "Half an hour to get to know each other.",
            "duration_minutes": 30,
            "location": "Video call, the link is in the invitation",
            "host": host,
            "timezone": "Europe/Berlin",
            "weekly_hours": _OFFICE_HOURS,
            "minimum_notice_minutes": 60,
            "reminders_minutes_before": [1440, 60],
        },
        "workshop": {
            "title": "Planning workshop",
            "description": "Two hours at the whiteboard.",
            "duration_minutes": 120,
            "location": "Rebook office, room 2",
            "host": {"name": "Workshop desk", "email": f"workshops.{host_email}"},
            "timezone": "Europe/Berlin",
            "weekly_hours": {day: [["09:00", "17:00"]] for day in ("tue", "thu")},
            "slot_step_minutes": 30,
            "buffer_before_minutes": 15,
            "buffer_after_minutes": 15,
            "minimum_notice_minutes": 1440,
            "reminders_minutes_before": [1440],
            "reschedule_cutoff_minutes": 120,
            "cancel_cutoff_minutes": 120,
        },
    }


class TeamSession:
    """A team member, logged in through the gateway."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._http = urllib3.PoolManager(timeout=10, retries=False)
        self._cookies: dict[str, str] = {}

    def log_in(self, email: str, password: str) -> bool:
        """Whether the login was right."""
        answer = self._send("POST", "/v1/session", {"email": email, "password": password})
        for cookie in answer.headers.getlist("Set-Cookie"):
            name, _, value = cookie.partition(";")[0].partition("=")
            self._cookies[name] = value
        return answer.status == _NO_CONTENT

    def add_if_absent(self, slug: str, definition: dict[str, Any]) -> bool:
        """Whether the meeting type is there now."""
        path = f"/v1/meeting-types/{slug}"
        if self._http.request("GET", self._origin + path).status != _NOT_FOUND:
            return True
        return self._send("PUT", path, definition).status == _CREATED

    def _send(self, method: str, path: str, body: dict[str, Any]) -> urllib3.BaseHTTPResponse:
        headers = {"Content-Type": "application/json"}
        if self._cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
            headers["X-CSRF-Token"] = self._cookies.get("rebook_csrf", "")
        return self._http.request(method, self._origin + path, body=json.dumps(body), headers=headers)
