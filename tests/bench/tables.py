"""Read tables that hold so many bookings, written by COPY: the same number each day, around the clock's now."""

from __future__ import annotations

import io
import random
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg2
from bench.history import HOSTS, host
from bench.people import person
from bench.replay import indexes_afterwards, read_tables
from booking_query.projector import Counts
from rebook.moments import format_moment
from servers.query_side import HOST, NOW

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from servers.postgres import FreshDatabase, PostgresServer

MEETINGS_A_DAY = 8  # of each host, in the sixteen half hours from 8:00 UTC on
_FIRST_HOUR, _HALF_HOURS = 8, 16
_COLUMNS = (
    *("booking_id", "version", "status", "meeting_type", "title", "location", "host", "host_name"),
    *("host_email", "timezone", "duration_minutes", "reschedule_cutoff_minutes", "cancel_cutoff_minutes"),
    *("starts_at", "ends_at", "hold_starts_at", "hold_ends_at", "customer_name", "customer_email"),
    *("customer_timezone", "notes", "reschedules", "created_at", "updated_at"),
    *("cancelled_at", "cancel_reason"),
)
_HISTORY = ("booking_id", "event_id", "at", "sequence", "type", "by", "details")
_ROWS_AT_ONCE = 20_000


def filled(server: PostgresServer, bookings: int) -> FreshDatabase:
    """A database with so many bookings, and two lines in the history of each."""
    tables = read_tables(server)
    with indexes_afterwards(tables), closing(psycopg2.connect(tables.url)) as connection:
        chance = random.Random(bookings)
        for first in range(0, bookings, _ROWS_AT_ONCE):
            numbers = range(first, min(bookings, first + _ROWS_AT_ONCE))
            rows = [_booking(chance, number, bookings) for number in numbers]
            with connection, connection.cursor() as cursor:
                _copy(cursor, "bookings", _COLUMNS, rows)
                _copy(cursor, "booking_history", _HISTORY, [line for row in rows for line in _lines(row)])
    Counts(tables.url, lambda: NOW).fold()
    with closing(psycopg2.connect(tables.owner_url)) as owner:
        owner.autocommit = True
        owner.cursor().execute("VACUUM ANALYZE")
    return tables


def _copy(cursor: Any, table: str, columns: tuple[str, ...], rows: list[list[Any]]) -> None:
    text = "".join("\t".join(r"\N" if each is None else str(each) for each in row) + "\n" for row in rows)
    cursor.copy_expert(f"COPY {table} ({', '.join(columns)}) FROM STDIN", io.StringIO(text))


def start_of(number: int, bookings: int) -> datetime:
    """When a booking starts: half of them before now, half after it."""
    day, place = divmod(number - bookings // 2, HOSTS * MEETINGS_A_DAY)
    half_hour = (place // HOSTS) * 2 + number % 2
    midnight = NOW.replace(hour=0)
    return midnight + timedelta(days=day, hours=_FIRST_HOUR, minutes=30 * (half_hour % _HALF_HOURS))


def _booking(chance: random.Random, number: int, bookings: int) -> list[Any]:
    start = start_of(number, bookings)
    starts_at, ends_at = format_moment(start), format_moment(start + timedelta(minutes=30))
    stamp = format_moment(start - timedelta(days=7))
    status = chance.choices(("confirmed", "rescheduled", "cancelled"), (75, 10, 15))[0]
    hosted_by = host(number) if number % HOSTS else HOST
    customer = person(number)
    cancelled = (stamp, "Ill.") if status == "cancelled" else (None, None)
    return [
        *(UUID(int=chance.getrandbits(128), version=4), 1 if status == "confirmed" else 2, status),
        *("intro-call", "Intro call", "Phone", hosted_by["email"], hosted_by["name"], hosted_by["email"]),
        *("Europe/Berlin", 30, 60, 0, starts_at, ends_at, starts_at, ends_at),
        *(customer["name"], customer["email"], customer["timezone"], "", int(status == "rescheduled")),
        *(stamp, stamp, *cancelled),
    ]  # fmt: skip


def _lines(booking: list[Any]) -> Iterator[list[Any]]:
    booking_id, stamp = booking[0], booking[_COLUMNS.index("created_at")]
    yield [booking_id, f"{booking_id}:1", stamp, 1, "confirmed", "customer", "{}"]
    letter = '{"letter": "confirmation", "recipient": "customer@example.org"}'
    yield [booking_id, f"{UUID(int=booking_id.int ^ 1)}:1", stamp, 1, "email-sent", "notifier", letter]
