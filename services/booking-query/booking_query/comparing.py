"""Compares the served read tables with a second set, row by row in PostgreSQL.

The served set moves on meanwhile, so what differs is only a suspect at first; it is looked at again until it does not
differ any more, or until it has been looked at while nothing moved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from booking_query.relations import RELATIONS, Difference, Relation, columns_of
from booking_query.schema import SERVED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from psycopg2.extensions import connection as Connection  # noqa: N812
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

_AT_ONCE = 2_000  # rows in memory


class Comparison:
    """Rows of the served set beside those of a second one; suspects live as long as the connection does."""

    def __init__(
        self,
        connection: Connection,
        second: str,
        differs: Callable[[Cursor, Relation], str],
        relations: tuple[Relation, ...] = RELATIONS,
    ) -> None:
        """Compare by the condition, of `served` and `second`, that `differs` gives for each relation."""
        self._connection = connection
        self._second = second
        self._relations = relations
        with connection, connection.cursor() as cursor:
            self._differs = {relation.name: differs(cursor, relation) for relation in relations}

    def look(self) -> int:
        """Note all suspects; how many."""
        with self._connection, self._connection.cursor() as cursor:
            for relation in self._relations:
                keys = ", ".join(relation.keys)
                cursor.execute(
                    f"CREATE TEMP TABLE suspect_{relation.name} AS SELECT {keys} FROM {self._both(relation)}"  # noqa: S608
                    f" WHERE {self._differs[relation.name]}"
                )
        return self.suspects()

    def look_again(self) -> int:
        """Forget those that do not differ any more; how many are left."""
        with self._connection, self._connection.cursor() as cursor:
            for relation in self._relations:
                cursor.execute(
                    f"DELETE FROM suspect_{relation.name} AS gone USING {self._beside(relation)}"  # noqa: S608
                    f" WHERE gone.ctid = suspect.ctid AND ({self._differs[relation.name]}) IS NOT TRUE"
                )
        return self.suspects()

    def suspects(self) -> int:
        total = 0
        with self._connection, self._connection.cursor() as cursor:
            for relation in self._relations:
                cursor.execute(f"SELECT count(*) FROM suspect_{relation.name}")  # noqa: S608 - names of ours
                total += _only(cursor)
        return total

    def keep(self) -> None:
        """Note the rows of the suspects as they are now, for `differences`."""
        with self._connection, self._connection.cursor() as cursor:
            for relation in self._relations:
                keys = ", ".join(relation.keys)
                cursor.execute(
                    f"CREATE TEMP TABLE found_{relation.name} AS SELECT {keys}, to_jsonb(served) AS served,"  # noqa: S608
                    f" to_jsonb(second) AS right_one FROM {self._beside(relation)}"
                )

    def differences(self) -> Iterator[Difference]:
        """What was kept, a bounded number in memory at a time."""
        for relation in self._relations:
            keys = ", ".join(relation.keys)
            with self._connection, self._connection.cursor(f"found_{relation.name}") as cursor:
                cursor.itersize = _AT_ONCE
                cursor.execute(f"SELECT served, right_one, {keys} FROM found_{relation.name} ORDER BY {keys}")  # noqa: S608
                for served, right, *key in cursor:
                    yield Difference(relation, tuple(key), served, right)

    def counts(self) -> Iterator[str]:
        """How many rows the second set has of each kind."""
        for relation in self._relations:
            with self._connection, self._connection.cursor() as cursor:
                cursor.execute(f"SELECT count(*) FROM {relation.of(self._second)} AS counted")  # noqa: S608
                count = _only(cursor)
            yield f"{count:,} {relation.what if count == 1 else relation.plural}"

    def _both(self, relation: Relation) -> str:
        keys = ", ".join(relation.keys)
        return (
            f"{relation.of(SERVED)} AS served FULL JOIN {relation.of(self._second)} AS second USING ({keys})"
        )

    def _beside(self, relation: Relation) -> str:
        keys = ", ".join(relation.keys)
        return (
            f"suspect_{relation.name} AS suspect LEFT JOIN {relation.of(SERVED)} AS served USING ({keys})"
            f" LEFT JOIN {relation.of(self._second)} AS second USING ({keys})"
        )


def in_any_field(cursor: Cursor, relation: Relation) -> str:
    """That a row is not the same in both sets."""
    columns = columns_of(cursor, relation).items()
    ours, theirs = (
        ", ".join(
            f"{table}.{name}" + ("::jsonb" if kind == "json" else "")
            for name, kind in columns
            if name not in relation.keys
        )
        for table in ("served", "second")
    )
    return f"ROW({ours}) IS DISTINCT FROM ROW({theirs})"


def by_being_older(_: Cursor, relation: Relation) -> str:
    """That a served row is missing in the second set, or is there as it was before."""
    missing = f"served.{relation.keys[0]} IS NOT NULL AND second.{relation.keys[0]} IS NULL"
    return f"{missing} OR second.version < served.version" if relation.has_version else missing


def _only(cursor: Cursor) -> int:
    row = cursor.fetchone()
    assert row is not None
    return int(row[0])
