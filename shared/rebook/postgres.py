"""Connections by psycopg2 on which every loss of the server is told alike.

libpq has several ways to find out that the server is gone. What it makes up itself where the server falls silent
reaches psycopg2 without a code, and is raised as a bare `DatabaseError`; here it is an `OperationalError` as well.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg2
from psycopg2 import extensions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg2.extensions import cursor as Cursor  # noqa: N812


def connect(url: str, **options: Any) -> extensions.connection:
    """A new connection.

    Raises:
        psycopg2.OperationalError: PostgreSQL cannot be reached; from the connection and its cursors: it is gone.
    """
    connection: extensions.connection = psycopg2.connect(
        url, connection_factory=_Connection, cursor_factory=_Cursor, **options
    )
    return connection


@contextmanager
def savepoint(cursor: Cursor) -> Iterator[None]:
    """A part of a transaction that is undone when it raises, while the rest of it can go on."""
    cursor.execute("SAVEPOINT part")
    try:
        yield
    except Exception:
        cursor.execute("ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part")
        raise
    cursor.execute("RELEASE SAVEPOINT part")


class _Connection(extensions.connection):
    def commit(self) -> None:
        with _losses_told():
            super().commit()


class _Cursor(extensions.cursor):
    def execute(self, query: Any, vars: Any = None) -> None:  # noqa: A002 - as psycopg2 names it
        with _losses_told():
            super().execute(query, vars)


@contextmanager
def _losses_told() -> Iterator[None]:
    try:
        yield
    except psycopg2.DatabaseError as error:
        if type(error) is psycopg2.DatabaseError:
            raise psycopg2.OperationalError(str(error)) from error
        raise
