"""The questions that are measured: each as a request without a network, and as the bare SQL that it needs."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from uuid import UUID

import psycopg2
from bench.people import person
from booking_query import database
from booking_query.bookings_list import Search
from servers.query_side import NOW, SECRET, Site, introduce
from werkzeug.test import EnvironBuilder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime
    from wsgiref.types import WSGIEnvironment

    Statement = tuple[str, Any]
    Afterwards = Callable[[], None]
    Ask = Callable[[], Afterwards]

_WEEK = {day: [["09:00", "17:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}
_MONTH = "from=2030-11-05&to=2030-12-04"
_WALKS = {
    "upcoming": "status <> 'cancelled' AND ends_at > %s ORDER BY starts_at, booking_id",
    "past": "status <> 'cancelled' AND ends_at <= %s ORDER BY starts_at DESC, booking_id DESC",
    "cancelled": "status = 'cancelled' AND %s IS NOT NULL ORDER BY starts_at DESC, booking_id DESC",
    "": "%s IS NOT NULL ORDER BY starts_at DESC, booking_id DESC",
}
_LISTS = {
    f"list, {name or 'all'}, {page} page": (name, page) for name in _WALKS for page in ("first", "deep")
}
_SEARCHES = {
    "search, a name": lambda customer: customer["name"],
    "search, a first name": lambda customer: customer["name"].partition(" ")[0],
    "search, a last name": lambda customer: customer["name"].partition(" ")[2],
    "search, an address": lambda customer: customer["email"],
    "search, everybody": lambda _: "example.org",
    "search, no match": lambda _: "zebedee",
}
_CUSTOMERS = 100  # that searches look for
QUESTIONS = (*_LISTS, *_SEARCHES, "counts", "details", "slots of a month", "manage page")


class Asker:
    """Asks one database, of so many bookings."""

    def __init__(self, url: str, bookings: int) -> None:
        self._site = Site(url)
        introduce(self._site, weekly_hours=_WEEK)
        self._bookings = bookings
        self._connection = psycopg2.connect(url, options="-c timezone=UTC")
        self._connection.autocommit = True

    def question(self, name: str) -> tuple[Ask, Ask]:
        """Ask it through the web process, and PostgreSQL alone; both calls return what is to do afterwards."""
        environs = [self._environ(path) for path in self._paths(name)]
        return self._ours(environs), self._sql([self._statements_of(environ) for environ in environs])

    def searches(self) -> list[Ask]:
        """Calls through the web process, each of which looks for another name or address."""
        return [
            self._ours([self._environ(path)]) for name in _SEARCHES for path in sorted(set(self._paths(name)))
        ]

    def _environ(self, path: str) -> WSGIEnvironment:
        headers = {"Authorization": f"Bearer {SECRET}"}
        return EnvironBuilder(path, headers=headers).get_environ()

    def _ours(self, environs: Iterable[WSGIEnvironment]) -> Ask:
        turns = cycle(environs)

        def ask() -> Afterwards:
            began: list[str] = []
            body = self._site.app.wsgi_app(dict(next(turns)), lambda status, *_: began.append(status))
            answer = b"".join(body)
            assert began == ["200 OK"], answer
            return body.close

        return ask

    def _sql(self, questions: Iterable[list[Statement]]) -> Ask:
        turns = cycle(questions)

        def ask() -> Afterwards:
            cursor = self._connection.cursor()
            for statement, values in next(turns):
                cursor.execute(statement, values)
                cursor.fetchall()
            return cursor.close

        return ask

    def _statements_of(self, environ: WSGIEnvironment) -> list[Statement]:
        """What a request asks PostgreSQL, once it knows its API token."""
        ask = self._ours([environ])
        ask()
        seen, fetched = [], database._fetched

        def watch(cursor: Any, statement: str, values: Any) -> Any:
            seen.append((statement, values))
            return fetched(cursor, statement, values)

        database._fetched = watch
        ask()
        database._fetched = fetched
        return seen

    def _paths(self, name: str) -> list[str]:
        if name in _LISTS:
            return [self._list_path(*_LISTS[name])]
        if name in _SEARCHES:
            numbers = range(0, self._bookings, max(1, self._bookings // _CUSTOMERS))
            return [f"/v1/bookings?{urlencode({'q': _SEARCHES[name](person(number))})}" for number in numbers]
        if name == "counts":
            return ["/v1/bookings/counts"]
        if name == "slots of a month":
            return [f"/v1/meeting-types/intro-call/slots?{_MONTH}"]
        _, booking_id = self._row("upcoming", 3)
        if name == "details":
            return [f"/v1/bookings/{booking_id}"]
        return [f"/manage/{self._site.links.token(UUID(booking_id))}"]

    def _list_path(self, name: str, page: str) -> str:
        search = Search(filter=name or None)
        cursor = search.cursor_after(*self._row(name, self._bookings // 8)) if page == "deep" else ""
        return f"/v1/bookings?{urlencode({'filter': name, 'cursor': cursor})}"

    def _row(self, name: str, place: int) -> tuple[datetime, str]:
        """The row at a place of a filter's list; a quarter of the way it is a deep one."""
        with self._connection.cursor() as cursor:
            walk = f"SELECT starts_at, booking_id FROM bookings WHERE {_WALKS[name]} OFFSET %s LIMIT 1"
            cursor.execute(walk, (NOW, place if name != "cancelled" else place // 4))
            found: tuple[datetime, str] = cursor.fetchone()
        return found
