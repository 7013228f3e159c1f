"""Rebook in a house of its own: databases, topics, workers that are started and stopped, consoles, a team of one."""

from __future__ import annotations

import os
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

import booking_command.app
import booking_command.cli
import booking_command.settings
import booking_query.app
import booking_query.cli
import booking_query.settings
import notifier.cli
import psycopg2
import requests
from click.testing import CliRunner
from rebook.settings import load
from rebook_infra.ports import free_port
from rebook_infra.processes import script
from rebook_infra.supervisor import Process

from servers.command_side import MEETING_TYPE, PASSWORD
from servers.running import Server
from servers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from flask import Flask
    from flask.testing import FlaskClient

    from servers.kafka import Kafka
    from servers.postgres import FreshDatabase
    from servers.smtp import SmtpServer

HANA = "hana@example.org"
PATIENCE_S = 30
_WORKERS = {
    "relay": ("booking-command", "relay", "BOOKING_COMMAND_RELAY_PORT"),
    "projector": ("booking-query", "project", "BOOKING_QUERY_PROJECTOR_PORT"),
    "worker": ("notifier", "worker", "NOTIFIER_WORKER_PORT"),
}
_TABLES = {
    "booking_command": ("booking_command",),
    "booking_query": ("rebook", "booking_query"),
    "notifier": ("rebook", "notifier"),
}
_CONSOLES = {
    "booking-command": booking_command.cli.main,
    "booking-query": booking_query.cli.main,
    "notifier": notifier.cli.main,
}


class House:
    """The three services with databases and topics that nobody else has; web processes answer right here."""

    def __init__(
        self,
        database: Callable[[str], FreshDatabase],
        kafka: Kafka,
        smtp: SmtpServer,
        home: Path,
        prefix: str,
    ) -> None:
        self.environment = {
            "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "TOPIC_PREFIX": prefix,
            "PUBLIC_URL": "http://book.example.org",
            "MANAGE_LINK_KEYS": "m" * 40,
            "SESSION_KEYS": "s" * 40,
            "MAIL_FROM": "Rebook <bookings@example.org>",
            "SMTP_HOST": smtp.host,
            "SMTP_PORT": str(smtp.port),
            "LETTER_FIRST_WAIT_MS": "100",
            "LETTER_LONGEST_WAIT_MS": "500",
            "REBOOK_RATE_LIMITS": "0",
        }
        self._database, self._home = database, home
        for service in _TABLES:
            self.give(service)
        self._servers: dict[str, Server] = {}

    def give(self, service: str, fresh: FreshDatabase | None = None) -> None:
        """A database of that service in place of the one before: a new one, unless one is named."""
        made = fresh or self._database(service).with_tables(*_TABLES[service])
        self.environment |= {
            f"{service.upper()}_DATABASE_URL": made.url,
            f"{service.upper()}_OWNER_DATABASE_URL": made.owner_url,
        }

    def start(self, *names: str) -> None:
        """Start these workers (`relay`, `projector`, `worker`), or all of them."""
        for name in names or _WORKERS:
            self._servers[name] = self._server(name)
            self._servers[name].begin()
        for name in names or _WORKERS:
            self._servers[name].wait_ready()

    def stop(self) -> None:
        for server in self._servers.values():
            server.stop()
        self._servers.clear()
        if "_commands" in vars(self):
            self._commands.extensions["rebook_store"].close()
        for cached in ("_commands", "_queries"):
            vars(self).pop(cached, None)

    def console(self, command: str, *words: str, code: int = 0) -> str:
        """What a command says, if it ends with that code."""
        result = CliRunner().invoke(_CONSOLES[command], words, env=self.environment)
        assert result.exit_code == code, result.output
        return result.output

    def rows(self, service: str, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        url = self.environment[f"{service.upper()}_DATABASE_URL"]
        with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall()

    def open(self, **definition: Any) -> None:
        """Have a team of one, Hana, and a meeting type to book, `intro`."""
        accounts = self._commands.extensions["rebook_accounts"]
        accounts.add(HANA, PASSWORD)
        _, token = accounts.issue_token(accounts.by_email(HANA), "tests")
        self.team = {"Authorization": f"Bearer {token}"}
        self.act("/v1/meeting-types/intro", MEETING_TYPE | definition, "PUT")

    def act(self, path: str, body: Mapping[str, Any], method: str = "POST") -> Any:
        """A command of the team's."""
        client = self._commands.test_client()
        answer = client.open(path, method=method, json=body, headers=self.team)
        assert answer.status_code < 300, answer.text
        return answer.json

    def book(self, days: int, email: str) -> str:
        customer = {"name": "Ada Example", "email": email, "timezone": "Europe/London"}
        body = {"meeting_type": "intro", "starts_at": start(days), "customer": customer}
        return str(self.act("/v1/bookings", body)["booking_id"])

    def move(self, booking: str, days: int) -> None:
        self.act(f"/v1/bookings/{booking}/reschedule", {"starts_at": start(days)})

    def cancel(self, booking: str) -> None:
        self.act(f"/v1/bookings/{booking}/cancel", {})

    @cached_property
    def _commands(self) -> Flask:
        return booking_command.app.create_app(
            load(booking_command.settings.CommandSettings, self.environment)
        )

    @cached_property
    def _queries(self) -> Flask:
        return booking_query.app.create_app(load(booking_query.settings.QuerySettings, self.environment))

    @property
    def pages(self) -> FlaskClient:
        client = self._queries.test_client()
        client.environ_base["HTTP_AUTHORIZATION"] = self.team["Authorization"]
        return client

    def shown(self, path: str) -> Any:
        """What the team is shown there, once booking-query knows of the team."""
        client = self.pages
        until(lambda: client.get("/v1/bookings").status_code == 200, PATIENCE_S, "the team's being known")
        return client.get(path).json

    def is_quiet(self) -> bool:
        """Whether everything that is stored is published and read, and every letter decided and told of."""
        [(stored,)] = self.rows("booking_command", "SELECT max(notification_id) FROM stored_events")
        [(published,)] = self.rows("booking_command", "SELECT coalesce(min(position), 0) FROM relay_cursors")
        [(known,)] = self.rows("notifier", "SELECT coalesce(sum(version), 0) FROM bookings")
        wanted = (
            "SELECT count(*) FROM stored_events WHERE topic LIKE 'Booking%%' OR topic LIKE 'Confirmation%%'"
        )
        waits = "SELECT count(*) FROM deliveries WHERE state = 'pending'"
        untold = "SELECT count(*) FROM delivery_events WHERE NOT is_reported"
        left = [self.rows("notifier", statement) for statement in (waits, untold)]
        return (
            stored == published
            and self.rows("booking_command", wanted) == [(known,)]
            and left == [[(0,)]] * 2
        )

    def _server(self, name: str) -> Server:
        command, word, port_of = _WORKERS[name]
        port = free_port()
        environment = {**os.environ, **self.environment, port_of: str(port)}
        process = Process(name, script(command, word), environment, stop_within_s=6)
        return Server(process, self._home / f"{name}.log", lambda: _answers(port))


def _answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/readyz", timeout=1).ok
    except requests.RequestException:
        return False


def start(days: int) -> str:
    """Nine o'clock, so many days from now."""
    day = datetime.now(UTC).date() + timedelta(days=days)
    return f"{day.isoformat()}T09:00:00Z"
