"""The web process, put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from eventsourcing.persistence import InterfaceError, OperationalError
from flask_limiter.errors import RateLimitExceeded
from rebook import logs, web
from rebook.drafts import Drafts
from rebook.manage_links import ManageLinks
from rebook.moments import use_bundled_zones
from rebook.openapi import publish
from rebook.problems import Refused
from rebook.sessions import Sessions
from rebook.settings import load

from booking_command import api, forms, health, team_api, team_forms
from booking_command.access import Access
from booking_command.accounts import Accounts
from booking_command.application import Bookings
from booking_command.limits import limit, limiter
from booking_command.offers import Offers
from booking_command.settings import CommandSettings
from booking_command.store import EventStore
from booking_command.streams import correlation_id

if TYPE_CHECKING:
    from flask import Flask
    from flask.typing import ResponseReturnValue

log = structlog.get_logger()


def create_app(settings: CommandSettings | None = None) -> Flask:
    """booking-command's WSGI application; without `settings` it reads the environment."""
    settings = settings or load(CommandSettings)
    use_bundled_zones()
    logs.configure("booking-command")
    app = web.new_app("booking_command", settings.public_url, settings.trusted_proxies, static_folder=None)
    _put_together(app, settings)
    web.when_refused(app, forms.refused)
    app.before_request(_correlate)
    for lost in (OperationalError, InterfaceError):
        app.register_error_handler(lost, _answer_lost_store)
    app.register_error_handler(RateLimitExceeded, _answer_too_many)
    publish(app, "Rebook commands", (api.blueprint, team_api.blueprint))
    for plain in (forms.blueprint, team_forms.blueprint, health.blueprint):
        app.register_blueprint(plain)
    return app


def _put_together(app: Flask, settings: CommandSettings) -> None:
    store = EventStore(settings.database_url, settings.web_threads)
    accounts = Accounts(store)
    sessions = Sessions(settings.session_keys, settings.session_hours, secure=settings.secure)
    links = ManageLinks(settings.manage_link_keys, settings.public_url)
    app.extensions["rebook_store"] = store
    app.extensions["rebook_bookings"] = Bookings(store)
    app.extensions["rebook_offers"] = Offers(store)
    app.extensions["rebook_accounts"] = accounts
    app.extensions["rebook_drafts"] = Drafts(settings.session_keys, secure=settings.secure)
    limit(app, settings)
    access = Access(accounts, sessions, links, limiter, settings)
    app.after_request(access.refresh)
    app.extensions["rebook_access"] = access


def _correlate() -> None:
    correlation_id.set(web.correlation_id())


def _answer_lost_store(error: OperationalError | InterfaceError) -> ResponseReturnValue:
    log.error("event store unavailable", reason=type(error.__cause__ or error).__name__)
    return web.refuse(Refused(code="unavailable", headers={"Retry-After": "1"}))


def _answer_too_many(error: RateLimitExceeded) -> ResponseReturnValue:
    wait_s = error.limit.limit.get_expiry() if error.limit else 60
    return web.refuse(Refused(code="too-many-requests", headers={"Retry-After": str(wait_s)}))
