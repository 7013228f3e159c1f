"""A second set of read tables, in a PostgreSQL schema of its own beside the one that is served."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from psycopg2.errors import LockNotAvailable
from rebook.postgres import connect

from booking_query import schema
from booking_query.schema import SERVED

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg2.extensions import cursor as Cursor  # noqa: N812

_LOCKS = 0x72656164  # "read": the key space of this lock
_LOCK_WITHIN = "3s"  # PostgreSQL takes a moment to notice that the process of before was killed
_LOOK_FOR_CLIENT_MS = 500  # and does so in the middle of a statement too
_INDEX_MEMORY = "256MB"  # for each index that is made over all rows


class Hindered(Exception):  # noqa: N818 - a fact, told in a sentence
    """It cannot be done as things are; the served tables are as they were."""


class SecondSet:
    """Belongs to one process at a time, by a lock that goes with its connection.

    Attributes:
        connection: unqualified names mean this set's tables on it. It waits for no disk.
    """

    def __init__(self, url: str, name: str) -> None:
        """Take the set called `name`.

        Raises:
            Hindered: another process is at work on it, or there are no read tables that this program knows.
        """
        self.name = name
        options = {
            "search_path": f"{name},{SERVED}",
            "timezone": "UTC",
            "synchronous_commit": "off",
            "client_connection_check_interval": _LOOK_FOR_CLIENT_MS,
            "maintenance_work_mem": _INDEX_MEMORY,
        }
        said = " ".join(f"-c {option}={value}" for option, value in options.items())
        self.connection = connect(url, connect_timeout=3, options=said)
        try:
            self._lock()
            self._look_at_served()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.connection.close()

    def prepare(self, plan: str) -> bool:
        """Make the tables, empty and without the indexes that only queries need.

        Whether they are there already, half filled by the same plan: then they are gone on with.
        """
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute("SELECT obj_description(to_regnamespace(%s), 'pg_namespace')", (self.name,))
            if cursor.fetchone() == (plan,):
                return True
        self.drop()
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(f"CREATE SCHEMA {self.name}")
        schema.migrate(self.connection)
        with self.connection, self.connection.cursor() as cursor:
            schema.lift_indexes(cursor)
            cursor.execute(f"COMMENT ON SCHEMA {self.name} IS %s", (plan,))
        return False

    def must_be_as_new_as_served(self) -> None:
        """See that both sets were made by the same files.

        Raises:
            Hindered: they were not.
        """
        with self.connection, self.connection.cursor() as cursor:
            if migrations(cursor, SERVED) != migrations(cursor, self.name):
                raise Hindered(
                    "The read tables are of an older version than this program: see `rebuild --help`."
                )

    def make_ready(self, tell: Callable[[int], None]) -> None:
        """Make the indexes, and let PostgreSQL know what is in the tables, so that queries are quick at once."""
        schema.put_indexes_back(self.connection, tell)
        self.connection.autocommit = True
        with self.connection.cursor() as cursor:
            for table in tables(cursor, self.name):
                cursor.execute(f"VACUUM (ANALYZE) {self.name}.{table}")
        self.connection.autocommit = False

    def drop(self) -> None:
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(f"DROP SCHEMA IF EXISTS {self.name} CASCADE")

    def _lock(self) -> None:
        try:
            with self.connection, self.connection.cursor() as cursor:
                cursor.execute("SELECT set_config('lock_timeout', %s, true)", (_LOCK_WITHIN,))
                cursor.execute("SELECT pg_advisory_lock(%s, hashtext(%s))", (_LOCKS, self.name))
        except LockNotAvailable:
            raise Hindered("Another one is at work already.") from None

    def _look_at_served(self) -> None:
        with self.connection, self.connection.cursor() as cursor:
            applied = migrations(cursor, SERVED)
        if not applied:
            raise Hindered("There are no read tables yet: `booking-query migrate` makes them.")
        if applied - schema.versions():
            raise Hindered("The read tables are of a newer version than this program.")


def migrations(cursor: Cursor, name: str) -> set[str]:
    """The numbered files that a set of tables was made by."""
    cursor.execute("SELECT to_regclass(%s) IS NOT NULL", (f"{name}.migrations",))
    if cursor.fetchone() != (True,):
        return set()
    cursor.execute(f"SELECT name FROM {name}.migrations")  # noqa: S608 - a name of ours
    return {name for (name,) in cursor.fetchall()}


def tables(cursor: Cursor, name: str) -> list[str]:
    """The tables of a set, quoted where they need it."""
    cursor.execute(
        "SELECT format('%%I', tablename) FROM pg_tables WHERE schemaname = %s ORDER BY tablename", (name,)
    )
    return [table for (table,) in cursor.fetchall()]
