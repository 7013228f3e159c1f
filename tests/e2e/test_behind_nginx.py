"""The site as it is in production: nginx with our configuration before the real services."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import requests
from rebook_infra.ports import free_port
from servers.nginx import nginx
from servers.people import MeetingType, Team, links, somebody
from servers.running import Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from servers.local_stack import LocalStack

PORTS = {
    "command": "BOOKING_COMMAND_WEB_PORT",
    "query": "BOOKING_QUERY_WEB_PORT",
    "notifier": "NOTIFIER_WEB_PORT",
}


class Site:
    """nginx before the stack's web processes."""

    def __init__(self, home: Path, stack: LocalStack) -> None:
        port = free_port()
        self.url, self.log = f"http://127.0.0.1:{port}", home / "nginx.log"
        services = {name: f"127.0.0.1:{stack.environment[variable]}" for name, variable in PORTS.items()}
        self._server = Server(
            nginx(home, port, services, stack.url), self.log, lambda: not _is_refused("127.0.0.1", port)
        )
        self._server.start()

    def at(self, link: str) -> str:
        """The same page through nginx."""
        return self.url + urlsplit(link).path

    def close(self) -> None:
        self._server.stop()


def _is_refused(host: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) != 0


@pytest.fixture
def site(stack: LocalStack, tmp_path: Path) -> Iterator[Site]:
    stack.wait_ready()
    running = Site(tmp_path, stack)
    yield running
    running.close()


def test_a_customer_books_looks_moves_and_cancels(site, stack, smtp):
    offered, ada = Team.logged_in(stack).offer(), somebody()
    at_site = MeetingType(site.url, offered.slug, offered.host)
    booked = at_site.book(at_site.start(), ada)
    assert booked.status_code == 201
    move, cancel = links(smtp.wait_for(lambda letter: ada in letter.recipients))
    page = requests.get(site.at(move), timeout=10)
    assert page.status_code == 200
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert "default-src" in page.headers["Content-Security-Policy"]
    by_api = site.at(move).replace("/manage/", "/v1/manage/")
    assert requests.post(by_api, json={"starts_at": at_site.start(4)}, timeout=10).status_code == 200
    by_form = requests.post(site.at(cancel), data={"reason": "ill"}, timeout=10, allow_redirects=False)
    assert by_form.status_code == 303
    assert "min_version=3" in by_form.headers["Location"]
    token = urlsplit(move).path.split("/")[2]
    assert token not in site.log.read_text()


def test_services_answer_by_name_and_tell_their_metrics_to_nobody(site):
    for service in ("command", "query", "notifier"):
        assert requests.get(f"{site.url}/{service}/readyz", timeout=10).status_code == 200
        assert requests.get(f"{site.url}/{service}/metrics", timeout=10).status_code == 404


def test_a_service_that_refuses_is_passed_on_as_it_says_it(site):
    refused = requests.post(f"{site.url}/v1/bookings", data="{", headers={"Content-Type": "application/json"})
    assert (refused.status_code, refused.json()["code"]) == (400, "malformed-json")
    missing = requests.get(f"{site.url}/no/such/page", timeout=10)
    assert missing.status_code == 404
    assert missing.headers["X-Correlation-Id"]
