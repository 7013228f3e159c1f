"""The read tables, for reading: one connection for each thread, made anew when it is lost."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, TypeVar

from rebook.postgres import TROUBLE, connect

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from psycopg2.extensions import connection as Connection  # noqa: N812
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

T = TypeVar("T")
Row = dict[str, Any]


class Database:
    """Runs single statements that change nothing, so each may be run again on a new connection."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._threads = threading.local()

    def read(self, look: Callable[[Cursor], T]) -> T:
        """What `look` makes of a cursor; once more on a new connection where the old one turns out to be lost.

        Raises:
            psycopg2.OperationalError: PostgreSQL is gone.
        """
        try:
            with self._connection().cursor() as cursor:
                return look(cursor)
        except TROUBLE:
            self._forget()
        with self._connection().cursor() as cursor:
            return look(cursor)

    def rows(self, statement: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[Row]:
        """Every row as column -> value.

        Raises:
            psycopg2.OperationalError: PostgreSQL is gone.
        """
        return self.read(lambda cursor: _named(cursor, _fetched(cursor, statement, values)))

    def values(self, statement: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[tuple[Any, ...]]:
        """Every row as just its values: a third of the time where there are many.

        Raises:
            psycopg2.OperationalError: PostgreSQL is gone.
        """
        return self.read(lambda cursor: _fetched(cursor, statement, values))

    def row(self, statement: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> Row | None:
        return next(iter(self.rows(statement, values)), None)

    def _connection(self) -> Connection:
        if getattr(self._threads, "connection", None) is None:
            connection = connect(self._url, connect_timeout=2, options="-c timezone=UTC")
            connection.autocommit = True
            self._threads.connection = connection
        found: Connection = self._threads.connection
        return found

    def _forget(self) -> None:
        connection, self._threads.connection = getattr(self._threads, "connection", None), None
        if connection is not None:
            connection.close()


def _fetched(
    cursor: Cursor, statement: str, values: Sequence[Any] | Mapping[str, Any]
) -> list[tuple[Any, ...]]:
    cursor.execute(statement, values)
    return cursor.fetchall()


def _named(cursor: Cursor, rows: list[tuple[Any, ...]]) -> list[Row]:
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in rows]
