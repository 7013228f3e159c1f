"""How soon a booking can be seen by whoever made it: on the local stack, as `make run` starts it."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import requests
from rebook_infra.ports import free_port
from servers.local_stack import LocalStack
from servers.people import Team, somebody

if TYPE_CHECKING:
    from servers.people import MeetingType

_WARM_UP = 20


def delays_ms(bookings: int) -> tuple[float, float]:
    """Medians from before the POST: until its answer, and until the booking is in the read tables."""
    with tempfile.TemporaryDirectory(prefix="rebook-bench-", ignore_cleanup_errors=True) as home:
        Path(home).chmod(0o755)
        stack = LocalStack(Path(home) / "stack", free_port(), {})
        stack.start()
        try:
            team = Team.logged_in(stack)
            return measured(team, team.offer(duration_minutes=10), bookings)
        finally:
            stack.close()


def measured(team: Team, offered: MeetingType, bookings: int) -> tuple[float, float]:
    starts = _starts(offered, bookings + _WARM_UP)
    answered, visible = [], []
    for start in starts:
        began_s = time.monotonic()
        booking = offered.book(start, somebody()).json()
        answered.append(time.monotonic() - began_s)
        team.details(booking["booking_id"], booking["version"])
        visible.append(time.monotonic() - began_s)
    return statistics.median(answered[_WARM_UP:]) * 1_000, statistics.median(visible[_WARM_UP:]) * 1_000


def _starts(offered: MeetingType, count: int) -> list[str]:
    """So many starts on offer."""
    days = {"from": offered.start()[:10], "to": offered.start(-1)[:10], "timezone": "UTC"}
    asked = requests.get(f"{offered.url}/v1/meeting-types/{offered.slug}/slots", params=days, timeout=10)
    return [slot["starts_at"] for day in asked.json()["days"] for slot in day["slots"]][:count]
