"""The event store on PostgreSQL: appends without a table lock, with what must be true in the same transaction.

The library's recorder locks the whole table and sends NOTIFY in every append, which makes writers queue up
behind each other's fsync. Ours takes neither; a trigger takes a floor lock instead (sql/0001), by which
`reader.py` proves what can no longer change.
"""

from __future__ import annotations

import select
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast
from uuid import UUID

import psycopg
from eventsourcing.application import AggregateNotFoundError, Application
from eventsourcing.domain import BaseAggregate
from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import (
    ConnectionPool,
    PostgresApplicationRecorder,
    PostgresFactory,
    PostgresRecorder,
)
from eventsourcing.utils import Environment
from psycopg.errors import DeadlockDetected, LockNotAvailable
from psycopg.rows import dict_row

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from eventsourcing.persistence import InfrastructureFactory
    from eventsourcing.postgres import PostgresDatastore
    from psycopg import Connection
    from psycopg.rows import DictRow

_CONNECT_TIMEOUT_S = 3.0
_INSERT_EVENTS = "INSERT INTO stored_events (originator_id, originator_version, topic, state)"
_SELECT_EVENTS = (
    "SELECT originator_id, originator_version, topic, state FROM stored_events"
    " WHERE originator_id = %s AND originator_version > %s AND originator_version <= %s"
    " ORDER BY originator_version "
)
_POSITION = "SELECT notification_id FROM stored_events WHERE originator_id = %s AND originator_version = %s"

S = TypeVar("S", bound=BaseAggregate[UUID])


class Statement(NamedTuple):
    """SQL to run together with the events: an INSERT, UPDATE or DELETE, or the call of a function that does."""

    sql: str
    values: tuple[Any, ...]


class Recorder(PostgresApplicationRecorder):
    """Appends events, and `beside` them whatever must be true together with them."""

    def __init__(self, datastore: PostgresDatastore, **_: Any) -> None:
        """Unlike the library's, ours asks the database nothing yet: a process starts while PostgreSQL is away."""
        PostgresRecorder.__init__(self, datastore)
        self.events_table_name = "stored_events"
        self._alone_on: Connection[DictRow] | None = None

    @contextmanager
    def alone(self) -> Iterator[None]:
        """One transaction during which nobody else appends anything; only for a process with a single thread.

        Raises:
            PersistenceError: appends that are under way take longer than `lock_timeout`: a `race`; see `violated()`.
        """
        with self.datastore.get_connection() as connection, connection.transaction():
            connection.execute("LOCK TABLE stored_events IN SHARE ROW EXCLUSIVE MODE")
            self._alone_on = connection
            try:
                yield
            finally:
                self._alone_on = None

    @contextmanager
    def _connection(self) -> Iterator[Connection[DictRow]]:
        if self._alone_on:
            yield self._alone_on
        else:
            with self.datastore.get_connection() as connection:
                yield connection

    def insert_events(
        self, stored_events: Sequence[StoredEvent], *, beside: Sequence[Statement] = (), **_: Any
    ) -> Sequence[int]:
        """Append in one statement, which is one transaction; not retried: the caller knows what a repeat would mean.

        Raises:
            IntegrityError: a version exists, a hold overlaps, a key was used; see `violated()`.
            PersistenceError: nothing was stored, or (rarely) its acknowledgement was lost.
        """
        if not stored_events and not beside:
            return []
        sql, values = _together(stored_events, beside)
        with self._connection() as connection:
            cursor = connection.execute(sql, values, prepare=True)
            return [row["notification_id"] for row in cursor] if stored_events else []

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """A stream's events; unlike the library's, a failure is told at once instead of after ten attempts."""
        rows = self.rows(
            _SELECT_EVENTS + ("DESC" if desc else "ASC") + " LIMIT %s",
            (originator_id, gt or 0, 2**62 if lte is None else lte, limit),
        )
        return [
            StoredEvent(
                originator_id=row["originator_id"],
                originator_version=row["originator_version"],
                topic=row["topic"],
                state=row["state"],
            )
            for row in rows
        ]

    def row(self, sql: str, values: Sequence[Any] = ()) -> Mapping[str, Any] | None:
        """One row of any table beside the events, or None."""
        with self._connection() as connection:
            return connection.execute(sql, values, prepare=True).fetchone()

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[DictRow]:
        with self._connection() as connection:
            return connection.execute(sql, values, prepare=True).fetchall()


class EventStore(Application[UUID]):
    """The library's application on our recorder and pool; one connection for each thread that may ask at once."""

    def __init__(self, database_url: str, connections: int) -> None:
        self._database_url = database_url
        self._connections = connections
        super().__init__()

    @property
    def appender(self) -> Recorder:
        return cast("Recorder", self.recorder)

    def append(self, aggregate: BaseAggregate[UUID], beside: Sequence[Statement] = ()) -> int:
        """Store an aggregate's pending events; the position of its last event, also where nothing is pending.

        Raises:
            PersistenceError: see `Recorder.insert_events`; the aggregate is spoilt and has to be loaded again.
        """
        recorded = self.events.put(aggregate.collect_events(), beside=beside)
        return recorded[-1].notification.id if recorded else self._position(aggregate)

    def _position(self, unchanged: BaseAggregate[UUID]) -> int:
        row = self.appender.row(_POSITION, (unchanged.id, unchanged.version))
        assert row is not None
        return int(row["notification_id"])

    def find(self, kind: type[S], stream_id: UUID) -> S | None:
        """The aggregate of that id and kind, or None."""
        try:
            found: object = self.repository.get(stream_id)
        except AggregateNotFoundError:
            return None
        return found if isinstance(found, kind) else None

    def construct_env(self, name: str, env: Any = None) -> Environment:
        """Settings come from `settings.py` alone, never from stray POSTGRES_* variables."""
        required = dict.fromkeys(
            ("POSTGRES_DBNAME", "POSTGRES_HOST", "POSTGRES_USER", "POSTGRES_PASSWORD"), "-"
        )
        return Environment(name, {**required, "CREATE_TABLE": "n"})

    def construct_factory(self, env: Environment) -> InfrastructureFactory[Any]:
        factory = _Factory(env)
        factory.datastore.pool = _pool(self._database_url, self._connections, factory.datastore)
        return factory


class _Factory(PostgresFactory):
    application_recorder_class = Recorder


def _pool(database_url: str, connections: int, datastore: PostgresDatastore) -> ConnectionPool[Any]:
    return ConnectionPool(
        database_url,
        kwargs={"row_factory": dict_row, "options": "-c lock_timeout=3000 -c statement_timeout=10000"},
        min_size=1,
        max_size=connections,
        open=False,
        configure=datastore.after_connect_func(),
        check=_check,
        timeout=_CONNECT_TIMEOUT_S,
        reconnect_timeout=_CONNECT_TIMEOUT_S,
    )


def _check(connection: Connection[Any]) -> None:
    """Ask a pooled connection for a sign of life only where its socket says that something happened to it."""
    readable, _, _ = select.select([connection.fileno()], [], [], 0)
    if readable:
        ConnectionPool.check_connection(connection)


def _together(stored_events: Sequence[StoredEvent], beside: Sequence[Statement]) -> tuple[str, list[Any]]:
    """One statement out of all: PostgreSQL runs each part of WITH once, in one transaction and one snapshot.

    A part that only calls a function runs where it is asked for, so the events ask for it.
    """
    values = [value for statement in beside for value in statement.values]
    if not stored_events:
        [only] = beside
        return only.sql, values
    parts = [f"part{number} AS ({statement.sql})" for number, statement in enumerate(beside)]
    called = [
        f", part{number}" for number, statement in enumerate(beside) if statement.sql.startswith("SELECT")
    ]
    rows = ", ".join(["(%s::uuid, %s::bigint, %s::text, %s::bytea)"] * len(stored_events))
    insert = f"{_INSERT_EVENTS} SELECT new.* FROM (VALUES {rows}) AS new{''.join(called)} RETURNING notification_id"  # noqa: S608
    for stored in stored_events:
        values += (stored.originator_id, stored.originator_version, stored.topic, stored.state)
    return f"WITH {', '.join([*parts, f'stored AS ({insert})'])} SELECT notification_id FROM stored", values  # noqa: S608


def violated(error: Exception) -> str | None:
    """The name of the constraint that refused an append; `race` where it waited in vain for a rival."""
    cause = error.__cause__
    if isinstance(cause, (DeadlockDetected, LockNotAvailable)):
        return "race"
    if isinstance(cause, psycopg.IntegrityError):
        return cause.diag.constraint_name
    return None
