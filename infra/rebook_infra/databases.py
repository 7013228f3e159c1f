"""Gives each service a database of its own: one role owns the tables, another one uses them.

    DATABASE_URL=<an administrator's> BOOKING_COMMAND_DATABASE_URL=... python -m rebook_infra.databases

makes what the six `<SERVICE>[_OWNER]_DATABASE_URL` variables name: roles with those passwords, databases
with those names. Doing it again changes nothing but the passwords.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import encrypt_password, make_dsn, parse_dsn

if TYPE_CHECKING:
    from collections.abc import Mapping

SERVICES = ("booking_command", "booking_query", "notifier")

_RUNTIME_RIGHTS = (
    "GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES",
    "GRANT USAGE, SELECT ON SEQUENCES",
    "GRANT EXECUTE ON FUNCTIONS",
    "GRANT USAGE ON SCHEMAS",
)


class BadDatabaseUrl(Exception):  # noqa: N818 - reads as a sentence where it is caught
    """A database URL is missing, or does not say who connects to what with which password."""


@dataclass(frozen=True)
class Role:
    """Somebody who may log in."""

    name: str
    password: str


@dataclass(frozen=True)
class Database:
    """A database with the role that owns it (migrations) and the role that works in it (processes)."""

    name: str
    owner: Role
    runtime: Role


def url(server: str, database: str, role: Role) -> str:
    """The libpq URL of one database on the server that `server` (a URL or DSN) names."""
    rest = {
        name: value for name, value in parse_dsn(server).items() if name not in {"user", "password", "dbname"}
    }
    # As parameters, because a Unix socket's directory cannot stand where a host name does.
    login = f"{quote(role.name, safe='')}:{quote(role.password, safe='')}"
    return f"postgresql://{login}@/{quote(database, safe='')}?{urlencode(rest, safe='/:,', quote_via=quote)}"


def ensure(server: str, databases: list[Database]) -> None:
    """Make roles, databases and rights, where they are not there yet."""
    with closing(_connect(server)) as connection, connection.cursor() as cursor:
        for database in databases:
            for role in (database.owner, database.runtime):
                _ensure_role(cursor, role)
            _ensure_database(cursor, database)
    for database in databases:
        with closing(_connect(server, dbname=database.name)) as connection, connection.cursor() as cursor:
            _grant(cursor, database)


def obstacle(server: str) -> str:
    """Why the server takes no connection from us, in its own words; empty when it does."""
    try:
        _connect(server, connect_timeout="2").close()
    except psycopg2.Error as error:
        return str(error).strip().partition("\n")[0] or "no reason given"
    return ""


def reachable(server: str) -> bool:
    return not obstacle(server)


def _connect(server: str, **changes: str) -> Any:
    connection = psycopg2.connect(make_dsn(server, **changes))
    connection.autocommit = True  # CREATE DATABASE refuses to be part of a transaction
    return connection


def _ensure_role(cursor: Any, role: Role) -> None:
    name = sql.Identifier(role.name)
    cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role.name,))
    if not cursor.fetchone():
        cursor.execute(sql.SQL("CREATE ROLE {} LOGIN").format(name))
    # Hashed here, so that the password is in no statement and in no log of the server.
    hashed = encrypt_password(role.password, role.name, cursor.connection, "scram-sha-256")
    cursor.execute(sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(name, sql.Literal(hashed)))


def _ensure_database(cursor: Any, database: Database) -> None:
    name, owner = sql.Identifier(database.name), sql.Identifier(database.owner.name)
    cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database.name,))
    if not cursor.fetchone():
        _be_able_to_act_as(cursor, owner)
        create = "CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING 'UTF8'"
        cursor.execute(sql.SQL(create).format(name, owner))


def _be_able_to_act_as(cursor: Any, role: sql.Identifier) -> None:
    """Only a superuser may act for any role; the administrator of a hosted server has to be a member."""
    cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    if not cursor.fetchone()[0]:
        cursor.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(role))


def _grant(cursor: Any, database: Database) -> None:
    name, runtime = sql.Identifier(database.name), sql.Identifier(database.runtime.name)
    owner = sql.Identifier(database.owner.name)
    cursor.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
    cursor.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(name, runtime))
    for right in _RUNTIME_RIGHTS:
        grant = f"ALTER DEFAULT PRIVILEGES FOR ROLE {{}} {right} TO {{}}"
        cursor.execute(sql.SQL(grant).format(owner, runtime))


def from_environment(environ: Mapping[str, str]) -> list[Database]:
    """The databases that the services' URLs name.

    Raises:
        BadDatabaseUrl: one is missing or incomplete.
    """
    return [_database(environ, service.upper()) for service in SERVICES]


def _database(environ: Mapping[str, str], service: str) -> Database:
    owner = _parsed(environ, f"{service}_OWNER_DATABASE_URL")
    runtime = _parsed(environ, f"{service}_DATABASE_URL")
    if owner["dbname"] != runtime["dbname"]:
        raise BadDatabaseUrl(
            f"{service}_OWNER_DATABASE_URL and {service}_DATABASE_URL name different databases"
        )
    return Database(
        owner["dbname"], Role(owner["user"], owner["password"]), Role(runtime["user"], runtime["password"])
    )


def _parsed(environ: Mapping[str, str], name: str) -> dict[str, str]:
    try:
        parts: dict[str, str] = parse_dsn(environ.get(name, ""))
    except psycopg2.ProgrammingError:
        raise BadDatabaseUrl(f"{name} is not a database URL") from None
    if not {"dbname", "user", "password"} <= parts.keys():
        raise BadDatabaseUrl(f"{name} must be postgresql://role:password@host/database")
    return parts


def main(environ: Mapping[str, str] = os.environ, within_s: float = 60.0) -> int:
    """Wait for the server and make the databases; 2 and a sentence on standard error where that fails."""
    deadline = time.monotonic() + within_s
    server = environ.get("DATABASE_URL", "")
    try:
        if not server:
            raise BadDatabaseUrl("DATABASE_URL is not set: it is the server's administrator")  # noqa: TRY301
        wanted = from_environment(environ)
        while obstacle(server) and time.monotonic() < deadline:
            time.sleep(0.2)
        ensure(server, wanted)
    except (BadDatabaseUrl, psycopg2.Error) as error:
        sys.stderr.write(f"databases: {str(error).strip()}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
