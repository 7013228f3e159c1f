"""A command whose answer was lost to a crash: a repeat with its Idempotency-Key gets that answer."""

from __future__ import annotations

import json
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psycopg
import pytest
import requests
from booking_command.meeting_type import MeetingType
from booking_command.store import EventStore
from rebook.meeting_types import MeetingType as Terms
from rebook_infra.ports import free_port
from rebook_infra.processes import script
from rebook_infra.supervisor import Process
from servers.command_side import ADA, MEETING_TYPE
from servers.running import Server
from servers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE_S = 20
KEY = "lost-to-a-crash"
BOOKING = {"meeting_type": "intro", "starts_at": "2030-11-05T09:00:00Z", "customer": ADA}


@pytest.fixture
def store_url(event_store) -> str:
    fresh = event_store()
    store = EventStore(fresh.url, connections=1)
    store.append(MeetingType.define("intro", Terms.from_json(MEETING_TYPE), actor="hana@example.org"))
    store.close()
    return fresh.url


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def web(store_url: str, port: int, tmp_path: Path) -> Iterator[Server]:
    """`booking-command web` as it runs in production."""
    environment = {
        "PATH": os.environ["PATH"],
        "TMPDIR": str(tmp_path),
        "BOOKING_COMMAND_DATABASE_URL": store_url,
        "BOOKING_COMMAND_WEB_PORT": str(port),
        "PUBLIC_URL": "http://book.example.org",
        "MANAGE_LINK_KEYS": "m" * 32,
        "SESSION_KEYS": "s" * 32,
        "REBOOK_RATE_LIMITS": "0",
    }
    command = script("booking-command", "web")
    server = Server(Process("web", command, environment), tmp_path / "web.log", lambda: is_ready(port))
    try:
        server.start()
        yield server
    finally:
        server.stop()


def is_ready(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/readyz", timeout=5).status_code == 200
    except requests.RequestException:
        return False


def send_and_look_away(port: int) -> socket.socket:
    """Send the booking without ever reading its answer."""
    body = json.dumps(BOOKING).encode()
    head = f"POST /v1/bookings HTTP/1.1\r\nHost: book\r\nIdempotency-Key: {KEY}\r\nContent-Type: application/json\r\n"
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    return connection


def booked(store_url: str) -> list[str]:
    with psycopg.connect(store_url) as connection:
        rows = connection.execute("SELECT originator_id FROM stored_events WHERE topic = 'BookingConfirmed'")
        return [str(booking_id) for (booking_id,) in rows]


def test_ten_repeats_after_a_crash_get_the_answer_that_was_lost(web: Server, store_url: str, port: int):
    with send_and_look_away(port):
        [lost] = until(lambda: booked(store_url), PATIENCE_S, "the booking being stored")
        web.kill()
    web.start()

    def repeat(_: int) -> requests.Response:
        url, key = f"http://127.0.0.1:{port}/v1/bookings", {"Idempotency-Key": KEY}
        return requests.post(url, json=BOOKING, headers=key, timeout=10)

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(repeat, range(10)))
    assert {(answer.status_code, answer.content) for answer in answers} == {(201, answers[0].content)}
    assert answers[0].json()["booking_id"] == lost
    assert booked(store_url) == [lost]
