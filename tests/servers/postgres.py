"""The embedded PostgreSQL, and fresh databases in it."""

from __future__ import annotations

import secrets
from contextlib import closing
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

import psycopg2
from rebook.migrations import migrate
from rebook_infra import databases, postgres
from rebook_infra.databases import Database, Role

from servers.running import Server

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class FreshDatabase:
    """An empty database with the two roles that a service has."""

    name: str
    url: str  # the runtime role's
    owner_url: str

    def with_tables(self, *packages: str) -> FreshDatabase:
        """The same, with the tables of these packages in it."""
        with closing(psycopg2.connect(self.owner_url)) as owner:
            migrate(owner, [files(package) / "sql" for package in packages])
        return self


class PostgresServer:
    """A real server; `server` stops and starts it."""

    def __init__(self, home: Path) -> None:
        prepared = postgres.prepare(home / "postgres", secrets.token_hex(16))
        self.url = prepared.url
        self.server = Server(prepared.process(), home / "postgres.log", lambda: databases.reachable(self.url))
        self.log = home / "postgres.log"
        self.server.start()

    def database(self, name: str) -> FreshDatabase:
        """A database of that name with something random after it, so that every caller has one of its own."""
        unique = f"{name}_{secrets.token_hex(4)}"
        owner, runtime = Role(f"{unique}_owner", secrets.token_hex(16)), Role(unique, secrets.token_hex(16))
        databases.ensure(self.url, [Database(unique, owner, runtime)])
        return FreshDatabase(
            unique, databases.url(self.url, unique, runtime), databases.url(self.url, unique, owner)
        )
