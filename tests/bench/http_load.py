"""Requests a second through gunicorn: our commands, beside a bare Flask endpoint that stores as much."""

from __future__ import annotations

import http.client
import json
import multiprocessing as mp
import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg
from bench import stores
from flask import Flask, request
from rebook_infra.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROUND_S = 4.0
CLIENT_PROCESSES = 2
WORKERS, THREADS = "2", "16"
Call = tuple[str, str, bytes]  # method, path, body
_FIRST_SLOT = datetime(2030, 1, 1, tzinfo=UTC)
_BARE_INSERT = (
    "INSERT INTO bare_events (originator_id, originator_version, topic, state)"
    " VALUES (gen_random_uuid(), 1, %s, %s)"
)


def bare_app() -> Flask:
    """What any Flask endpoint costs that stores what it was sent with one INSERT."""
    app, own = Flask("bare"), threading.local()

    @app.post("/")
    def store() -> dict[str, str]:
        if not hasattr(own, "connection"):
            own.connection = psycopg.connect(os.environ["BARE_DATABASE_URL"], autocommit=True)
        own.connection.execute(_BARE_INSERT, ("BookingConfirmed", request.get_data()), prepare=True)
        return {"status": "stored"}

    return app


@contextmanager
def served(app: str, environment: dict[str, str]) -> Iterator[int]:
    """gunicorn with an app on a free port, as `rebook.serving` starts it."""
    port = free_port()
    options = ["--worker-class=gthread", f"--workers={WORKERS}", f"--threads={THREADS}", "--keep-alive=75"]
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        f"--bind=127.0.0.1:{port}",
        "--log-level=error",
        *options,
        app,
    ]
    with subprocess.Popen(command, env=os.environ | environment, stdout=subprocess.DEVNULL) as process:
        try:
            _wait_for(port)
            yield port
        finally:
            process.terminate()


def rate(port: int, clients: int, headers: dict[str, str], make: Callable[[int, int], Call | None]) -> float:
    """Answers a second that `clients` get at once; `make(client, number)` gives the next call of a client."""
    context = mp.get_context("fork")
    processes = min(CLIENT_PROCESSES, clients)
    gate, counts = context.Barrier(clients), context.Queue()

    def process(index: int) -> None:
        mine = range(index, clients, processes)
        threads = [
            threading.Thread(target=_client, args=(port, client, headers, make, gate, counts))
            for client in mine
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    started = [context.Process(target=process, args=(index,)) for index in range(processes)]
    for one in started:
        one.start()
    total = sum(counts.get(timeout=120) for _ in range(clients))
    for one in started:
        one.join()
    return total / ROUND_S


def _client(port: int, client: int, headers: dict[str, str], make, gate, counts) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    gate.wait(timeout=30)
    count, end = 0, time.monotonic() + ROUND_S
    while time.monotonic() < end and (call := make(client, count)):
        method, path, body = call
        connection.request(method, path, body, headers | {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        assert answer.status < 300, (call, answer.status)
        count += 1
    counts.put(count)


def slot(number: int) -> str:
    """The start of a slot that no other number has."""
    return (_FIRST_SLOT + timedelta(minutes=number)).isoformat()


def booking(number: int) -> bytes:
    customer = {"name": "Bench", "email": "bench@example.org", "timezone": "UTC"}
    return json.dumps({"meeting_type": stores.SLUG, "starts_at": slot(number), "customer": customer}).encode()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            http.client.HTTPConnection("127.0.0.1", port, timeout=1).connect()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(f"nothing listens on port {port}")
