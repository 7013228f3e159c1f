"""The notifier's tables beside what events call for: silent where they agree, a sentence for every difference."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from notifier.inbox import Inbox
from notifier.verification import differences, lasting_differences, replayed
from rebook.operating import as_discarded
from rebook.parking import stream_of
from servers.stories import Story

if TYPE_CHECKING:
    from rebook.cloudevents import Event

CHANCE = 6
TUESDAY = datetime(2030, 11, 5, 14, 0, tzinfo=UTC)


@pytest.fixture
def history(connection) -> list[Event]:
    """Events of a few bookings, all applied."""
    chance, events = Random(CHANCE), []
    for _ in range(12):
        story = Story(UUID(int=chance.getrandbits(128), version=4), TUESDAY)
        events.append(story.begins())
        while not story.is_over and chance.random() < 0.7:
            events.append(story.goes_on(chance))
    with connection, connection.cursor() as cursor:
        for table in ("reminders", "changes", "bookings"):
            cursor.execute(f"DELETE FROM {table}")
    applied(connection, *events)
    return events


def applied(connection: Any, *events: Event) -> None:
    with connection, connection.cursor() as cursor:
        for event in events:
            Inbox("example.org").handle(event, cursor)


def run(connection: Any, statement: str) -> int:
    with connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.rowcount


def found(connection: Any, history: list[Event]) -> list[str]:
    return [said.partition(": ")[2] for said in differences(connection, replayed(history, set()).stories)]


def test_tables_that_say_what_the_events_say_differ_in_nothing(connection, history):
    assert found(connection, history + history) == []


def test_a_letter_that_is_missing_and_one_that_nothing_calls_for_are_told(connection, history):
    [lost] = [event for event in history if event.sequence == 1][:1]
    missing = run(connection, f"DELETE FROM deliveries WHERE event_id = '{lost.id}'")
    run(
        connection,
        "UPDATE deliveries SET delivery_id = gen_random_uuid() WHERE number = (SELECT max(number) FROM deliveries)",
    )
    told = found(connection, history)
    assert sum("is missing" in said for said in told) == missing + 1
    assert sum("nothing calls for delivery" in said for said in told) == 1


def test_a_reminder_that_is_missing_and_one_at_another_time_are_told(connection, history):
    changed = run(
        connection, "UPDATE reminders SET due_at = due_at + interval '1 hour' WHERE minutes_before = 60"
    )
    gone = run(connection, "DELETE FROM reminders WHERE minutes_before = 1440")
    told = found(connection, history)
    assert changed
    assert gone
    assert len(told) == changed + gone


def test_a_booking_that_stands_otherwise_or_is_behind_is_told(connection, history):
    some = [event.subject for event in history if event.sequence == 1]
    run(
        connection,
        f"UPDATE bookings SET starts_at = starts_at + interval '1 hour' WHERE booking_id = '{some[0]}'",
    )
    run(connection, f"UPDATE bookings SET version = version - 1 WHERE booking_id = '{some[1]}'")
    told = found(connection, history)
    assert len(told) == 2
    assert "stands otherwise" in " ".join(told)


def test_what_happened_after_the_events_were_read_is_no_difference(connection, history):
    confirmed = [event for event in history if event.sequence == 1]
    assert found(connection, confirmed[:5]) == []


def test_a_difference_that_lasts_is_told_after_the_patience_is_over(connection, history):
    run(connection, "DELETE FROM reminders")
    assert lasting_differences(connection, replayed(history, set()).stories, patience_s=0)


def test_an_event_that_cannot_be_applied_is_told_once_and_hides_no_other_booking(connection, history):
    story = Story(UUID(int=7, version=4), TUESDAY)
    first, broken, later = story.begins(), replace(story.moves(), data={}), story.ends()
    strange = replace(first, id="x:1", subject="x")
    applied(connection, first)
    told = replayed([strange, first, broken, broken, later, *history], set())
    assert [said.partition(": ")[0] for said in told.hopeless] == ["event x:1", f"event {broken.id}"]
    assert list(differences(connection, told.stories)) == []
    assert len(told.stories) == 13


def test_an_event_that_was_given_up_is_no_difference(connection, history):
    story = Story(UUID(int=7, version=4), TUESDAY)
    first, broken, later = story.begins(), replace(story.moves(), data={}), story.ends()
    strange = replace(first, id="x:1", subject="x")
    applied(connection, first, as_discarded(broken), later)
    given_up = {(*stream_of(event), event.sequence) for event in (broken, strange)}
    told = replayed([strange, first, broken, later], given_up)
    assert told.hopeless == []
    assert list(differences(connection, told.stories)) == []
