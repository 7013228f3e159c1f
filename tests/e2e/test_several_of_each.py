"""Two of every process at once: they share the work, and stand in for each other."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, repeat
from typing import TYPE_CHECKING

import pytest
import requests
from rebook_infra.ports import free_port
from rebook_infra.processes import SERVICES, script
from rebook_infra.supervisor import Process
from servers.people import MeetingType, Team, somebody
from servers.running import Server
from servers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from servers.local_stack import LocalStack

PATIENCE_S = 60
BOOKINGS = 30
WORKERS = ("booking-command-relay", "booking-query-projector", "notifier-worker")


class Second:
    """A second one of each process, beside the stack's own, on ports of their own."""

    def __init__(self, stack: LocalStack, logs: Path) -> None:
        self.ports = {name: free_port() for name in SERVICES}
        self.servers = {name: self._server(name, stack, logs) for name in SERVICES}

    def start(self) -> None:
        for server in self.servers.values():
            server.begin()
        for server in self.servers.values():
            server.wait_ready()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    def close(self) -> None:
        for server in self.servers.values():
            server.stop()

    def _server(self, name: str, stack: LocalStack, logs: Path) -> Server:
        command, *arguments = SERVICES[name]
        ports = {variable_of(each): str(port) for each, port in self.ports.items()}
        environment = {**os.environ, **stack.environment, **ports, "REBOOK_RATE_LIMITS": "0"}
        process = Process(name, script(command, *arguments), environment)
        return Server(process, logs / f"{name}.log", lambda: self._is_ready(name))

    def _is_ready(self, name: str) -> bool:
        try:
            return requests.get(f"{self.url(name)}/readyz", timeout=5).status_code == 200
        except requests.RequestException:
            return False


def variable_of(process: str) -> str:
    return f"{process.upper().replace('-', '_')}_PORT"


@pytest.fixture(scope="module")
def second(stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Second]:
    stack.wait_ready()
    running = Second(stack, tmp_path_factory.mktemp("second"))
    try:
        running.start()
        yield running
    finally:
        running.close()
    stack.wait_ready()


@pytest.fixture
def team(stack: LocalStack) -> Team:
    return Team.logged_in(stack)


def book(offered: MeetingType, through: str, starts_at: str) -> tuple[str, str]:
    """The id of a booking made through one of the web processes, and whom it is for."""
    customer = somebody()
    made = MeetingType(through, offered.slug, offered.host).book(starts_at, customer)
    assert made.status_code == 201, made.text
    return made.json()["booking_id"], customer


def book_through_both(stack: LocalStack, second: Second, offered: MeetingType) -> dict[str, str]:
    ways = [stack.url, second.url("booking-command-web")]
    starts = [offered.start(number) for number in range(BOOKINGS)]
    with ThreadPoolExecutor(8) as customers:
        made = customers.map(book, repeat(offered), cycle(ways), starts)
        return dict(made)


def told_once(team: Team, offered: MeetingType, bookings: dict[str, str], smtp) -> None:
    """All of them in the list, and one letter to every customer."""
    until(
        lambda: set(team.listed("upcoming", offered)) == bookings.keys(), PATIENCE_S, "every booking listed"
    )
    for booking_id, customer in bookings.items():
        smtp.wait_for(lambda letter, to=customer: to in letter.recipients, PATIENCE_S)
        until(lambda its=booking_id: len(team.emails(its)) == 2, PATIENCE_S, "both letters in the history")
    assert {customer: len(smtp.letters(customer)) for customer in bookings.values()} == dict.fromkeys(
        bookings.values(), 1
    )


def instances(stack: LocalStack, service: str) -> int:
    return requests.get(f"{stack.url}/{service}/statusz", timeout=10).json()["instances"]


def test_bookings_through_both_web_processes_are_listed_and_mailed_once(stack, second, smtp, team):
    for service in ("query", "notifier"):
        until(lambda name=service: instances(stack, name) == 2, PATIENCE_S, f"two workers of {service}")
    offered = team.offer()
    bookings = book_through_both(stack, second, offered)
    told_once(team, offered, bookings, smtp)
    one, other = stack.url, second.url("booking-query-web")
    path = f"/v1/meeting-types/{offered.slug}"
    assert requests.get(one + path, timeout=10).json() == requests.get(other + path, timeout=10).json()


def test_when_the_first_of_each_worker_is_gone_the_second_does_all_its_work(stack, second, smtp, team):
    offered = team.offer()
    stack.hold(*WORKERS)
    try:
        bookings = book_through_both(stack, second, offered)
        told_once(team, offered, bookings, smtp)
    finally:
        stack.release(*WORKERS)


def test_a_slot_asked_for_through_both_web_processes_at_once_is_given_once(stack, second, team):
    offered = team.offer()
    ways = [stack.url, second.url("booking-command-web")] * 4
    starts_at = offered.start()
    with ThreadPoolExecutor(len(ways)) as customers:
        asked = customers.map(
            lambda way: MeetingType(way, offered.slug, offered.host).book(starts_at, somebody()), ways
        )
        codes = sorted(answer.status_code for answer in asked)
    assert codes == [201] + [409] * 7
