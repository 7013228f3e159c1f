"""The list's pages while bookings are made, moved and cancelled between them; seeded, on a real PostgreSQL."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
from booking_query.views import filter_of
from rebook.moments import format_moment, parse_moment
from servers.query_side import NOW, Site, booking_id

if TYPE_CHECKING:
    from collections.abc import Iterator

# Few, so that many bookings start together; the first upcoming one has begun.
STARTS = (
    *(f"2030-11-{day:02}T10:00:00Z" for day in (1, 2, 3)),
    "2030-11-04T11:45:00Z",
    *(f"2030-11-{day:02}T10:00:00Z" for day in (5, 6, 7)),
)
WALKS = 6


class Crowd:
    """Bookings that somebody keeps changing; `touched` are those that changed since a walk began."""

    def __init__(self, site: Site, seed: int) -> None:
        self.touched: set[str] = set()
        self._site = site
        self._chance = random.Random(seed)
        self._versions: dict[str, int] = {}
        self._cancelled: set[str] = set()
        for _ in range(40):
            self.make()

    def make(self) -> None:
        name = f"n{len(self._versions)}"
        self._versions[name] = 1
        self._touch(self._site.confirm(name, self._chance.choice(STARTS)))

    def move(self) -> None:
        name = self._active()
        self._site.move(name, self._chance.choice(STARTS), self._next(name))

    def cancel(self) -> None:
        name = self._active()
        self._cancelled.add(name)
        self._site.cancel(name, self._next(name))

    def change(self) -> None:
        for _ in range(self._chance.randrange(4)):
            self._chance.choice((self.make, self.move, self.cancel))()

    def _active(self) -> str:
        return self._chance.choice([name for name in self._versions if name not in self._cancelled])

    def _next(self, name: str) -> int:
        self._versions[name] += 1
        self._touch(booking_id(name))
        return self._versions[name]

    def _touch(self, identity: str) -> None:
        self.touched.add(identity)


def pages(site: Site, chosen: str | None, limit: int, **query: str) -> Iterator[list[dict[str, Any]]]:
    asked = query | {"limit": limit} | ({"filter": chosen} if chosen else {})
    page = site.get("/bookings", **asked)
    yield page["items"]
    while page["next_cursor"]:
        page = site.get("/bookings", cursor=page["next_cursor"], **asked)
        yield page["items"]


def belongs(item: dict[str, Any], chosen: str | None) -> bool:
    moments = {name: parse_moment(item[name]) for name in ("starts_at", "ends_at")}
    return chosen is None or filter_of(item | moments, NOW) == chosen


@pytest.mark.parametrize("chosen", ["upcoming", "past", "cancelled", None])
@pytest.mark.parametrize("bounds", [{}, {"from": "2030-11-02", "to": "2030-11-06"}], ids=["all", "some days"])
def test_pages_neither_skip_nor_repeat_what_stays_where_it_is(site, chosen, bounds):
    crowd = Crowd(site, seed=len(chosen or ""))
    for walk in range(WALKS):
        before = {item["booking_id"] for page in pages(site, chosen, 100, **bounds) for item in page}
        crowd.touched.clear()
        seen: list[dict[str, Any]] = []
        for page in pages(site, chosen, 1 + walk, **bounds):
            seen += page
            crowd.change()
        identities = [item["booking_id"] for item in seen]
        assert before - crowd.touched <= set(identities)
        assert {each for each in identities if identities.count(each) > 1} <= crowd.touched
        assert all(belongs(item, chosen) for item in seen)
        order = [(item["starts_at"], item["booking_id"]) for item in seen]
        assert order == sorted(order, reverse=chosen != "upcoming")


def test_the_days_asked_for_bound_every_page(site):
    for number, starts_at in enumerate(STARTS * 3):
        site.confirm(f"n{number}", starts_at)
    days = {"from": "2030-11-02", "to": format_moment(parse_moment("2030-11-06T10:00:00Z"))}
    for chosen in ("upcoming", "past", None):
        found = [item["starts_at"] for page in pages(site, chosen, 2, **days) for item in page]
        assert found
        assert all("2030-11-02" <= starts_at < "2030-11-06T10:00:00Z" for starts_at in found)
