"""Read tables that somebody or something has made wrong: it is found, told field by field, and mended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from booking_query import projection, projection_bookings
from booking_query.cli import main as booking_query
from booking_query.projector import Counts
from booking_query.relations import RELATIONS
from booking_query.second_set import Hindered
from click.testing import CliRunner
from rebook import events
from rebook.kafka import BOOKINGS, TEAM
from servers.query_side import MEMBER, event, times
from servers.read_side import booking_id, cancelled, confirmed, letter, moved, the_team
from servers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servers.read_side import ReadSide

ADA, BOB = booking_id("ada"), booking_id("bob")


@pytest.fixture
def shown(read_side: ReadSide) -> Iterator[ReadSide]:
    """Two bookings, all that belongs to them, and a projector at work."""
    read_side.send(
        *the_team(read_side.site), confirmed("ada"), confirmed("bob"), moved("ada", 2), letter("ada")
    )
    with read_side.projecting():
        read_side.until_read(7)
        yield read_side
        assert read_side.verify() == []


def test_right_tables_are_found_right_while_they_change(shown):
    assert shown.verify() == []
    said = shown.run("verify")
    assert said.returncode == 0
    assert said.stdout.startswith(
        "2 bookings, 4 lines of history, 1 meeting type, 1 member, 0 ended sessions,"
    )
    assert said.stdout.endswith("2 counts compared, nothing wrong\n")


def test_a_changed_row_is_told_field_by_field_and_put_right(shown):
    shown.rows("UPDATE bookings SET title = 'Lunch', version = 7 WHERE booking_id = %s", ADA)
    told = [
        f'booking {ADA}: title is "Lunch" instead of "Intro call"',
        f"booking {ADA}: version is 7 instead of 2",
    ]
    refused = shown.run("verify")
    assert (refused.returncode, sorted(refused.stdout.splitlines()[:-1])) == (1, told)
    mended = shown.run("verify", "--repair", ADA)
    assert (mended.returncode, mended.stdout.splitlines()[-1]) == (0, "2 mended")
    shown.send(cancelled("ada", 3))
    until(lambda: shown.versions()["ada"] == 3, 10)
    assert shown.run("verify", "--repair", ADA).stdout == "nothing was wrong with it\n"


def test_a_deleted_row_is_missed_and_put_back_with_its_history(shown):
    shown.rows("DELETE FROM bookings WHERE booking_id = %s", ADA)
    shown.rows("DELETE FROM booking_history WHERE type = 'email-sent'")
    told = [f"booking {ADA}: is missing", f"line of history {ADA} {booking_id('ada-letter')}:1: is missing"]
    assert set(told) < set(shown.verify())
    assert shown.repair("ada") == told


@pytest.mark.parametrize("how", ["repair", "rebuild"])
def test_an_added_row_is_told_and_taken_away(shown, how):
    columns = "meeting_type, title, location, host, host_name, host_email, timezone, duration_minutes, notes"
    columns += (
        ", reschedule_cutoff_minutes, cancel_cutoff_minutes, starts_at, ends_at, hold_starts_at, hold_ends_at"
    )
    columns += ", customer_name, customer_email, customer_timezone, created_at, updated_at, status, version"
    ghost = booking_id("ghost")
    shown.rows(
        f"INSERT INTO bookings (booking_id, {columns}) SELECT %s, {columns} FROM bookings LIMIT 1", ghost
    )
    assert f"booking {ghost}: no event tells of it" in shown.verify()
    if how == "repair":
        assert shown.repair("ghost") == [f"booking {ghost}: no event tells of it"]
    else:
        with pytest.raises(Hindered, match="--drop-unknown"):
            shown.rebuild()
        shown.rebuild(drop_unknown=True)


def test_rows_of_the_team_that_are_wrong_are_told_and_a_rebuild_mends_them(shown):
    shown.rows("UPDATE meeting_types SET definition = '{}'")
    shown.rows("UPDATE team_members SET generation = 9")
    shown.rows("UPDATE api_tokens SET revoked_at = now()")
    shown.rows("UPDATE booking_counts SET bookings = bookings + 1")
    shown.rows("INSERT INTO booking_count_changes VALUES ('2031-01-01', false, 1)")
    told = "\n".join(shown.verify())
    for what in ("meeting type intro-call: definition is", "generation is 9 instead of 1", "revoked_at is"):
        assert what in told
    assert "count 2031-01-01 False: no event tells of it" in told
    shown.rebuild()


def test_days_that_are_folded_into_one_are_compared_as_one(shown):
    shown.send(confirmed("past", **times("2020-01-06T09:00:00Z")), confirmed("off"), cancelled("off", 2))
    shown.until_read(10)
    query = "SELECT is_cancelled, bookings FROM booking_counts WHERE ends_on = '-infinity' ORDER BY 1"

    def are_folded() -> bool:
        Counts(shown.fresh.url).fold()  # unless the projector is at it
        return shown.rows(query) == [(False, 1), (True, 1)]

    until(are_folded, 10)
    assert shown.verify() == []
    shown.rows("UPDATE booking_counts SET bookings = 3 WHERE ends_on = '-infinity'")
    told = ["count any True: bookings is 3 instead of 1", "count earlier False: bookings is 3 instead of 1"]
    assert shown.verify() == told
    shown.rebuild()


def test_a_table_that_was_emptied_is_filled_again(shown):
    shown.rows("TRUNCATE bookings, booking_history, booking_counts, booking_count_changes")
    assert f"booking {BOB}: is missing" in shown.verify()
    shown.rebuild()
    assert shown.versions() == {"ada": 2, "bob": 1}


@pytest.mark.parametrize("how", ["rebuild", "the next event"])
def test_offsets_that_were_set_back_are_told_and_what_is_read_again_changes_nothing(shown, how):
    before = shown.contents()
    shown.rows("UPDATE consumer_offsets SET next_offset = 0 WHERE topic = %s", shown.settings.topic(TEAM))
    (told,) = shown.verify()
    assert told.endswith("team, partition 0: is read up to 0 of 2")
    if how == "rebuild":
        shown.rebuild()
        assert shown.contents() == before
    else:
        shown.send(event(events.TEAM_PASSWORD_CHANGED, MEMBER, 2, {"member_id": MEMBER, "generation": 2}))
        until(lambda: shown.rows("SELECT generation FROM team_members") == [(2,)], 10)


def test_offsets_that_were_set_back_while_nobody_projects_are_told(read_side):
    read_side.send(confirmed("ada"))
    with read_side.projecting():
        read_side.until_read(1)
    read_side.rows("UPDATE consumer_offsets SET next_offset = 0")
    (told,) = read_side.verify()
    assert told.endswith(": is read up to 0 of 1")
    with read_side.projecting():
        read_side.until_read(1)
        assert read_side.verify() == []


def test_events_that_were_skipped_are_missed_and_read_by_a_rebuild(read_side):
    read_side.send(*(confirmed(f"c{number}") for number in range(40)))
    with read_side.projecting():
        read_side.until_read(40)
    read_side.send(*(moved(f"c{number}", 2) for number in range(40)), confirmed("ada"))
    read_side.rows("UPDATE consumer_offsets SET next_offset = 2 * next_offset WHERE next_offset > 0")
    with read_side.projecting():
        read_side.send(confirmed("bob"))
        until(lambda: "bob" in read_side.versions(), 10)
        assert f"booking {booking_id('c7')}: version is 1 instead of 2" in read_side.verify()
        read_side.rebuild()
        assert read_side.verify() == []
        assert read_side.versions()["c7"] == 2


def test_offsets_beyond_the_end_are_told_and_a_rebuild_mends_them(read_side):
    read_side.send(confirmed("ada"))
    with read_side.projecting():
        read_side.until_read(1)
    read_side.rows("UPDATE consumer_offsets SET next_offset = 9000 WHERE next_offset = 1")
    (told,) = read_side.verify()
    assert told.endswith(": is read up to 9,000, but ends at 1")
    read_side.rebuild()
    assert read_side.rows("SELECT max(next_offset) FROM consumer_offsets") == [(1,)]


def test_a_deleted_topic_is_told_and_once_it_is_filled_again_everything_is_right(shown):
    shown.delete(BOOKINGS)
    topic = shown.settings.topic(BOOKINGS)
    refused = shown.run("verify")  # gives the topic's owner the time to make it anew
    assert (refused.returncode, refused.stderr) == (
        1,
        f"Error: There is no topic {topic}: whoever owns it makes it and fills it.\n",
    )
    shown.create(BOOKINGS)
    shown.send(confirmed("ada"), confirmed("bob"), moved("ada", 2))
    until(
        lambda: shown.rows("SELECT sum(next_offset) FROM consumer_offsets WHERE topic = %s", topic) == [(6,)],
        20,
    )
    shown.rebuild()


def test_an_event_of_an_unknown_version_is_told_until_a_program_knows_it(monkeypatch, shown):
    newer = "rebook.BookingRescheduled.v2"
    shown.send(moved("bob", 2, kind=newer))
    until(lambda: shown.versions()["bob"] == 2, 10)
    assert shown.verify() == [f"1 of {newer}: of a version that this program does not know, so not shown"]
    monkeypatch.setitem(projection._FOLD, newer, projection_bookings.rescheduled)
    assert f'booking {BOB}: status is "confirmed" instead of "rescheduled"' in shown.verify()
    shown.rebuild()
    assert shown.rows("SELECT status FROM bookings WHERE booking_id = %s", BOB) == [("rescheduled",)]


def test_an_event_that_cannot_be_applied_is_a_dead_letter_until_it_is_given_up(shown):
    shown.send(event(events.BOOKING_RESCHEDULED, BOB, 2, {}), cancelled("bob", 3))
    until(lambda: shown.site.anybody.get("/statusz").json["dead_letters"] == 1, 20, "a dead letter")
    assert shown.site.anybody.get("/statusz").json["parked_streams"] == 1
    assert shown.run("dead-letters", "discard", f"{BOB}:2", "--reason", "a test").returncode == 0
    assert shown.versions() == {"ada": 2, "bob": 3}


@pytest.mark.parametrize(
    "arguments", [("verify", "--repair", "bob"), ("rebuild", "--from"), ("verify", "now")]
)
def test_bad_arguments_get_one_clear_line(arguments):
    refused = CliRunner().invoke(booking_query, arguments)
    assert refused.exit_code == 2
    assert refused.stderr.splitlines()[-1].startswith("Error: ")


@pytest.mark.parametrize("command", ["rebuild", "verify"])
def test_each_command_explains_itself_with_an_example(command):
    assert (
        f"Example: booking-query {command}" in CliRunner().invoke(booking_query, [command, "--help"]).stdout
    )


def test_every_table_that_shows_something_is_compared(read_side):
    bookkeeping = {
        *("consumer_offsets", "parked_events", "stale_topics", "workers", "migrations"),
        "booking_count_changes",
    }
    there = {
        name for (name,) in read_side.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    }
    assert there - bookkeeping == {relation.name for relation in RELATIONS}
