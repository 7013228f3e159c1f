"""A customer who is erased is in nothing that the servers keep, and nothing else has changed."""

from __future__ import annotations

import subprocess
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
import requests
from rebook.kafka import KafkaSettings, admin, topic_ids
from rebook.settings import load
from rebook_infra.processes import script
from servers.people import Team, by_api, somebody
from servers.search import found
from servers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE_S = 60
NAME, NOTES = "Zdeňka O'Quux & Söhne", 'Bring the "zanzibar" folder'
REASONS = ("xylophone practice", "my ötztal holiday")
READERS = ("booking-query-projector", "notifier-worker")
EMPTY_READ_TABLES = """
DO $$ BEGIN EXECUTE (
    SELECT 'TRUNCATE ' || string_agg(quote_ident(tablename), ', ') FROM pg_tables
    WHERE schemaname = 'public' AND tablename <> 'migrations'
); END $$
"""
EMPTY_INBOX = "TRUNCATE bookings, changes, reminders, consumer_offsets"


@pytest.fixture
def refusing(smtp) -> Iterator[None]:
    """A mail server that quotes whom and what it refuses: moves for good, cancellations for now."""

    def reply(letter: Any) -> str | None:
        said = f"no {letter.recipients[0]} here for {letter.subject}".encode("ascii", "replace").decode()
        codes = {"Rescheduled": "550", "Cancelled": "451"}
        code = codes.get(letter.subject.partition(":")[0])
        return f"{code} {said}" if code and "quux" in letter.recipients[0].lower() else None

    smtp.reply_with(reply)
    yield
    smtp.reply_with(lambda _: None)


def command(stack: Any, program: str, *arguments: str, code: int = 0) -> str:
    done = subprocess.run(
        script(program, *arguments), env=stack.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def run(stack: Any, service: str, statement: str) -> None:
    connection = psycopg2.connect(stack.environment[f"{service}_OWNER_DATABASE_URL"])
    with closing(connection), connection, connection.cursor() as cursor:
        cursor.execute(statement)


def lasting(details: dict[str, Any]) -> dict[str, Any]:
    """What an erasure leaves as it was."""
    kept = {name: details[name] for name in ("status", "starts_at", "ends_at", "reschedules", "created_at")}
    letters = [(line["type"], line.get("letter"), line["at"]) for line in details["history"]]
    return kept | {"history": letters, "zone": details["customer"]["timezone"]}


def test_an_erased_customer_is_in_nothing_that_is_kept_and_nothing_else_changes(stack, smtp, refusing):
    team = Team.logged_in(stack)
    offered = team.offer(reminders_minutes_before=[60])
    ada, email = somebody(), somebody().replace("ada", "Zdenka.Quux")
    customer = {"name": NAME, "email": email, "timezone": "Europe/Prague"}
    first, second = (
        offered.book(offered.start(slot), email, customer=customer, notes=NOTES).json() for slot in (0, 1)
    )
    other = offered.book(offered.start(2), ada).json()["booking_id"]
    standing, gone = first["booking_id"], second["booking_id"]
    manage = by_api(second["manage_url"])
    to = {"starts_at": offered.start(5), "reason": REASONS[0]}
    assert requests.post(f"{manage}/reschedule", json=to, timeout=10).status_code == 200
    assert requests.post(f"{manage}/cancel", json={"reason": REASONS[1]}, timeout=10).status_code == 200
    until(lambda: ("email-failed", "rescheduled") in team.emails(gone), PATIENCE_S, "the refused letter")
    until(lambda: len(team.emails(gone)) == 5, PATIENCE_S, "the letters about the cancelled booking")
    until(lambda: len(team.emails(standing)) == len(team.emails(other)) == 2, PATIENCE_S, "the letters")
    words = [NAME, "zdeňka", email, "quux", NOTES, "zanzibar", *REASONS, "xylophone", "ötztal"]
    assert {place.split(" in ")[1].partition(".")[0] for place in found(stack.environment, words)} == {
        *("BOOKING_COMMAND", "BOOKING_QUERY", "NOTIFIER", "bookings", "deliveries")
    }
    before = {booking: team.details(booking) for booking in (standing, gone, other)}
    counts = team.http.get(f"{stack.url}/v1/bookings/counts").json()
    mailed = len(smtp.letters())

    said = command(stack, "booking-command", "erase", email.upper(), "--yes", "--patience-s", "60")
    assert f"{email.lower()}: 2 bookings, of which 1 upcoming" in said
    assert f"{standing} stands: " in said
    assert "The topic was dropped" in said
    until(lambda: not found(stack.environment, words), PATIENCE_S, "being gone from everything")
    stack.wait_ready()

    def settled() -> bool:
        return ("email-skipped", "cancelled") in team.emails(gone)

    until(settled, PATIENCE_S, "the waiting letter being skipped")
    check_rest(team, before, standing, gone, other)
    assert team.http.get(f"{stack.url}/v1/bookings/counts").json() == counts
    assert "Erased customer" in team.http.get(f"{stack.url}/scheduling/bookings/{gone}").text
    assert "Erased customer" in requests.get(first["manage_url"], timeout=10).text
    assert command(stack, "booking-command", "erase", email, "--yes", code=1).startswith("Error: Nobody")

    shown = {booking: team.details(booking) for booking in before}
    for process in READERS:
        stack.hold(process)
    run(stack, "BOOKING_QUERY", EMPTY_READ_TABLES)
    run(stack, "NOTIFIER", EMPTY_INBOX)
    for process in READERS:
        stack.release(process)
    stack.wait_ready()
    assert {booking: team.details(booking) for booking in before} == shown
    assert len(smtp.letters()) == mailed
    assert found(stack.environment, words) == []
    command(stack, "booking-command", "verify")
    command(stack, "notifier", "verify")

    cancelled = team.http.post(f"{stack.url}/v1/bookings/{standing}/cancel", json={"reason": NAME})
    assert cancelled.status_code == 200
    until(lambda: len(smtp.letters()) > mailed, PATIENCE_S, "the host's notice")
    until(lambda: ("email-skipped", "cancelled") in team.emails(standing), PATIENCE_S, "the skipped notice")
    [notice] = smtp.letters()[mailed:]
    assert (notice.recipients, notice.subject.partition(":")[0]) == ((offered.host,), "Cancelled")
    assert found(stack.environment, words) == []


def check_rest(team: Team, before: dict[str, Any], standing: str, gone: str, other: str) -> None:
    """The other booking is as it was, the erased ones but for their customer."""
    assert team.details(other) == before[other]
    for booking in (standing, gone):
        after = team.details(booking)
        history = [line for line in after["history"] if line["type"] != "customer-erased"]
        assert len(history) < len(after["history"])
        assert after["customer"] == {"name": "", "email": "", "timezone": "Europe/Prague"}
        skipped = [line for line in history if line["type"] == "email-skipped"]
        told = [line for line in history if line not in skipped]
        assert lasting({**after, "history": told}) == lasting(before[booking])
        assert after["version"] == before[booking]["version"] + 1


def test_several_erasures_share_one_drop_of_the_topic(stack):
    team = Team.logged_in(stack)
    offered, people = team.offer(), [somebody() for _ in range(3)]
    for slot, email in enumerate(people):
        assert offered.book(offered.start(slot), email).status_code == 201
    settings = load(KafkaSettings, stack.environment)
    topic = settings.topic("bookings")
    with admin(settings) as topics:
        stack.hold("booking-command-relay")
        before = topic_ids(topics, [topic])
        said = command(stack, "booking-command", "erase", *people, "--yes", "--patience-s", "0", code=1)
        assert "the relay drops and refills them as soon as it is at work" in said
        assert topic_ids(topics, [topic]) == before
        stack.release("booking-command-relay")
        until(lambda: topic_ids(topics, [topic]) not in ({}, before), PATIENCE_S, "the new topic")
    until(lambda: not found(stack.environment, people), PATIENCE_S, "being gone from everything")
    stack.wait_ready()
