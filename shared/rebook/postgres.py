"""Connections by psycopg2 on which trouble of the server, and nothing else, is an `OperationalError`.

libpq has several ways to find out that the server is gone. What it makes up itself where the server falls silent
reaches psycopg2 without a code, and is raised as a bare `DatabaseError`; here it is an `OperationalError` as well.
A value that is too large for an index is no trouble of the server, but psycopg2 takes it for one; here it is a
`DataError`.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg2
from psycopg2 import errors, extensions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg2.extensions import cursor as Cursor  # noqa: N812


TROUBLE = (
    psycopg2.OperationalError,
    psycopg2.InterfaceError,
)  # of the server or the connection, not of a value


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
        with _trouble_told():
            super().commit()


class _Cursor(extensions.cursor):
    def execute(self, query: Any, vars: Any = None) -> None:  # noqa: A002 - as psycopg2 names it
        with _trouble_told():
            super().execute(query, vars)


@contextmanager
def _trouble_told() -> Iterator[None]:
    try:
        yield
    except errors.ProgramLimitExceeded as error:
        raise psycopg2.DataError(str(error)) from error
    except psycopg2.DatabaseError as error:
        if type(error) is psycopg2.DatabaseError:
            raise psycopg2.OperationalError(str(error)) from error
        raise
