"""What the notifier's processes need to know; `create_app` and `main` load it, nothing else reads the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property

from rebook.calendar_entries import domain_of
from rebook.kafka import KafkaSettings
from rebook.serving import GunicornSettings, ListenSettings
from rebook.settings import address, keys, one_of, origin, port, setting, text, whole


def readable_file(value: str) -> str:
    """The path of a file that can be read, or nothing."""
    if value and not os.access(value, os.R_OK):
        raise ValueError("must be a file that can be read")
    return value


@dataclass(frozen=True)
class OwnerSettings:
    """What changes the database's tables needs their owner's rights."""

    owner_database_url: str = setting(
        "NOTIFIER_OWNER_DATABASE_URL", text, "The notifier's database, as the role that owns its tables"
    )


@dataclass(frozen=True)
class DatabaseSettings:
    database_url: str = setting(
        "NOTIFIER_DATABASE_URL", text, "The notifier's database, as the role it runs with"
    )


@dataclass(frozen=True)
class SenderSettings:
    """Who letters come from."""

    mail_from: str = setting("MAIL_FROM", address, "Who letters come from: `Rebook <bookings@example.org>`")

    @cached_property
    def mail_domain(self) -> str:
        """The domain in Message-IDs and in the UIDs of calendar entries."""
        return domain_of(self.mail_from)


@dataclass(frozen=True)
class LetterSettings(SenderSettings):
    """What every letter says about where it comes from."""

    public_url: str = setting(
        "PUBLIC_URL", origin, "The origin that people use; links in letters point there"
    )
    manage_link_keys: tuple[str, ...] = setting(
        "MANAGE_LINK_KEYS", keys, "Secrets that sign manage links, newest first; dropping one ends its links"
    )


@dataclass(frozen=True)
class ConsoleSettings(DatabaseSettings, SenderSettings):
    """What an operator's commands need."""


@dataclass(frozen=True)
class RebuildSettings(KafkaSettings, ConsoleSettings):
    """What it takes to read the topic into the tables anew."""


@dataclass(frozen=True)
class VerifySettings(KafkaSettings, DatabaseSettings):
    """What it takes to compare the tables with the topic."""


@dataclass(frozen=True)
class SmtpSettings:
    """The mail server that takes the letters."""

    smtp_host: str = setting("SMTP_HOST", text, "The mail server's name or address")
    smtp_port: int = setting("SMTP_PORT", port, "The mail server's port", "25")
    smtp_security: str = setting(
        "SMTP_SECURITY",
        one_of("none", "starttls", "tls"),
        "How the connection is protected: not at all, upgraded after the greeting, or from its first byte",
        "none",
    )
    smtp_ca_file: str = setting(
        "SMTP_CA_FILE",
        readable_file,
        "A PEM file of the authorities that may vouch for the mail server; empty for the system's",
        "",
    )
    smtp_user: str = setting("SMTP_USER", text, "The name to log in with; empty where no login is asked", "")
    smtp_password: str = setting("SMTP_PASSWORD", text, "The password that belongs to SMTP_USER", "")
    smtp_timeout_s: int = setting(
        "SMTP_TIMEOUT_S",
        whole(1, 600),
        "After how many seconds of silence a mail server counts as stuck",
        "30",
    )


@dataclass(frozen=True)
class OutboxSettings:
    """How many send, and how patient they are; waits double from the first to the longest, with jitter."""

    senders: int = setting(
        "NOTIFIER_SENDERS",
        whole(1, 32),
        "Connections to the mail server that each worker sends over at once",
        "2",
    )
    letter_max_age_hours: int = setting(
        "LETTER_MAX_AGE_HOURS",
        whole(1, 24 * 365),
        "A letter that fell due longer ago is skipped, so that no accident mails the past again",
        "72",
    )
    letter_tries: int = setting(
        "LETTER_TRIES", whole(1, 10_000), "After how many refused tries a letter counts as failed", "240"
    )
    letter_first_wait_ms: int = setting(
        "LETTER_FIRST_WAIT_MS", whole(10, 60_000), "The wait after a letter's first refused try", "1500"
    )
    letter_longest_wait_ms: int = setting(
        "LETTER_LONGEST_WAIT_MS",
        whole(10, 600_000),
        "The longest wait between two tries of a letter",
        "60000",
    )


@dataclass(frozen=True)
class WorkerSettings(
    KafkaSettings, ListenSettings, DatabaseSettings, LetterSettings, SmtpSettings, OutboxSettings
):
    """Everything `notifier worker` needs."""

    worker_port: int = setting(
        "NOTIFIER_WORKER_PORT", port, "Where the notifier's worker answers /healthz, /readyz and /metrics"
    )


@dataclass(frozen=True)
class WebProcessSettings(GunicornSettings, DatabaseSettings):
    """Everything `notifier web` needs."""

    web_port: int = setting("NOTIFIER_WEB_PORT", port, "Where the notifier's web process listens")
    public_url: str = setting(
        "PUBLIC_URL", origin, "The origin that people use; links in letters point there"
    )
    trusted_proxies: int = setting(
        "TRUSTED_PROXIES", whole(0, 10), "Proxies in front whose X-Forwarded headers are believed", "1"
    )
