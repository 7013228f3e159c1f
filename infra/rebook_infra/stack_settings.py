"""What the person who starts the local stack may choose, all of it by environment variables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from psycopg2 import ProgrammingError
from psycopg2.extensions import parse_dsn
from rebook.settings import address, flag, optional, origin, port, setting, text

if TYPE_CHECKING:
    from collections.abc import Mapping

CHOSEN = "REBOOK_CHOSEN"  # in an env file: the variables that the stack chose by itself


def folder(value: str) -> Path:
    return Path(value).expanduser().resolve()


def database_url(value: str) -> str:
    try:
        parse_dsn(value)
    except ProgrammingError:
        raise ValueError("must be postgresql://administrator:password@host/database") from None
    return value


@dataclass(frozen=True)
class StackSettings:
    """Everything that can be chosen has a default, so that `make run` alone is enough."""

    gateway_port: int = setting("REBOOK_PORT", port, "The gateway's port, where the site is", "8000")
    listen_host: str = setting("LISTEN_HOST", text, "The address the gateway listens on", "127.0.0.1")
    data_dir: Path = setting(  # noqa: RUF009 - makes a field
        "REBOOK_DATA_DIR", folder, "Where the local stack keeps its data", ".local"
    )
    team_email: str = setting("TEAM_EMAIL", address, "The first team member", "team@example.org")
    team_password: str | None = setting(
        "TEAM_PASSWORD", optional(text), "The first team member's password; generated where absent", ""
    )
    public_url: str | None = setting(
        "PUBLIC_URL", optional(origin), "The origin where links point; the gateway's own where absent", ""
    )
    demo: bool = setting("REBOOK_DEMO", flag, "Whether to begin with two meeting types to try", "1")
    database_url: str | None = setting(
        "DATABASE_URL",
        optional(database_url),
        "A PostgreSQL server to use, as an administrator; else one is started",
        "",
    )
    kafka: str | None = setting(
        "KAFKA_BOOTSTRAP_SERVERS", optional(text), "A Kafka to use; else a small broker is started", ""
    )
    broker_port: int | None = setting(
        "BROKER_PORT", optional(port), "The port of the small broker; a free one where absent", ""
    )
    smtp_host: str | None = setting(
        "SMTP_HOST", optional(text), "A mail server to use; else a mail catcher is started", ""
    )
    smtp_port: int | None = setting(
        "SMTP_PORT",
        optional(port),
        "The mail server's port; a free one where absent, but SMTP_HOST needs it",
        "",
    )
    mail_page_port: int | None = setting(
        "MAIL_PAGE_PORT", optional(port), "Where the mail catcher shows letters; a free port where absent", ""
    )


def without_chosen(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without what an earlier stack chose.

    A shell that has read `.local/env` holds the addresses of servers that are gone; started from there,
    the stack must not take them for servers that somebody wants it to use.
    """
    chosen = {CHOSEN, *environ.get(CHOSEN, "").split()}
    return {name: value for name, value in environ.items() if name not in chosen}
