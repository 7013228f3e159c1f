"""The web process: how the notifier is doing, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rebook import logs, web
from rebook.settings import load

from notifier import health
from notifier.settings import WebProcessSettings

if TYPE_CHECKING:
    from flask import Flask


def create_app(settings: WebProcessSettings | None = None) -> Flask:
    """The notifier's WSGI application; without `settings` it reads the environment."""
    settings = settings or load(WebProcessSettings)
    logs.configure("notifier")
    app = web.new_app("notifier", settings.public_url, settings.trusted_proxies, static_folder=None)
    app.extensions["rebook_database_url"] = settings.database_url
    app.register_blueprint(health.blueprint)
    return app
