"""Booking events become deliveries and reminders, on a real PostgreSQL; every event is handed in twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from notifier import reminders
from notifier.bookings import AnotherHistory
from notifier.inbox import Inbox
from rebook.cloudevents import Event
from rebook.consumer import VersionGap
from rebook.events import (
    BOOKING_CANCELLED,
    BOOKING_CONFIRMED,
    BOOKING_RESCHEDULED,
    CONFIRMATION_RESEND_REQUESTED,
    CUSTOMER_ERASED,
    check,
)
from rebook.moments import format_moment
from rebook.parking import ERROR, GAP, QUEUED
from servers.notifier_side import park
from servers.stories import slot

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812

BOOKING = "7d7b1c4e-53a5-4a8e-9b83-1a5b2f4f6c10"
BOOKED_AT = datetime(2030, 10, 21, 8, 15, tzinfo=UTC)
TUESDAY = datetime(2030, 11, 5, 14, 0, tzinfo=UTC)
THURSDAY = TUESDAY + timedelta(days=2)
DAY, HOUR = 1440, 60


@pytest.fixture
def cursor(connection: Connection):
    """Of a transaction that leaves nothing behind."""
    with connection.cursor() as cursor:
        yield cursor
    connection.rollback()


def confirmed(**others: Any) -> dict[str, Any]:
    return {
        "meeting_type": "intro-call",
        "title": "Intro call",
        "duration_minutes": 30,
        "location": "Room 1",
        "host": {"name": "Grace Hopper", "email": "grace@example.org"},
        "timezone": "Europe/Berlin",
        "team": ["grace@example.org", "office@example.org"],
        "reminders_minutes_before": [DAY, HOUR],
        "reschedule_cutoff_minutes": 0,
        "cancel_cutoff_minutes": 0,
        **slot(TUESDAY),
        "hold": slot(TUESDAY),
        "customer": {"name": "Ada", "email": "ada@example.com", "timezone": "Europe/London"},
        "notes": "",
        "actor": "customer",
        **others,
    }


def moved(before: datetime, after: datetime) -> dict[str, Any]:
    slots = {**slot(before, "previous_"), **slot(after), "hold": slot(after)}
    return {**slots, "actor": "customer", "reason": ""}


CANCELLED = {"actor": "grace@example.org", "reason": "Ill"}
ASKED_AGAIN = {"actor": "grace@example.org"}


STORE, RESTORED = "/booking-command/store", "/booking-command/restored"


def happens(
    cursor: Any,
    version: int,
    kind: str,
    data: dict[str, Any],
    at: datetime = BOOKED_AT,
    source: str = STORE,
) -> None:
    """Hand an event to the inbox, and hand it in again."""
    data = {"booking_id": BOOKING, **data}
    assert not check(kind, data)
    event = Event(
        id=f"{BOOKING}:{version}",
        source=source,
        type=kind,
        subject=BOOKING,
        time=format_moment(at),
        sequence=version,
        position=version,
        correlation_id="c-1",
        data=data,
    )
    inbox = Inbox("example.org")
    inbox.handle(event, cursor)
    inbox.handle(event, cursor)


def letters(cursor: Any) -> list[tuple[Any, ...]]:
    cursor.execute("SELECT version, letter, recipient FROM deliveries ORDER BY number")
    return cursor.fetchall()


def planned(cursor: Any) -> dict[int, datetime]:
    cursor.execute("SELECT minutes_before, due_at FROM reminders WHERE booking_id = %s", (BOOKING,))
    return dict(cursor.fetchall())


def test_a_booking_makes_one_letter_for_the_customer_and_one_for_each_of_the_team(cursor):
    happens(cursor, 1, BOOKING_CONFIRMED, confirmed())
    assert letters(cursor) == [
        (1, "confirmation", "ada@example.com"),
        (1, "team-confirmation", "grace@example.org"),
        (1, "team-confirmation", "office@example.org"),
    ]


def test_moves_resends_and_cancelling_make_their_letters_in_order(cursor):
    happens(cursor, 1, BOOKING_CONFIRMED, confirmed(team=["grace@example.org"]))
    happens(cursor, 2, BOOKING_RESCHEDULED, moved(TUESDAY, THURSDAY))
    happens(cursor, 3, CONFIRMATION_RESEND_REQUESTED, ASKED_AGAIN)
    happens(cursor, 4, BOOKING_CANCELLED, CANCELLED)
    assert letters(cursor) == [
        (1, "confirmation", "ada@example.com"),
        (1, "team-confirmation", "grace@example.org"),
        (2, "rescheduled", "ada@example.com"),
        (2, "team-rescheduled", "grace@example.org"),
        (3, "confirmation", "ada@example.com"),
        (4, "cancelled", "ada@example.com"),
        (4, "team-cancelled", "grace@example.org"),
    ]


def test_what_a_letter_says_is_kept_as_it_was_when_its_event_happened(cursor):
    happens(cursor, 1, BOOKING_CONFIRMED, confirmed())
    happens(cursor, 2, BOOKING_RESCHEDULED, moved(TUESDAY, THURSDAY))
    happens(cursor, 3, CONFIRMATION_RESEND_REQUESTED, ASKED_AGAIN)
    happens(cursor, 4, BOOKING_CANCELLED, CANCELLED)
    cursor.execute(
        "SELECT starts_at, previous_starts_at, calendar_sequence, reason FROM changes ORDER BY version"
    )
    assert cursor.fetchall() == [
        (TUESDAY, None, 0, ""),
        (THURSDAY, TUESDAY, 1, ""),
        (THURSDAY, None, 1, ""),
        (THURSDAY, None, 2, "Ill"),
    ]


def test_an_event_that_comes_too_early_changes_nothing(cursor):
    with pytest.raises(VersionGap):
        happens(cursor, 2, BOOKING_CANCELLED, CANCELLED)
    happens(cursor, 1, BOOKING_CONFIRMED, confirmed())
    with pytest.raises(VersionGap):
        happens(cursor, 3, BOOKING_CANCELLED, CANCELLED)
    assert {version for version, _, _ in letters(cursor)} == {1}


def test_another_event_of_a_version_that_is_known_is_not_passed_over(cursor):
    happens(cursor, 1, BOOKING_CONFIRMED, confirmed())
    happens(cursor, 2, BOOKING_RESCHEDULED, moved(TUESDAY, THURSDAY))
    with pytest.raises(AnotherHistory, match="notifier rebuild"):
        happens(cursor, 2, BOOKING_CANCELLED, CANCELLED, source=RESTORED)


def test_letters_about_a_lost_event_and_about_the_one_in_its_place_are_two(cursor):
    happens(cursor, 1, BOOKING_CONFIRMED, confirmed(team=[]))
    happens(cursor, 2, BOOKING_CANCELLED, CANCELLED)
    cursor.execute("DELETE FROM changes WHERE version = 2")
    cursor.execute("UPDATE bookings SET version = 1, status = 'confirmed', calendar_sequence = 0")
    happens(cursor, 2, BOOKING_CANCELLED, CANCELLED, source=RESTORED)
    cursor.execute(
        "SELECT source, count(*), count(DISTINCT message_id) FROM deliveries GROUP BY 1 ORDER BY 1"
    )
    assert cursor.fetchall() == [(RESTORED, 2, 2), (STORE, 4, 4)]
    cursor.execute("SELECT calendar_sequence FROM changes WHERE version = 2")
    assert cursor.fetchone() == (2,), "calendars would ignore it"


def test_an_event_of_an_unknown_type_is_passed_over_and_the_next_one_applies(cursor):
    happens(cursor, 1, BOOKING_CONFIRMED, confirmed())
    event = Event(
        f"{BOOKING}:2", "/x", "rebook.BookingBlessed.v1", BOOKING, "2030-10-21T08:15:00Z", 2, 2, "", {}
    )
    Inbox("example.org").handle(event, cursor)
    happens(cursor, 3, BOOKING_CANCELLED, CANCELLED)
    assert {version for version, _, _ in letters(cursor)} == {1, 3}


def test_reminders_move_with_the_booking_and_go_when_it_is_cancelled(cursor):
    happens(cursor, 1, BOOKING_CONFIRMED, confirmed())
    assert planned(cursor) == {DAY: TUESDAY - timedelta(days=1), HOUR: TUESDAY - timedelta(hours=1)}
    happens(cursor, 2, BOOKING_RESCHEDULED, moved(TUESDAY, THURSDAY))
    assert planned(cursor) == {DAY: THURSDAY - timedelta(days=1), HOUR: THURSDAY - timedelta(hours=1)}
    happens(cursor, 3, BOOKING_CANCELLED, CANCELLED)
    assert planned(cursor) == {}


def test_a_reminder_whose_time_had_passed_when_the_booking_was_made_or_moved_is_not_made(cursor):
    happens(cursor, 1, BOOKING_CONFIRMED, confirmed(), at=TUESDAY - timedelta(hours=3))
    assert set(planned(cursor)) == {HOUR}
    soon = TUESDAY - timedelta(hours=2)
    happens(cursor, 2, BOOKING_RESCHEDULED, moved(TUESDAY, soon), at=soon - timedelta(minutes=60))
    assert planned(cursor) == {}


def test_a_reminder_that_falls_due_becomes_one_delivery_to_the_customer(cursor):
    happens(cursor, 1, BOOKING_CONFIRMED, confirmed())
    a_day_before = TUESDAY - timedelta(days=1)
    assert reminders.fall_due(cursor, a_day_before - timedelta(seconds=1), "example.org") == 0
    assert reminders.fall_due(cursor, a_day_before, "example.org") == 1
    assert reminders.fall_due(cursor, a_day_before, "example.org") == 0
    cursor.execute("SELECT recipient, minutes_before, fell_due_at FROM deliveries WHERE letter = 'reminder'")
    assert cursor.fetchall() == [("ada@example.com", DAY, a_day_before)]


@pytest.mark.parametrize("kind", [GAP, ERROR, QUEUED])
def test_a_reminder_waits_while_an_event_of_its_booking_is_parked(cursor, kind):
    happens(cursor, 1, BOOKING_CONFIRMED, confirmed())
    park(cursor, BOOKING, kind)
    park(cursor, str(uuid4()), kind)
    assert reminders.fall_due(cursor, TUESDAY, "example.org") == 0
    cursor.execute("UPDATE parked_events SET kind = 'discarded' WHERE stream = %s", (BOOKING,))
    assert reminders.fall_due(cursor, TUESDAY, "example.org") == 2


def test_a_moved_booking_reminds_again_and_one_moved_back_too(cursor):
    happens(cursor, 1, BOOKING_CONFIRMED, confirmed())
    a_day_before = TUESDAY - timedelta(days=1)
    reminders.fall_due(cursor, a_day_before, "example.org")
    happens(cursor, 2, BOOKING_RESCHEDULED, moved(TUESDAY, THURSDAY), at=a_day_before)
    happens(cursor, 3, BOOKING_RESCHEDULED, moved(THURSDAY, TUESDAY), at=a_day_before)
    assert set(planned(cursor)) == {HOUR}
    reminders.fall_due(cursor, TUESDAY, "example.org")
    cursor.execute("SELECT version, minutes_before FROM deliveries WHERE letter = 'reminder' ORDER BY number")
    assert cursor.fetchall() == [(1, DAY), (3, HOUR)]


def test_thousands_of_reminders_that_fall_due_at_once_become_one_delivery_each(cursor):
    happens(cursor, 1, BOOKING_CONFIRMED, confirmed())
    cursor.execute(
        "INSERT INTO reminders (booking_id, minutes_before, version, due_at) "
        "SELECT %s, 10000 + n, 1, %s FROM generate_series(1, 1200) AS n",
        (BOOKING, BOOKED_AT),
    )
    fallen = [reminders.fall_due(cursor, BOOKED_AT, "example.org") for _ in range(4)]
    assert fallen == [reminders.AT_ONCE, reminders.AT_ONCE, 1200 - 2 * reminders.AT_ONCE, 0]
    cursor.execute("SELECT count(*) FROM deliveries WHERE letter = 'reminder'")
    assert cursor.fetchone() == (1200,)


def delivered(cursor: Any) -> set[Any]:
    cursor.execute("SELECT delivery_id FROM deliveries WHERE booking_id = %s", (BOOKING,))
    return {delivery for (delivery,) in cursor.fetchall()}


def everything(cursor: Any) -> str:
    found = ""
    for table in ("bookings", "changes", "deliveries", "delivery_events", "reminders"):
        cursor.execute(f"SELECT * FROM {table}")
        found += str(cursor.fetchall())
    return found


def test_an_erased_customer_is_in_no_row_and_their_letters_stay_the_same_deliveries_in_a_replay(cursor):
    happens(cursor, 1, BOOKING_CONFIRMED, confirmed(notes="Ada brings ink"))
    happens(cursor, 2, BOOKING_RESCHEDULED, moved(TUESDAY, THURSDAY) | {"reason": "Ada is ill"})
    cursor.execute(
        "UPDATE deliveries SET state = 'failed', reason = '550 no ada@example.com here', outcomes = 1"
    )
    cursor.execute(
        "INSERT INTO delivery_events (delivery_id, outcome, state, reason, happened_at) "
        "SELECT delivery_id, outcomes, state, reason, now() FROM deliveries"
    )
    before = delivered(cursor)
    happens(cursor, 3, CUSTOMER_ERASED, {"actor": "operator"})
    assert "ada" not in everything(cursor).lower()
    assert planned(cursor) == {}
    cursor.execute("SELECT topic FROM stale_topics")
    assert cursor.fetchall() == [("deliveries",)]

    for table in ("changes", "bookings"):
        cursor.execute(f"DELETE FROM {table} WHERE booking_id = %s", (BOOKING,))
    nobody = {"name": "", "email": "", "timezone": "Europe/London"}
    happens(cursor, 1, BOOKING_CONFIRMED, confirmed(customer=nobody))
    happens(cursor, 2, BOOKING_RESCHEDULED, moved(TUESDAY, THURSDAY))
    happens(cursor, 3, CUSTOMER_ERASED, {"actor": "operator"})
    assert delivered(cursor) == before
    assert planned(cursor) == {}


def test_whatever_happens_after_the_erasure_plans_no_reminder(cursor):
    happens(cursor, 1, BOOKING_CONFIRMED, confirmed())
    happens(cursor, 2, CUSTOMER_ERASED, {"actor": "operator"})
    happens(cursor, 3, BOOKING_RESCHEDULED, moved(TUESDAY, THURSDAY))
    assert planned(cursor) == {}
    assert [recipient for _, _, recipient in letters(cursor)][-3:] == [
        "",
        "grace@example.org",
        "office@example.org",
    ]
