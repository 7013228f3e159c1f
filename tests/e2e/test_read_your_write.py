"""Whoever has changed something sees it at once, over the API and on pages: a thousand times on the running stack."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests
from rebook.moments import format_moment
from servers.people import Team, somebody
from servers.waiting import until

if TYPE_CHECKING:
    from servers.people import MeetingType

CLIENTS, BOOKINGS_EACH = 4, 63  # four pairs a booking; no more clients than a process lets wait


@pytest.fixture
def team(stack) -> Team:
    return Team.logged_in(stack)


def start(number: int) -> str:
    """One of the starts that are on offer from tomorrow on."""
    midnight = datetime.combine(datetime.now(UTC).date() + timedelta(days=2), time(), UTC)
    return format_moment(midnight + timedelta(minutes=30 * number))


class Client:
    """Writes and then reads; `stale` are the reads that showed the time before the write."""

    def __init__(self, team: Team, offered: MeetingType) -> None:
        self.pairs = 0
        self.stale: list[str] = []
        self._team = team
        self._offered = offered
        self._http = requests.Session()

    def work(self) -> None:
        for number in range(BOOKINGS_EACH):
            self._book_move_resend_cancel(number)

    def _book_move_resend_cancel(self, number: int) -> None:
        booking = self._offered.book(start(2 * number), somebody()).json()
        link, details = booking["manage_url"], f"{self._team.url}/v1/bookings/{booking['booking_id']}"
        shown = self._read(link.replace("/manage/", "/v1/manage/"), booking["version"]).json()
        self._count("book", shown["starts_at"] == start(2 * number))
        moved = self._write(f"{details}/reschedule", {"starts_at": start(2 * number + 1)})
        shown = self._read(details, moved["version"]).json()
        self._count("move", shown["starts_at"] == start(2 * number + 1))
        resent = self._write(f"{details}/resend-confirmation", {})
        shown = self._read(details, resent["version"]).json()
        self._count("resend", "resend-requested" in [entry["type"] for entry in shown["history"]])
        page = self._http.post(f"{link}/cancel", {"idempotency_key": secrets.token_hex(8)}, timeout=15)
        self._count("cancel", "Cancelled on" in page.text)

    def _write(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self._team.http.post(path, json=body, timeout=15)
        assert answer.status_code in {200, 202}, answer.text
        return answer.json()

    def _read(self, path: str, version: int) -> requests.Response:
        """What is there from that version on; a projection that takes more than two seconds is asked once more."""

        def ask() -> requests.Response | None:
            answer = self._team.http.get(path, params={"min_version": version}, timeout=15)
            assert answer.status_code == 200 or answer.json()["code"] == "not-yet", answer.text
            return answer if answer.status_code == 200 else None

        return until(ask, 15, f"version {version}")

    def _count(self, what: str, is_fresh: bool) -> None:
        self.pairs += 1
        if not is_fresh:
            self.stale.append(what)


def test_no_read_after_a_write_shows_what_was_before_it(stack, team):
    clients = [Client(Team.logged_in(stack), team.offer()) for _ in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as threads:
        for done in [threads.submit(client.work) for client in clients]:
            done.result()
    assert sum(client.pairs for client in clients) >= 1_000
    assert [client.stale for client in clients] == [[]] * CLIENTS
