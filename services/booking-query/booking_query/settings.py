"""booking-query's settings."""

from __future__ import annotations

from dataclasses import dataclass

from rebook.kafka import KafkaSettings
from rebook.serving import ListenSettings, WebSettings
from rebook.settings import port, setting, text


@dataclass(frozen=True)
class DatabaseSettings:
    """Where the read tables are."""

    database_url: str = setting(
        "BOOKING_QUERY_DATABASE_URL", text, "The read tables' database, as the service's own role"
    )


@dataclass(frozen=True)
class OwnerSettings:
    """The role that may change the schema; used by `booking-query migrate` alone."""

    database_url: str = setting(
        "BOOKING_QUERY_OWNER_DATABASE_URL", text, "The read tables' database, as its owner"
    )


@dataclass(frozen=True)
class QuerySettings(WebSettings, DatabaseSettings):
    """What the web process answers by."""


@dataclass(frozen=True)
class WebProcess(ListenSettings, QuerySettings):
    """Everything that has to be right before the web process starts."""

    port: int = setting("BOOKING_QUERY_WEB_PORT", port, "Where booking-query's web process listens")


@dataclass(frozen=True)
class ProjectorSettings(KafkaSettings, DatabaseSettings):
    """What the projector reads by."""

    listen_host: str = setting("LISTEN_HOST", text, "The address every process listens on", "127.0.0.1")
    port: int = setting(
        "BOOKING_QUERY_PROJECTOR_PORT", port, "Where the projector's health and metrics are read"
    )
