"""The local stack's process table: every process, what it runs, and what it waits for."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

from rebook_infra import broker
from rebook_infra.supervisor import Process

if TYPE_CHECKING:
    from rebook_infra.addresses import Addresses

SERVICES = {
    "booking-command-web": ("booking-command", "web"),
    "booking-command-relay": ("booking-command", "relay"),
    "booking-query-web": ("booking-query", "web"),
    "booking-query-projector": ("booking-query", "project"),
    "notifier-web": ("notifier", "web"),
    "notifier-worker": ("notifier", "worker"),
}
MIGRATIONS = {
    f"{command}-migrate": (command, "migrate") for command in ("booking-command", "booking-query", "notifier")
}

# What is told apart here stops in this order, so that nobody loses what it works with.
STOP_ORDER = (("gateway",), tuple(SERVICES), ("mail", "broker"), ("postgres",))

_GATEWAY_STOPS_WITHIN_S = 1.0
_SERVICES_STOP_WITHIN_S = 4.5


def servers(addresses: Addresses, home: Path) -> list[Process]:
    """The embedded broker and the mail catcher, as far as nobody named others."""
    found = []
    if "KAFKA_BOOTSTRAP_SERVERS" in addresses.chosen:
        found.append(broker.process(addresses.port("BROKER_PORT")))
    if "SMTP_HOST" in addresses.chosen:
        environment = _base(addresses, home) | {"MAIL_DIR": str(home / "mail")}
        found.append(Process("mail", _module("mail"), environment, stop_within_s=1.0))
    return found


def services(addresses: Addresses, home: Path, listen_host: str, needs: tuple[str, ...]) -> list[Process]:
    """The gateway and every process of the services; the latter wait for the servers in `needs`."""
    environment = _base(addresses, home) | {"LISTEN_HOST": "127.0.0.1"}  # only the gateway is for others
    kept = [
        Process(name, script(*command), environment, needs, stop_within_s=_SERVICES_STOP_WITHIN_S)
        for name, command in SERVICES.items()
    ]
    at = environment | {"LISTEN_HOST": listen_host}
    return [*kept, Process("gateway", _module("gateway_server"), at, stop_within_s=_GATEWAY_STOPS_WITHIN_S)]


def migrations(addresses: Addresses, home: Path) -> list[Process]:
    return [Process(name, script(*command), _base(addresses, home)) for name, command in MIGRATIONS.items()]


def team_member(addresses: Addresses, home: Path, email: str, password: str) -> Process:
    """Adds the first team member; the password goes by the environment, because command lines can be seen."""
    environment = _base(addresses, home) | {"TEAM_PASSWORD": password}
    return Process("team-add", script("booking-command", "team", "add", "--if-missing", email), environment)


def _base(addresses: Addresses, home: Path) -> dict[str, str]:
    temporary = {"TMPDIR": str(home / "tmp"), "PYTHONUNBUFFERED": "1"}
    return addresses.environment | temporary


def script(name: str, *arguments: str) -> tuple[str, ...]:
    return (str(Path(sysconfig.get_path("scripts")) / name), *arguments)


def _module(name: str) -> tuple[str, ...]:
    return (sys.executable, "-m", f"rebook_infra.{name}")
