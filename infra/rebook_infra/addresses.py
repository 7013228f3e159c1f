"""One environment for every process of a stack: each address and key, chosen by the person or by us."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rebook_infra import databases
from rebook_infra.databases import Database, Role
from rebook_infra.ports import claim, free_port
from rebook_infra.stack_settings import CHOSEN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rebook_infra.data_dir import DataDir
    from rebook_infra.stack_settings import StackSettings

PORTS = (
    "BOOKING_COMMAND_WEB_PORT",
    "BOOKING_COMMAND_RELAY_PORT",
    "BOOKING_QUERY_WEB_PORT",
    "BOOKING_QUERY_PROJECTOR_PORT",
    "NOTIFIER_WEB_PORT",
    "NOTIFIER_WORKER_PORT",
)
_BROKER_PORT, _MAIL_PAGE_PORT, _SMTP_PORT = "BROKER_PORT", "MAIL_PAGE_PORT", "SMTP_PORT"
_OURS_ALONE = frozenset({"TEAM_PASSWORD", "DATABASE_URL"})  # no process of a service needs them


@dataclass(frozen=True)
class Addresses:
    """What the processes are told, and the databases that it names."""

    environment: dict[str, str]
    databases: list[Database]
    chosen: dict[str, str]  # the part of `environment` that nobody gave

    @property
    def public_url(self) -> str:
        return self.environment["PUBLIC_URL"]

    def port(self, name: str) -> int:
        return int(self.environment[name])

    def exported(self) -> dict[str, str]:
        """What another terminal needs to know, with the list of what it must not take for a wish."""
        named = {*self.chosen, *_NAMED} & self.environment.keys()
        return {name: self.environment[name] for name in named} | {CHOSEN: " ".join(sorted(self.chosen))}


_NAMED = frozenset(
    {"KAFKA_BOOTSTRAP_SERVERS", "SMTP_HOST", "SMTP_USER", "SMTP_PASSWORD", "SMTP_SECURITY", "MAIL_FROM"}
    | {"TOPIC_PREFIX", "KAFKA_SESSION_TIMEOUT_MS", "PUBLIC_URL", "MANAGE_LINK_KEYS", "SESSION_KEYS", *PORTS}
    | {_SMTP_PORT, _MAIL_PAGE_PORT}
)


def choose(settings: StackSettings, given: Mapping[str, str], data: DataDir, server: str) -> Addresses:
    """Fill in everything that `given` (the environment) leaves open; `server` is PostgreSQL's administrator URL."""
    ours = [_database(data, service) for service in databases.SERVICES]
    for port in _named_ports(settings, given):
        claim(port)
    chosen = _keys(data) | _urls(server, ours) | {name: str(free_port()) for name in PORTS}
    if not settings.kafka:
        broker = str(settings.broker_port or free_port())
        chosen |= {_BROKER_PORT: broker, "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{broker}"}
    if not settings.smtp_host:
        chosen |= {name: str(free_port()) for name in (_SMTP_PORT, _MAIL_PAGE_PORT)}
        chosen |= {"SMTP_HOST": "127.0.0.1", "SMTP_SECURITY": "none"}
    chosen |= {
        "PUBLIC_URL": f"http://127.0.0.1:{settings.gateway_port}",
        "REBOOK_PORT": str(settings.gateway_port),
        "MAIL_FROM": "Rebook <bookings@example.org>",
        "PYTHONTZPATH": "",  # time zones come from the tzdata package, which is newer than most machines
    }
    wishes = {name: value for name, value in given.items() if value and name not in _OURS_ALONE}
    chosen = {name: value for name, value in chosen.items() if name not in wishes}
    return Addresses(chosen | wishes, ours, chosen)


def _named_ports(settings: StackSettings, given: Mapping[str, str]) -> list[int]:
    """The ports of this machine that somebody chose, which are nobody else's."""
    of_services = [int(given[name]) for name in PORTS if given.get(name, "").isdecimal()]
    of_servers = [settings.gateway_port, settings.broker_port, settings.smtp_port, settings.mail_page_port]
    return [*of_services, *filter(None, of_servers)]


def _database(data: DataDir, service: str) -> Database:
    owner = f"{service}_owner"
    return Database(service, Role(owner, data.secret(owner)), Role(service, data.secret(service)))


def _keys(data: DataDir) -> dict[str, str]:
    return {name: data.secret(name) for name in ("MANAGE_LINK_KEYS", "SESSION_KEYS")}


def _urls(server: str, ours: list[Database]) -> dict[str, str]:
    urls = {}
    for database in ours:
        service = database.name.upper()
        urls[f"{service}_DATABASE_URL"] = databases.url(server, database.name, database.runtime)
        urls[f"{service}_OWNER_DATABASE_URL"] = databases.url(server, database.name, database.owner)
    return urls
