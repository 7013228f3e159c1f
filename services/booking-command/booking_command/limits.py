"""Rate limits by client address; what is a limit, and where it is counted, are settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import current_app
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

if TYPE_CHECKING:
    from flask import Flask

    from booking_command.settings import CommandSettings

limiter = Limiter(get_remote_address, headers_enabled=False)
limited_bookings = limiter.shared_limit(lambda: current_app.config["RATE_LIMIT_BOOKINGS"], scope="bookings")
limited_login = limiter.shared_limit(lambda: current_app.config["RATE_LIMIT_LOGIN"], scope="login")


def limit(app: Flask, settings: CommandSettings) -> None:
    """Put the limits in force."""
    app.config["RATELIMIT_ENABLED"] = settings.rate_limits
    app.config["RATELIMIT_STORAGE_URI"] = settings.rate_limit_storage
    app.config["RATE_LIMIT_BOOKINGS"] = settings.rate_limit_bookings
    app.config["RATE_LIMIT_LOGIN"] = settings.rate_limit_login
    limiter.init_app(app)
