"""The read tables' schema: the numbered files that make it, and the indexes that a long replay does without."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from rebook import migrations

if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.resources.abc import Traversable

    from psycopg2.extensions import connection as Connection  # noqa: N812
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

SERVED = "public"  # the PostgreSQL schema of the tables that are served

_LIFTED = "lifted_indexes"
_SECONDARY = """
    SELECT format('%I', indexname), indexdef FROM pg_indexes
    WHERE schemaname = current_schema() AND indexname NOT IN (
        SELECT conname FROM pg_constraint WHERE connamespace = current_schema()::regnamespace
    )
"""
_IS_THERE = "SELECT FROM pg_tables WHERE schemaname = current_schema() AND tablename = %s"


def packages() -> list[Traversable]:
    """What the tables and their rows are made by."""
    return [files("rebook"), files("booking_query")]


def folders() -> list[Traversable]:
    return [package / "sql" for package in packages()]


def migrate(connection: Connection) -> list[str]:
    """Bring the first schema on the connection's search path up to date; the files that were applied now."""
    return migrations.migrate(connection, folders())


def versions() -> set[str]:
    """The names of all files that this program knows."""
    return {file.name for folder in folders() for file in folder.iterdir() if file.name.endswith(".sql")}


def lift_indexes(cursor: Cursor) -> None:
    """Drop the indexes that only queries need; the set of tables itself remembers which.

    Of the first schema on the search path, like `put_indexes_back`.
    """
    cursor.execute(_SECONDARY)
    indexes = cursor.fetchall()
    cursor.execute(f"CREATE TABLE {_LIFTED} (made_by text NOT NULL)")
    for name, made_by in indexes:
        cursor.execute(f"INSERT INTO {_LIFTED} VALUES (%s)", (made_by,))  # noqa: S608 - a name of ours
        cursor.execute(f"DROP INDEX {name}")


def put_indexes_back(connection: Connection, tell: Callable[[int], None] = lambda _: None) -> None:
    """Make what was lifted, each in a transaction of its own: doing it again makes what is still missing."""
    while made_by := _next_lifted(connection):
        with connection, connection.cursor() as cursor:
            cursor.execute(made_by)
            cursor.execute(f"DELETE FROM {_LIFTED} WHERE made_by = %s", (made_by,))  # noqa: S608
        tell(1)
    with connection, connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {_LIFTED}")


def _next_lifted(connection: Connection) -> str:
    with connection, connection.cursor() as cursor:
        cursor.execute(_IS_THERE, (_LIFTED,))
        if not cursor.rowcount:
            return ""
        cursor.execute(f"SELECT made_by FROM {_LIFTED} LIMIT 1")  # noqa: S608 - a name of ours
        row = cursor.fetchone()
        return str(row[0]) if row else ""
