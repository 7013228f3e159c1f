"""Events become read tables, on a real PostgreSQL; every event is applied twice."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from booking_query import projection_bookings, projection_team  # noqa: F401 - they register their projections
from booking_query.database import Database
from booking_query.projection import project
from rebook import events
from rebook.cloudevents import Event
from rebook.consumer import VersionGap
from rebook.moments import parse_moment

if TYPE_CHECKING:
    from collections.abc import Iterator

BOOKING = "0b9c6f0e-2f57-4b7e-9a7e-1f6a52f8d1c3"
TYPE = "7d0f2f1c-7b56-5b3e-8f5e-0c9c3f6a1b2d"
MEMBER = "9a7b1f6e-3c58-5d21-9e02-5b8d7f4c6a10"
TOKEN = "c2f0d8a4-1b67-4e39-8d5c-7a9e3b6f2041"

CONFIRMED = {
    "booking_id": BOOKING,
    "meeting_type": "intro-call",
    "title": "Intro call",
    "duration_minutes": 30,
    "location": "Phone",
    "host": {"name": "Ada", "email": "Ada@Example.org"},
    "timezone": "Europe/Berlin",
    "team": ["Ada@Example.org"],
    "reminders_minutes_before": [60],
    "reschedule_cutoff_minutes": 60,
    "cancel_cutoff_minutes": 0,
    "starts_at": "2030-11-05T14:00:00Z",
    "ends_at": "2030-11-05T14:30:00Z",
    "hold": {"starts_at": "2030-11-05T13:50:00Z", "ends_at": "2030-11-05T14:30:00Z"},
    "customer": {"name": "Cy Twombly", "email": "cy@example.com", "timezone": "America/New_York"},
    "notes": "Bring ink.",
    "actor": "customer",
}
MOVED = {
    "booking_id": BOOKING,
    "previous_starts_at": "2030-11-05T14:00:00Z",
    "previous_ends_at": "2030-11-05T14:30:00Z",
    "starts_at": "2030-11-06T09:00:00Z",
    "ends_at": "2030-11-06T09:30:00Z",
    "hold": {"starts_at": "2030-11-06T08:50:00Z", "ends_at": "2030-11-06T09:30:00Z"},
    "actor": "ada@example.org",
    "reason": "The train is late.",
}
CANCELLED = {"booking_id": BOOKING, "actor": "customer", "reason": "Ill."}
RESEND = {"booking_id": BOOKING, "actor": "ada@example.org"}
DEFINITION = {
    "title": "Intro call",
    "duration_minutes": 30,
    "location": "Phone",
    "host": {"name": "Ada", "email": "ada@example.org"},
    "timezone": "Europe/Berlin",
    "weekly_hours": {"mon": [["09:00", "17:00"]]},
}


def event(kind: str, sequence: int, data: dict[str, Any], subject: str = BOOKING, **changes: Any) -> Event:
    facts = {
        "id": f"{subject}:{sequence}",
        "source": "/booking-command/store",
        "type": kind,
        "subject": subject,
        "time": f"2030-11-01T10:00:{sequence:02}Z",
        "sequence": sequence,
        "position": sequence,
        "correlation_id": "test",
        "data": data,
    }
    return Event(**(facts | changes))


def letter(kind: str, n: int, **data: Any) -> Event:
    facts = {
        "booking_id": BOOKING,
        "letter": "confirmation",
        "recipient": "cy@example.com",
        "minutes_before": None,
    }
    return event(kind, n, facts | data, id=f"d1:{n}", source="/notifier")


class Tables:
    """The read tables: events go in (each twice), rows come out."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        self._connection = psycopg2.connect(url)

    def close(self) -> None:
        self._connection.close()

    def take(self, *given: Event) -> None:
        for each in given:
            for _ in range(2):
                with self._connection, self._connection.cursor() as cursor:
                    project(each, cursor)

    def row(self, table: str) -> dict[str, Any]:
        (row,) = self.rows(table)
        return row

    def rows(self, table: str) -> list[dict[str, Any]]:
        return self.database.rows(f"SELECT * FROM {table}")

    def history(self) -> list[dict[str, Any]]:
        return self.database.rows("SELECT type, by, details FROM booking_history ORDER BY at, sequence")


@pytest.fixture
def tables(database: Any) -> Iterator[Tables]:
    fresh = database("booking_query").with_tables("rebook", "booking_query")
    with closing(Tables(fresh.url)) as made:
        yield made


def test_a_confirmed_booking_is_a_row_with_its_frozen_terms(tables):
    tables.take(event(events.BOOKING_CONFIRMED, 1, CONFIRMED))
    row = tables.row("bookings")
    assert (row["booking_id"], row["version"], row["status"]) == (BOOKING, 1, "confirmed")
    assert (row["host"], row["host_email"]) == ("ada@example.org", "Ada@Example.org")
    assert row["hold_starts_at"] == parse_moment("2030-11-05T13:50:00Z")
    assert row["searched"] == "cy twombly\ncy@example.com"
    assert [(line["type"], line["by"]) for line in tables.history()] == [("confirmed", "customer")]


def test_a_move_changes_the_slot_and_counts_once(tables):
    tables.take(event(events.BOOKING_CONFIRMED, 1, CONFIRMED), event(events.BOOKING_RESCHEDULED, 2, MOVED))
    row = tables.row("bookings")
    assert (row["version"], row["status"], row["reschedules"]) == (2, "rescheduled", 1)
    assert row["starts_at"] == parse_moment("2030-11-06T09:00:00Z")
    assert row["hold_starts_at"] == parse_moment("2030-11-06T08:50:00Z")
    assert tables.history()[1]["details"]["reason"] == "The train is late."


def test_a_cancelled_booking_stays_with_its_reason(tables):
    tables.take(event(events.BOOKING_CONFIRMED, 1, CONFIRMED), event(events.BOOKING_CANCELLED, 2, CANCELLED))
    row = tables.row("bookings")
    assert (row["status"], row["cancel_reason"]) == ("cancelled", "Ill.")
    assert row["cancelled_at"] == parse_moment("2030-11-01T10:00:02Z")


def test_a_resend_and_the_letters_are_history_only(tables):
    tables.take(
        event(events.BOOKING_CONFIRMED, 1, CONFIRMED),
        event(events.CONFIRMATION_RESEND_REQUESTED, 2, RESEND),
        letter(events.EMAIL_FAILED, 1, reason="550 no such user"),
        letter(events.EMAIL_SENT, 2),
    )
    assert (tables.row("bookings")["version"], tables.row("bookings")["status"]) == (2, "confirmed")
    kinds = {line["type"]: line["details"] for line in tables.history()}
    assert set(kinds) == {"confirmed", "resend-requested", "email-failed", "email-sent"}
    assert kinds["email-sent"] == {"letter": "confirmation", "recipient": "cy@example.com"}


def test_a_letter_may_be_known_before_its_booking(tables):
    tables.take(
        letter(events.EMAIL_SKIPPED, 1, reason="too old"), event(events.BOOKING_CONFIRMED, 1, CONFIRMED)
    )
    assert len(tables.history()) == 2


def test_a_gap_is_never_hidden_and_changes_nothing(tables):
    tables.take(event(events.BOOKING_CONFIRMED, 1, CONFIRMED))
    with pytest.raises(VersionGap):
        tables.take(event(events.BOOKING_CANCELLED, 3, CANCELLED))
    with pytest.raises(VersionGap):
        tables.take(event(events.BOOKING_CANCELLED, 2, CANCELLED, subject=TOKEN))
    assert (tables.row("bookings")["version"], len(tables.history())) == (1, 1)


def test_an_unknown_event_counts_in_its_stream_and_does_nothing_else(tables):
    unknown = event("rebook.BookingPainted.v1", 2, {"colour": "blue"})
    tables.take(event(events.BOOKING_CONFIRMED, 1, CONFIRMED), unknown)
    tables.take(
        event("rebook.Unheard.v1", 1, {}, subject=TOKEN), event("rebook.X.v1", 9, {}, source="/other")
    )
    tables.take(event(events.BOOKING_CANCELLED, 3, CANCELLED | {"colour": "unknown fields pass"}))
    assert tables.row("bookings")["status"] == "cancelled"


def test_unfolded_and_folded_counts_follow_every_change(tables):
    tables.take(
        event(events.BOOKING_CONFIRMED, 1, CONFIRMED),
        event(events.BOOKING_RESCHEDULED, 2, MOVED),
        event(events.BOOKING_CANCELLED, 3, CANCELLED),
    )
    changes = tables.database.rows(
        "SELECT ends_on::text, is_cancelled, sum(change)::int AS n FROM booking_count_changes "
        "GROUP BY 1, 2 HAVING sum(change) <> 0"
    )
    assert changes == [{"ends_on": "2030-11-06", "is_cancelled": True, "n": 1}]


def test_a_meeting_type_is_defined_redefined_deleted_and_defined_again(tables):
    def defined(sequence: int, **changes: Any) -> Event:
        data = DEFINITION | changes | {"slug": "intro-call", "actor": "ada@example.org"}
        return event(events.MEETING_TYPE_DEFINED, sequence, data, subject=TYPE)

    tables.take(defined(1), defined(2, title="First call"))
    row = tables.row("meeting_types")
    assert (row["slug"], row["version"], row["definition"]["title"]) == ("intro-call", 2, "First call")
    assert (row["definition"]["horizon_days"], row["definition"]["slot_step_minutes"]) == (60, 30)
    tables.take(event(events.MEETING_TYPE_DELETED, 3, {"slug": "intro-call"}, subject=TYPE))
    assert tables.row("meeting_types")["deleted_at"]
    tables.take(defined(4))
    row = tables.row("meeting_types")
    assert (row["version"], row["deleted_at"], row["definition"]["title"]) == (4, None, "Intro call")


def test_members_sessions_and_tokens_end_when_they_should(tables):
    member = {"member_id": MEMBER, "email": "ada@example.org", "generation": 1}
    issued = {
        "token_id": TOKEN,
        "name": "sync",
        "sha256": "ab" * 32,
        "member_id": MEMBER,
        "created_by": "ada@example.org",
    }
    tables.take(
        event(events.TEAM_MEMBER_ADDED, 1, member, subject=MEMBER),
        event(events.API_TOKEN_ISSUED, 1, issued, subject=TOKEN),
        event(events.TEAM_SESSION_ENDED, 2, {"member_id": MEMBER, "session_id": "s1"}, subject=MEMBER),
        event(events.TEAM_PASSWORD_CHANGED, 3, {"member_id": MEMBER, "generation": 2}, subject=MEMBER),
    )
    assert (tables.row("team_members")["generation"], tables.row("team_members")["removed_at"]) == (2, None)
    assert tables.row("ended_sessions")["session_id"] == "s1"
    assert tables.row("api_tokens")["revoked_at"] is None
    tables.take(event(events.TEAM_MEMBER_REMOVED, 4, {"member_id": MEMBER}, subject=MEMBER))
    assert tables.row("team_members")["removed_at"]
    assert tables.row("api_tokens")["revoked_at"]
    tables.take(event(events.API_TOKEN_REVOKED, 2, {"token_id": TOKEN, "actor": "ada"}, subject=TOKEN))
    tables.take(event(events.TEAM_MEMBER_ADDED, 5, member | {"generation": 3}, subject=MEMBER))
    assert (tables.row("team_members")["generation"], tables.row("team_members")["removed_at"]) == (3, None)


def test_an_erased_customer_is_in_no_row_and_whatever_is_told_late_does_not_bring_them_back(tables):
    told = letter(events.EMAIL_FAILED, 1, reason="550 no cy@example.com here")
    tables.take(
        event(events.BOOKING_CONFIRMED, 1, CONFIRMED),
        event(events.BOOKING_RESCHEDULED, 2, MOVED),
        event(events.BOOKING_CANCELLED, 3, CANCELLED),
        told,
        event(events.CUSTOMER_ERASED, 4, {"booking_id": BOOKING, "actor": "operator"}),
        letter(events.EMAIL_SENT, 2),
        letter(events.EMAIL_SENT, 3, letter="team-confirmation", recipient="ada@example.org"),
        letter(events.EMAIL_SKIPPED, 4, reason="It fell due too long ago."),
    )
    row = tables.row("bookings")
    blank = ("customer_name", "customer_email", "notes", "cancel_reason")
    assert {row[name] for name in blank} == {""}
    assert (row["version"], row["status"], row["searched"]) == (4, "cancelled", "\n")
    assert row["customer_timezone"] == "America/New_York"
    said = {line["type"]: line["details"] for line in tables.history()}
    assert said["email-failed"] == {"letter": "confirmation", "recipient": "", "reason": ""}
    assert said["email-skipped"]["reason"] == "It fell due too long ago."
    assert [line["details"].get("reason") for line in tables.history()][1:3] == ["", ""]
    everything = str(tables.rows("booking_history")) + str(row)
    assert not any(personal in everything for personal in ("Cy", "cy@", "ink", "train is late", "Ill."))
    assert "ada@example.org" in str(tables.history())


def test_a_letter_that_is_told_anew_is_as_it_was_told_last(tables):
    """Two projectors may apply an erasure and a letter at once: the refilled topic sets it right."""
    tables.take(event(events.BOOKING_CONFIRMED, 1, CONFIRMED), letter(events.EMAIL_SENT, 1))
    tables.take(letter(events.EMAIL_SENT, 1, recipient=""))
    [told] = [line["details"] for line in tables.history() if line["type"] == "email-sent"]
    assert told["recipient"] == ""
