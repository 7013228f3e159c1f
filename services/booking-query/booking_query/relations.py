"""What the read tables hold, as it is compared, counted and told of to people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from booking_query.schema import SERVED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from psycopg2.extensions import cursor as Cursor  # noqa: N812

# Days that one set may have folded into one, and another not yet, are compared as one, and some later ones with them.
_COUNTS = """(
    SELECT CASE WHEN is_cancelled THEN 'any' WHEN ends_on < current_date - 300 THEN 'earlier'
           ELSE ends_on::text END AS ends_on, is_cancelled, sum(bookings) AS bookings
    FROM (
        SELECT * FROM {schema}.booking_counts UNION ALL SELECT * FROM {schema}.booking_count_changes
    ) AS counts GROUP BY 1, 2 HAVING sum(bookings) <> 0
)"""
_COLUMNS = """
    SELECT column_name, data_type FROM information_schema.columns
    WHERE table_schema = %s AND table_name = %s AND is_generated = 'NEVER' ORDER BY ordinal_position
"""


class Relation(NamedTuple):
    """A table, or what is made of several: `source` with the schema for `{schema}`."""

    name: str
    what: str  # a row of it is, for people
    plural: str
    keys: tuple[str, ...]
    source: str
    has_version: bool

    def of(self, schema: str) -> str:
        return self.source.format(schema=schema)

    def only(self, booking_id: UUID) -> Relation:
        """The rows of one booking."""
        return self._replace(source=f"(SELECT * FROM {self.source} WHERE booking_id = '{booking_id}')")  # noqa: S608


def _table(name: str, what: str, plural: str, *keys: str, has_version: bool = True) -> Relation:
    return Relation(name, what, plural, keys, f"{{schema}}.{name}", has_version)


COUNTS = Relation(
    "booking_counts", "count", "counts", ("ends_on", "is_cancelled"), _COUNTS, has_version=False
)
BOOKINGS = _table("bookings", "booking", "bookings", "booking_id")
HISTORY = _table(
    "booking_history", "line of history", "lines of history", "booking_id", "event_id", has_version=False
)
RELATIONS = (
    BOOKINGS,
    HISTORY,
    _table("meeting_types", "meeting type", "meeting types", "slug"),
    _table("team_members", "member", "members", "member_id"),
    _table("ended_sessions", "ended session", "ended sessions", "session_id", has_version=False),
    _table("api_tokens", "API token", "API tokens", "token_id"),
    COUNTS,
)


class Difference(NamedTuple):
    """One row that differs; None where it is missing."""

    relation: Relation
    key: tuple[Any, ...]
    served: dict[str, Any] | None
    right: dict[str, Any] | None

    def in_short(self) -> str:
        """Which row it is, and whether it is missing on one side."""
        how = "is there as it was before" if self.served and self.right else "is missing"
        return f"{self._name}: {how}"

    def sentences(self) -> Iterator[str]:
        """What is wrong with it, a sentence for each field."""
        name = self._name
        if self.served is None:
            yield f"{name}: is missing"
        elif self.right is None:
            yield f"{name}: no event tells of it"
        else:
            for field, right in self.right.items():
                if field != "searched" and (served := self.served.get(field)) != right:
                    yield f"{name}: {field} is {_shown(served)} instead of {_shown(right)}"

    @property
    def _name(self) -> str:
        return f"{self.relation.what} {' '.join(map(str, self.key))}"


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def columns_of(cursor: Cursor, relation: Relation) -> dict[str, str]:
    """The columns of a table that are written, with their types."""
    cursor.execute(_COLUMNS, (SERVED, relation.name))
    return dict(cursor.fetchall())
