"""Holds the projector for a moment, and puts a second set of read tables in the place of the served one.

Reads go on meanwhile. The tables change places in one transaction, under locks that a statement which has begun is
waited for with, and by which one that begins finds the new tables: no read sees some of each. Such locks make later
reads wait, so they are asked for in a moment when nobody reads, with a patience that nobody notices.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from psycopg2.errors import DeadlockDetected, DependentObjectsStillExist, LockNotAvailable

from booking_query.schema import SERVED
from booking_query.second_set import Hindered, migrations, tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg2.extensions import connection as Connection  # noqa: N812
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

BUSY = (LockNotAvailable, DeadlockDetected)

_CLEANING_WITHIN = "5s"
_HOLD_WITHIN = "1s"
_READS_WAIT_AT_MOST = "50ms"
_TRIES = 4  # then the projector goes on for a while
_PAUSE_S = 0.05
_WAIT_AT_MOST = "SELECT set_config('lock_timeout', %s, true)"
_ROUTINES = """
    SELECT format('%%I(%%s)', proname, pg_get_function_identity_arguments(oid)) FROM pg_proc
    WHERE pronamespace = %s::regnamespace
      AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
"""
_KEEP_ATTEMPTS = f"""
    UPDATE {{second}}.consumer_offsets AS ours SET attempts = theirs.attempts
    FROM {SERVED}.consumer_offsets AS theirs
    WHERE (ours.topic_id, ours.partition, ours.next_offset) =
        (theirs.topic_id, theirs.partition, theirs.next_offset)
"""  # noqa: S608 - names of ours, as below
_FORGET_SOURCE = "DELETE FROM {second}.consumer_offsets WHERE topic_id <> ALL(%s::uuid[])"
_WORKERS = "worker, instance, started_at, seen_at, caught_up_at, lag_events, lag_s"


@contextmanager
def held(connection: Connection, second: str = "") -> Iterator[Cursor]:
    """A transaction during which neither a projector nor an operator's command changes the served tables.

    With `second`, PostgreSQL's own cleaning steps aside as well, from both sets; which may take a second, so before.

    Raises:
        LockNotAvailable: they are at work on something that takes long.
    """
    with connection, connection.cursor() as cursor:
        if second:
            cursor.execute(_WAIT_AT_MOST, (_CLEANING_WITHIN,))
            cursor.execute(f"LOCK TABLE {_every(cursor, second)} IN SHARE UPDATE EXCLUSIVE MODE")
        cursor.execute(_WAIT_AT_MOST, (_HOLD_WITHIN,))
        cursor.execute(f"LOCK TABLE {SERVED}.consumer_offsets, {SERVED}.parked_events IN EXCLUSIVE MODE")
        yield cursor


def swap(cursor: Cursor, second: str, topic_ids: list[str]) -> None:
    """Serve the second set from the end of this transaction on; within `held`. The tables of before are dropped.

    A second set that stands exactly where the served one did is gone on with by projectors as if nothing had
    happened; one that is ahead makes them look again where they stand.

    Raises:
        LockNotAvailable: somebody reads for longer than others may be kept waiting.
        Hindered: the served tables have been migrated meanwhile.
    """
    if migrations(cursor, SERVED) - migrations(cursor, second):
        raise Hindered("The read tables have been migrated meanwhile: run it again.")
    cursor.execute(_KEEP_ATTEMPTS.format(second=second))
    cursor.execute(_FORGET_SOURCE.format(second=second), (topic_ids,))
    _lock(cursor, second)
    cursor.execute(
        f"INSERT INTO {second}.workers ({_WORKERS}) SELECT {_WORKERS} FROM {SERVED}.workers"  # noqa: S608
    )
    _drop_served(cursor, second)
    _move(cursor, second)


def _lock(cursor: Cursor, second: str) -> None:
    """Let nobody read, once nobody does."""
    cursor.execute(_WAIT_AT_MOST, (_READS_WAIT_AT_MOST,))
    every = _every(cursor, second)
    for _ in range(_TRIES):
        cursor.execute("SAVEPOINT unlocked")
        try:
            cursor.execute(f"LOCK TABLE {every} IN ACCESS EXCLUSIVE MODE")
        except BUSY:
            cursor.execute("ROLLBACK TO SAVEPOINT unlocked")
            time.sleep(_PAUSE_S)
        else:
            return
    raise LockNotAvailable


def _every(cursor: Cursor, second: str) -> str:
    return ", ".join(
        f"{schema}.{table}" for schema in (SERVED, second) for table in _known(cursor, schema, second)
    )


def _known(cursor: Cursor, schema: str, second: str) -> list[str]:
    """The tables of one of the two sets that the other one has as well; what else is there is not ours to touch."""
    ours = tables(cursor, second)
    return ours if schema == second else [table for table in tables(cursor, SERVED) if table in ours]


def _drop_served(cursor: Cursor, second: str) -> None:
    gone = ", ".join(f"{SERVED}.{table}" for table in _known(cursor, SERVED, second))
    try:
        cursor.execute(f"DROP TABLE {gone}")
    except DependentObjectsStillExist as error:
        raise Hindered(f"Something of yours is in the way: {error.diag.message_detail}") from None
    for routine in _routines(cursor, second):
        cursor.execute(f"DROP FUNCTION IF EXISTS {SERVED}.{routine}")


def _move(cursor: Cursor, second: str) -> None:
    """What is left in the second set's schema afterwards would be lost: PostgreSQL refuses to drop it then."""
    for table in tables(cursor, second):
        cursor.execute(f"ALTER TABLE {second}.{table} SET SCHEMA {SERVED}")
    for routine in _routines(cursor, second):
        cursor.execute(f"ALTER FUNCTION {second}.{routine} SET SCHEMA {SERVED}")
    cursor.execute(f"DROP SCHEMA {second}")


def _routines(cursor: Cursor, schema: str) -> list[str]:
    cursor.execute(_ROUTINES, (schema,))
    return [routine for (routine,) in cursor.fetchall()]
