"""A batch of events makes the rows that its events make one by one, on a real PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from bench.history import history
from booking_query import projection_bookings
from booking_query.folding import Bookings, ChangedMeanwhile
from booking_query.projection import project, project_all
from psycopg2.extras import RealDictCursor
from rebook import events
from servers.query_side import CONFIRMED, booking_id, event, times

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from psycopg2.extensions import connection as Connection  # noqa: N812
    from rebook.cloudevents import Event

SOON, LATER, LATEST = "2030-11-05T08:30:00Z", "2030-11-06T09:00:00Z", "2030-11-07T09:00:00Z"
ADA, BOB = booking_id("ada"), booking_id("bob")


def confirmed(subject: str, version: int = 1) -> Event:
    person = {"name": "Ada", "email": "ada@example.com", "timezone": "Europe/London"}
    return event(events.BOOKING_CONFIRMED, subject, version, CONFIRMED | times(SOON) | {"customer": person})


def moved(subject: str, version: int, to: str) -> Event:
    before = {"previous_starts_at": SOON, "previous_ends_at": SOON}
    return event(events.BOOKING_RESCHEDULED, subject, version, before | times(to) | {"actor": "customer"})


def cancelled(subject: str, version: int) -> Event:
    return event(events.BOOKING_CANCELLED, subject, version, {"actor": "customer", "reason": "Ill."})


class Tables:
    """Read tables with a connection to them."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def take(self, batch: Sequence[Event]) -> dict[int, str]:
        with self.connection, self.connection.cursor() as cursor:
            return project_all(batch, cursor)

    def take_one(self, given: Event) -> None:
        with self.connection, self.connection.cursor() as cursor:
            project(given, cursor)

    def rows(self, query: str) -> list[dict[str, Any]]:
        with self.connection, self.connection.cursor(cursor_factory=RealDictCursor) as cursor:
            cursor.execute(query)
            return [dict(row) for row in cursor.fetchall()]

    def everything(self) -> list[list[dict[str, Any]]]:
        return [
            self.rows("SELECT * FROM bookings ORDER BY booking_id"),
            self.rows("SELECT * FROM booking_history ORDER BY booking_id, event_id"),
            self.rows(
                "SELECT ends_on, is_cancelled, sum(change) FROM booking_count_changes "
                "GROUP BY 1, 2 HAVING sum(change) <> 0 ORDER BY 1, 2"
            ),
        ]


@pytest.fixture
def make_tables(database: Any) -> Iterator[Any]:
    opened = []

    def make() -> Tables:
        opened.append(psycopg2.connect(database("booking_query").with_tables("rebook", "booking_query").url))
        return Tables(opened[-1])

    yield make
    for connection in opened:
        connection.close()


@pytest.fixture
def tables(make_tables: Any) -> Tables:
    return make_tables()


@pytest.mark.parametrize("size", [7, 400])
def test_batches_that_come_twice_make_the_rows_of_each_event_once(make_tables, size):
    past = list(history(400, within=60))
    together, alone = make_tables(), make_tables()
    for first in range(0, len(past), size):
        for _ in range(2):
            assert together.take(past[first : first + size]) == {}
    for each in past:
        alone.take_one(each)
    assert together.everything() == alone.everything()
    assert {row["status"] for row in alone.everything()[0]} == {"confirmed", "rescheduled", "cancelled"}


def test_all_that_happened_to_one_booking_may_be_in_one_batch(tables):
    tables.take([confirmed(ADA), moved(ADA, 2, LATER), moved(ADA, 3, LATEST), cancelled(ADA, 4)])
    (row,) = tables.rows("SELECT version, status, reschedules, cancel_reason FROM bookings")
    assert row == {"version": 4, "status": "cancelled", "reschedules": 2, "cancel_reason": "Ill."}
    assert len(tables.rows("SELECT * FROM booking_history")) == 4


def test_what_repeats_within_a_batch_counts_once(tables):
    tables.take([confirmed(ADA), moved(ADA, 2, LATER), confirmed(ADA), moved(ADA, 2, LATER)])
    (row,) = tables.rows("SELECT version, reschedules FROM bookings")
    assert row == {"version": 2, "reschedules": 1}
    assert len(tables.rows("SELECT * FROM booking_history")) == 2


def test_a_gap_in_a_batch_is_told_and_hinders_no_other_booking(tables):
    gaps = tables.take([confirmed(ADA), cancelled(ADA, 3), confirmed(BOB), cancelled(BOB, 2)])
    assert gaps == {1: "rebook.BookingCancelled.v1 is version 3, and the row is at version 1"}
    found = {row["booking_id"]: row["version"] for row in tables.rows("SELECT * FROM bookings")}
    assert found == {ADA: 1, BOB: 2}
    assert len(tables.rows("SELECT * FROM booking_history")) == 3


def test_an_event_of_an_unknown_type_counts_within_a_batch_too(tables):
    painted = event("rebook.BookingPainted.v1", ADA, 2, {"colour": "blue"})
    assert tables.take([confirmed(ADA), painted, cancelled(ADA, 3)]) == {}
    assert tables.rows("SELECT version FROM bookings") == [{"version": 3}]


def test_one_event_that_cannot_be_applied_leaves_nothing_of_its_batch(tables):
    broken = event(events.BOOKING_CONFIRMED, BOB, 1, {"title": "Half an event"})
    with pytest.raises(KeyError):
        tables.take([confirmed(ADA), broken])
    assert tables.everything() == [[], [], []]


def test_a_booking_that_somebody_else_changed_meanwhile_fails_the_batch(tables):
    tables.take_one(confirmed(ADA))
    with tables.connection.cursor() as cursor:
        slow = Bookings(cursor, [ADA])
        project(cancelled(ADA, 2), cursor)
        assert slow.of(ADA).takes(moved(ADA, 2, LATER))
        with pytest.raises(ChangedMeanwhile):
            slow.write()


def test_a_booking_that_somebody_else_made_meanwhile_fails_the_batch(tables):
    with tables.connection.cursor() as cursor:
        slow = Bookings(cursor, [ADA])
        project(confirmed(ADA), cursor)
        projection_bookings.confirmed(confirmed(ADA), slow)
        with pytest.raises(psycopg2.IntegrityError):
            slow.write()
