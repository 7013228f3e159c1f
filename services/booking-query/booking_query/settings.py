"""booking-query's settings."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from rebook.calendar_entries import domain_of
from rebook.kafka import KafkaSettings
from rebook.serving import GunicornSettings, ListenSettings, WebSettings
from rebook.settings import address, optional, port, setting, text


@dataclass(frozen=True)
class DatabaseSettings:
    """Where the read tables are."""

    database_url: str = setting(
        "BOOKING_QUERY_DATABASE_URL", text, "The read tables' database, as the service's own role"
    )


@dataclass(frozen=True)
class OwnerSettings:
    """The role that may change the schema; used by `booking-query migrate`, `rebuild` and `verify` alone."""

    database_url: str = setting(
        "BOOKING_QUERY_OWNER_DATABASE_URL", text, "The read tables' database, as its owner"
    )


@dataclass(frozen=True)
class RebuildSettings(KafkaSettings, OwnerSettings):
    """What a second set of read tables is made by, beside the first."""


@dataclass(frozen=True)
class QuerySettings(WebSettings, DatabaseSettings):
    """What the web process answers by."""

    mail_from: str | None = setting(
        "MAIL_FROM",
        optional(address),
        "Who letters come from, as the notifier has it: its domain is in the UIDs of calendar entries",
        "",
    )

    @property
    def calendar_domain(self) -> str:
        """The domain in the UIDs of calendar entries; the site's own where no letters are known of."""
        return domain_of(self.mail_from or "") or str(urlsplit(self.public_url).hostname)


@dataclass(frozen=True)
class WebProcess(GunicornSettings, QuerySettings):
    """Everything that has to be right before the web process starts."""

    port: int = setting("BOOKING_QUERY_WEB_PORT", port, "Where booking-query's web process listens")


@dataclass(frozen=True)
class ProjectorSettings(KafkaSettings, ListenSettings, DatabaseSettings):
    """What the projector reads by."""

    port: int = setting(
        "BOOKING_QUERY_PROJECTOR_PORT", port, "Where the projector's health and metrics are read"
    )
