"""Numbered `.sql` files, applied once each, in order, in a transaction of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

_LOCK = 0x7265626F6F6B  # "rebook": two migrations of one database never run at once


class Connection(Protocol):
    """A DB-API connection (psycopg or psycopg2) that is not in autocommit mode."""

    def cursor(self) -> Any: ...
    def commit(self) -> None: ...


def migrate(connection: Connection, folders: list[Traversable]) -> list[str]:
    """Apply what has not been applied yet; the names of the files applied now.

    Files are ordered by name over all folders, so a shared folder's `0001-...` precedes a service's own `0002-...`.
    """
    files = sorted((file for folder in folders for file in folder.iterdir()), key=lambda file: file.name)
    cursor = connection.cursor()
    cursor.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
    cursor.execute("CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY, applied_at timestamptz)")
    cursor.execute("SELECT name FROM migrations")
    applied = {name for (name,) in cursor.fetchall()}
    connection.commit()
    new = [file for file in files if file.name.endswith(".sql") and file.name not in applied]
    for file in new:
        cursor.execute(file.read_text())
        cursor.execute("INSERT INTO migrations VALUES (%s, now())", (file.name,))
        connection.commit()
    cursor.execute("SELECT pg_advisory_unlock(%s)", (_LOCK,))
    connection.commit()
    return [file.name for file in new]
