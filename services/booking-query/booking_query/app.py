"""The web process, put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from rebook import logs, web
from rebook.drafts import Drafts
from rebook.manage_links import ManageLinks
from rebook.moments import use_bundled_zones
from rebook.openapi import publish
from rebook.postgres import TROUBLE
from rebook.problems import Refused
from rebook.sessions import Sessions
from rebook.settings import load

from booking_query import api, headers, health, pages
from booking_query.answers import Json
from booking_query.credentials import Links, Team
from booking_query.database import Database
from booking_query.queries import Queries
from booking_query.settings import QuerySettings
from booking_query.waiting import Waiting

if TYPE_CHECKING:
    import psycopg2
    from flask import Flask
    from flask.typing import ResponseReturnValue

log = structlog.get_logger()


def create_app(settings: QuerySettings | None = None) -> Flask:
    """booking-query's WSGI application; without `settings` it reads the environment."""
    settings = settings or load(QuerySettings)
    use_bundled_zones()
    logs.configure("booking-query")
    app = web.new_app(
        "booking_query", settings.public_url, settings.trusted_proxies, headers.wanted, static_folder=None
    )
    app.json = Json(app)
    _put_together(app, settings)
    for error in TROUBLE:
        app.register_error_handler(error, _answer_lost_database)
    publish(app, "Rebook queries", [api.blueprint])
    for plain in (pages.blueprint, health.blueprint):
        app.register_blueprint(plain)
    return app


def _put_together(app: Flask, settings: QuerySettings) -> None:
    app.config["CALENDAR_DOMAIN"] = settings.calendar_domain
    database = Database(settings.database_url)
    sessions = Sessions(settings.session_keys, settings.session_hours, secure=settings.secure)
    links = ManageLinks(settings.manage_link_keys, settings.public_url)
    team = Team(database, sessions)
    app.after_request(team.refresh)
    app.extensions["rebook_database"] = database
    app.extensions["rebook_queries"] = Queries(database, Waiting(max(1, settings.web_threads // 2)))
    app.extensions["rebook_sessions"] = sessions
    app.extensions["rebook_team"] = team
    app.extensions["rebook_drafts"] = Drafts(settings.session_keys, secure=settings.secure)
    app.extensions["rebook_links"] = links
    app.extensions["rebook_opener"] = Links(links, settings)


def _answer_lost_database(error: psycopg2.Error) -> ResponseReturnValue:
    log.error("read tables unavailable", reason=type(error).__name__)
    return web.refuse(Refused(code="unavailable", headers={"Retry-After": "1"}))
