"""As many requests as wanted, one after the other, to a whole Rebook of their own."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, Phase, given, seed, settings
from rebook.moments import format_moment, use_bundled_zones
from rebook_infra.ports import free_port
from servers.local_stack import LocalStack
from servers.people import Team, somebody

from fuzz.judge import Judge
from fuzz.requests import Facts, Request, requests
from fuzz.routes import Route, every_route

if TYPE_CHECKING:
    from collections.abc import Iterable

_BOOKINGS = 20


def run(count: int, by_seed: int) -> Counter[int]:
    """Send so many requests; how often each status was answered.

    Raises:
        fuzz.judge.Wrong: with the smallest request that was found to go wrong.
    """
    use_bundled_zones()
    home = Path(tempfile.mkdtemp(prefix="rebook-fuzz-"))
    stack = LocalStack(home / "stack", free_port(), {})
    try:
        stack.start()
        return _fuzz(stack, count, by_seed)
    finally:
        stack.close()
        shutil.rmtree(home, ignore_errors=True)


def _fuzz(stack: LocalStack, count: int, by_seed: int) -> Counter[int]:
    environment = stack.environment
    routes = every_route(environment)
    facts = _facts(stack)
    keys = [environment[name] for name in ("MANAGE_LINK_KEYS", "SESSION_KEYS")]
    judge = Judge(int(stack.url.rpartition(":")[2]), environment["BOOKING_COMMAND_DATABASE_URL"], tuple(keys))
    try:
        _send(judge, routes, facts, count, by_seed)
    finally:
        judge.close()
    stack.wait_ready()
    return Counter(judge.statuses)


def _send(judge: Judge, routes: Iterable[Route], facts: Facts, count: int, by_seed: int) -> None:
    @seed(by_seed)
    @settings(
        max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink), report_multiple_bugs=False,
    )  # fmt: skip
    @given(requests(list(routes), facts))
    def one(request: Request) -> None:
        judge.judge(request)

    one()


def _facts(stack: LocalStack) -> Facts:
    """A type, bookings of it, and credentials, all of them valid."""
    team = Team.logged_in(stack)
    offered = team.offer()
    booked = [offered.book(offered.start(number), somebody()).json() for number in range(_BOOKINGS)]
    issued = team.http.post(f"{stack.url}/v1/api-tokens", json={"name": "fuzz"}).json()
    tomorrow = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=1)
    return Facts(
        bookings=tuple((one["booking_id"], one["manage_url"].rpartition("/")[2]) for one in booked),
        slug=offered.slug,
        starts=tuple(format_moment(tomorrow + timedelta(hours=hour)) for hour in range(1_000)),
        bearer=issued["token"],
        session=team.http.cookies["rebook_session"],
        csrf=team.http.cookies["rebook_csrf"],
        email=stack.team_email,
        password=stack.team_password,
    )
