"""Mail scanners and curious people follow every link: nothing that is only looked at may change anything."""

from __future__ import annotations

import re
from collections import Counter
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urldefrag, urljoin, urlsplit

import psycopg
import pytest
from servers.people import Team, somebody
from servers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterable

    from servers.local_stack import LocalStack
    from servers.smtp import Letter

_LINK = re.compile(r"""(?:href|src|action)="([^"]+)\"""")
_ADDRESS = re.compile(r"https?://[^\s<>\"')]+")
_SOMEBODYS = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|type-[0-9a-f]{8}")
_ALIKE_MAX = (
    2  # addresses that differ only in a parameter's value: every month, day and start of a calendar has one
)


@pytest.fixture
def team(stack: LocalStack) -> Team:
    return Team.logged_in(stack)


def stored(stack: LocalStack) -> dict[str, list[tuple[object, ...]]]:
    """Every row of the event store, but for what its relay notes about itself."""
    with psycopg.connect(stack.environment["BOOKING_COMMAND_OWNER_DATABASE_URL"]) as connection:
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        kept = sorted(name for (name,) in names if not name.startswith("relay"))
        return {name: connection.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall() for name in kept}


def links_in(text: str, base: str) -> set[str]:
    """Every address of the page, forms' included: a scanner that GETs them must do no harm either."""
    found = {urljoin(base, link.replace("&amp;", "&")) for link in _LINK.findall(text)}
    return {urldefrag(link).url for link in found if urlsplit(link).netloc == urlsplit(base).netloc}


class Scanner:
    """Asks for every address that it finds, with HEAD and with GET, as a member of the team.

    It leaves out what belongs to other tests, and all but a few of the addresses that are alike.
    """

    def __init__(self, team: Team, *own: str) -> None:
        self._http = team.http
        self._own = {*own}
        self._alike: Counter[str] = Counter()
        self.seen: set[str] = set()

    def follow(self, begin: Iterable[str]) -> None:
        waiting = sorted(begin)
        while waiting:
            address = waiting.pop()
            if address not in self.seen and self._wants(address):
                waiting += sorted(self._ask(address))

    def _wants(self, address: str) -> bool:
        alike = re.sub(r"=[^&]*", "", address)
        self._alike[alike] += 1
        return {*_SOMEBODYS.findall(address)} <= self._own and self._alike[alike] <= _ALIKE_MAX

    def _ask(self, address: str) -> set[str]:
        self.seen.add(address)
        head = self._http.head(address, timeout=15, allow_redirects=False)
        answer = self._http.get(address, timeout=15)
        assert max(head.status_code, answer.status_code) < HTTPStatus.INTERNAL_SERVER_ERROR, address
        is_page = answer.headers.get("Content-Type", "").startswith("text/html")
        return links_in(answer.text, answer.url) if is_page else set()


def addresses_in(letter: Letter) -> set[str]:
    return set(_ADDRESS.findall(letter.text)) | {
        link.replace("&amp;", "&") for link in _LINK.findall(letter.html)
    }


def test_following_every_link_of_every_page_and_letter_changes_nothing(stack, smtp, team):
    offered, ada = team.offer(reminders_minutes_before=[60]), somebody()
    stays = offered.book(offered.start(), ada).json()
    gone = offered.book(offered.start(2), ada).json()
    cancelled = team.http.post(f"{stack.url}/v1/bookings/{gone['booking_id']}/cancel", json={}).json()
    team.details(gone["booking_id"], cancelled["version"])
    until(lambda: len(smtp.letters(ada)) == 3 and len(smtp.letters(offered.host)) == 3, 15, "every letter")
    letters = [*smtp.letters(ada), *smtp.letters(offered.host)]

    before = stored(stack)
    begin = {f"{stack.url}/", f"{stack.url}/scheduling/bookings?meeting_type={offered.slug}"}
    scanner = Scanner(team, offered.slug, stays["booking_id"], gone["booking_id"])
    scanner.follow(begin.union(*map(addresses_in, letters)))
    assert stored(stack) == before
    reached = {urlsplit(address).path for address in scanner.seen}
    token = stays["manage_url"].rpartition("/")[2]
    assert reached >= {
        f"/manage/{token}/cancel",
        f"/manage/{token}/calendar.ics",
        f"/scheduling/bookings/{gone['booking_id']}",
        f"/scheduling/bookings/{stays['booking_id']}/resend-confirmation",
        f"/scheduling/meeting-types/{offered.slug}/delete",
        "/logout",
    }
