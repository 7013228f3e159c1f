"""Whether this process can serve, and how the whole service is doing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import psycopg2
from flask import Blueprint, current_app
from rebook.progress import status
from rebook.serving import ready

from booking_query.projector import NAME

if TYPE_CHECKING:
    from booking_query.database import Database

blueprint = Blueprint("health", __name__)


@blueprint.get("/readyz")
def readiness() -> tuple[dict[str, str], int]:
    try:
        _database().row("SELECT 1")
    except psycopg2.OperationalError:
        return ready(False)
    return ready(True)


@blueprint.get("/statusz")
def service_status() -> tuple[dict[str, Any], int]:
    """The whole service: 200 when the projector does its job and has caught up once since it started."""
    try:
        with _database().cursor() as cursor:
            is_well, facts = status(cursor, NAME)
    except (psycopg2.OperationalError, psycopg2.InterfaceError):
        return {"status": "not ready", "database": "unavailable"}, 503
    return {
        "status": "ready" if is_well else "not ready",
        "database": "available",
        **facts,
    }, 200 if is_well else 503


def _database() -> Database:
    return cast("Database", current_app.extensions["rebook_database"])
