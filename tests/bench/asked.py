"""The questions that are measured: each as a request without a network, and as the bare SQL that it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from uuid import UUID

import psycopg2
from bench.history import person
from booking_query import database
from booking_query.bookings_list import Search
from servers.query_side import NOW, SECRET, Site, introduce
from werkzeug.test import EnvironBuilder

if TYPE_CHECKING:
    from collections.abc import Callable

    Pair = tuple[Callable[[], Any], Callable[[], Any]]

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
    "search, a name": "{name}",
    "search, an address": "{email}",
    "search, every twelfth": "ada ",
    "search, no match": "zebedee",
}
QUESTIONS = (*_LISTS, *_SEARCHES, "counts", "details", "slots of a month", "manage page")


class Asker:
    """Asks one database, of so many bookings."""

    def __init__(self, url: str, bookings: int) -> None:
        self._site = Site(url)
        introduce(self._site, weekly_hours=_WEEK)
        self._middle = bookings // 2
        self._connection = psycopg2.connect(url, options="-c timezone=UTC")
        self._connection.autocommit = True

    def question(self, name: str) -> Pair:
        """Calls that ask it: through the web process, and of PostgreSQL alone."""
        path = self._path(name)
        headers = {"Authorization": f"Bearer {SECRET}"}
        environ = EnvironBuilder(path, headers=headers).get_environ()

        def ours() -> bytes:
            began: list[str] = []
            body = self._site.app.wsgi_app(dict(environ), lambda status, *_: began.append(status))
            answer = b"".join(body)
            assert began == ["200 OK"], (path, answer)
            return answer

        statements = self._statements_of(ours)

        def sql() -> None:
            with self._connection.cursor() as cursor:
                for statement, values in statements:
                    cursor.execute(statement, values)
                    cursor.fetchall()

        return ours, sql

    def _statements_of(self, ours: Callable[[], Any]) -> list[tuple[Any, Any]]:
        """What a request asks PostgreSQL, once it knows its API token."""
        ours()
        seen, fetched = [], database._fetched

        def watch(cursor: Any, statement: Any, values: Any) -> Any:
            seen.append((statement, values))
            return fetched(cursor, statement, values)

        database._fetched = watch
        ours()
        database._fetched = fetched
        return seen

    def _path(self, name: str) -> str:
        if name in _LISTS:
            return self._list_path(*_LISTS[name])
        if name in _SEARCHES:
            asked = _SEARCHES[name].format(**person(self._middle))
            return f"/v1/bookings?{urlencode({'q': asked})}"
        if name == "counts":
            return "/v1/bookings/counts"
        if name == "slots of a month":
            return f"/v1/meeting-types/intro-call/slots?{_MONTH}"
        booking_id = self._row("upcoming", 3)["booking_id"]
        if name == "details":
            return f"/v1/bookings/{booking_id}"
        return f"/manage/{self._site.links.token(UUID(booking_id))}"

    def _list_path(self, name: str, page: str) -> str:
        search = Search(filter=name or None)
        cursor = search.cursor_after(self._row(name, self._middle // 4)) if page == "deep" else ""
        return f"/v1/bookings?{urlencode({'filter': name, 'cursor': cursor})}"

    def _row(self, name: str, place: int) -> dict[str, Any]:
        """The row at a place of a filter's list; a quarter of the way it is a deep one."""
        with self._connection.cursor() as cursor:
            walk = f"SELECT starts_at, booking_id FROM bookings WHERE {_WALKS[name]} OFFSET %s LIMIT 1"
            cursor.execute(walk, (NOW, place if name != "cancelled" else place // 4))
            starts_at, booking_id = cursor.fetchone()
        return {"starts_at": starts_at, "booking_id": booking_id}
