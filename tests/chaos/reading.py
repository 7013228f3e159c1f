"""Reads everything there is: by SQL where the truth is, by the topics, by the queries, and the mails."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
import requests
from booking_command.contract import Contract
from booking_command.reader import Stored
from rebook.topic_reader import read_to_end
from rebook.topics import BOOKINGS, DELIVERIES, MEETING_TYPES, TEAM

from chaos.seen import Hold, Mail, Seen
from chaos.settling import settle

if TYPE_CHECKING:
    from rebook.cloudevents import Event

    from chaos.site import Site

_STORED = """
SELECT notification_id, originator_id, originator_version, topic, state FROM stored_events ORDER BY notification_id
"""
_HOLDS = "SELECT booking_id::text, host, lower(during), upper(during) FROM slot_holds"
_KEYS = "SELECT key, booking_id::text, version FROM idempotency_keys"
_READERS, _READS = 8, 4


def read_at_rest(site: Site, team: dict[str, str], began_s: float, within_s: float) -> Seen:
    """Everything at one moment of rest; `began_s` is when the run began, by the monotonic clock.

    Reminders fall due whenever they do: what was read while one went out is read again.

    Raises:
        AssertionError: there is no rest within that time, or never for long enough to read everything.
    """
    for _ in range(_READS):
        settle(site, within_s)
        before = len(site.mail.letters())
        seen = _read(site, team, began_s)
        settle(site, within_s)
        if len(site.mail.letters()) == before:
            return seen
    raise AssertionError(f"letters went out during each of {_READS} readings")


def _read(site: Site, team: dict[str, str], began_s: float) -> Seen:
    with psycopg.connect(site.environment["BOOKING_COMMAND_DATABASE_URL"]) as connection:
        contract = Contract.of_store(connection)
        store = [contract.event(Stored(*row))[2] for row in connection.execute(_STORED)]
        holds = [Hold(*row) for row in connection.execute(_HOLDS)]
        keys = {key: (booking_id, version) for key, booking_id, version in connection.execute(_KEYS)}
    return Seen(
        store=store,
        holds=holds,
        keys=keys,
        topics={name: _records(site, name) for name in (BOOKINGS, MEETING_TYPES, TEAM, DELIVERIES)},
        bookings=_bookings(site.url, team),
        counts=_get(site.url, "/v1/bookings/counts", team),
        mails=_mails(site, began_s),
        unanswered=list(site.mail.unanswered),
        status={service: site.status(service) for service in ("command", "query", "notifier")},
        read_at=datetime.now(UTC),
    )


def _records(site: Site, name: str) -> list[Event]:
    return list(read_to_end(site.kafka_settings, name))


def _bookings(url: str, team: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Every booking in the list, each with its details."""
    found: list[str] = []
    asked: dict[str, str] = {"limit": "100"}
    while True:
        page = _get(url, "/v1/bookings", team, **asked)
        found += [item["booking_id"] for item in page["items"]]
        if not page["next_cursor"]:
            break
        asked["cursor"] = page["next_cursor"]
    with ThreadPoolExecutor(_READERS) as readers:
        details = readers.map(lambda booking_id: _get(url, f"/v1/bookings/{booking_id}", team), found)
        return dict(zip(found, details, strict=True))


def _get(url: str, path: str, team: dict[str, str], **asked: str) -> Any:
    answer = requests.get(url + path, params=asked, headers=team, timeout=15)
    answer.raise_for_status()
    return answer.json()


def _mails(site: Site, began_s: float) -> list[Mail]:
    return [
        Mail(str(letter.message["Message-ID"]), recipient, letter.subject, letter.arrived_s - began_s)
        for letter in site.mail.letters()
        for recipient in letter.recipients
    ]
