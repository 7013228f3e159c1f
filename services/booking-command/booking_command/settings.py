"""booking-command's settings."""

from __future__ import annotations

from dataclasses import dataclass

from rebook.kafka import KafkaSettings
from rebook.serving import GunicornSettings, ListenSettings, WebSettings
from rebook.settings import port, rate, setting, text, whole


@dataclass(frozen=True)
class StoreSettings:
    """Where the event store is."""

    database_url: str = setting(
        "BOOKING_COMMAND_DATABASE_URL", text, "The event store's database, as the service's own role"
    )


@dataclass(frozen=True)
class OwnerSettings:
    """The role that may change the schema; used by `migrate`, `import` and `erase` alone."""

    database_url: str = setting(
        "BOOKING_COMMAND_OWNER_DATABASE_URL", text, "The event store's database, as its owner"
    )


@dataclass(frozen=True)
class CommandSettings(WebSettings, StoreSettings):
    """What the web process decides by."""

    rate_limit_bookings: str = setting(
        "RATE_LIMIT_BOOKINGS", rate, "Bookings by one client address", "30/minute"
    )
    rate_limit_bookings_per_customer: str = setting(
        "RATE_LIMIT_BOOKINGS_PER_CUSTOMER", rate, "Bookings for one customer's address", "10/day"
    )
    rate_limit_login: str = setting("RATE_LIMIT_LOGIN", rate, "Logins from one client address", "10/minute")


@dataclass(frozen=True)
class WebProcess(GunicornSettings, CommandSettings):
    """Everything that has to be right before the web process starts."""

    port: int = setting("BOOKING_COMMAND_WEB_PORT", port, "Where booking-command's web process listens")


@dataclass(frozen=True)
class RepublishSettings(KafkaSettings, StoreSettings):
    """What `booking-command republish` reads and where it publishes."""


@dataclass(frozen=True)
class RelaySettings(KafkaSettings, ListenSettings, StoreSettings):
    """What the relay publishes by."""

    port: int = setting("BOOKING_COMMAND_RELAY_PORT", port, "Where the relay's health and metrics are read")
    batch: int = setting("RELAY_BATCH", whole(1, 10_000), "Events that are published at a time", "1000")
    poll_ms: int = setting(
        "RELAY_POLL_MS",
        whole(1, 10_000),
        "How often an idle relay looks for new events, in milliseconds",
        "10",
    )
    lease_s: int = setting(
        "RELAY_LEASE_S", whole(1, 600), "After how many seconds of silence a standby takes over", "5"
    )
