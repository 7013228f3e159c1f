"""What templates can use, and the static files, whose address changes with their content."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Blueprint, render_template, send_from_directory, url_for
from markupsafe import Markup, escape
from rebook.moments import format_moment, zone_names
from rebook.times import WEEKDAYS

from booking_query.forms import fresh_key
from booking_query.presentation import STATUSES

if TYPE_CHECKING:
    from flask import Flask, Response

_STATIC = Path(__file__).parent / "static"
_YEAR_S = 365 * 24 * 3600
_WEB_ADDRESS = re.compile(r"https?://[^\s<>\"]+", re.IGNORECASE)
_CODE = re.compile(r"`([^`]+)`")
_HISTORY_MARKS = {
    "confirmed": "check",
    "rescheduled": "move",
    "cancelled": "cross",
    "resend-requested": "mail",
    "email-sent": "mail",
    "email-failed": "alert",
    "email-skipped": "mail",
}

blueprint = Blueprint("drawing", __name__)


def equip(app: Flask) -> None:
    """Give the app's templates their words and helpers."""
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters |= {"web_link": web_link, "code_marks": code_marks, "iso": format_moment}
    app.jinja_env.globals |= {
        "static": static_url,
        "fresh_key": fresh_key,
        "weekday_names": WEEKDAYS,
        "statuses": STATUSES,
        "history_marks": _HISTORY_MARKS,
    }


def draw(template: str, **facts: Any) -> str:
    """The page as HTML; every page can offer every time zone."""
    return render_template(template, zones=zones(), **facts)


def static_url(name: str) -> str:
    return url_for("pages.drawing.static_file", content=content_hash(), name=name)


@blueprint.get("/static/<content>/<name>")
def static_file(content: str, name: str) -> Response:
    """A static file, kept for a year under the hash of all of them: scripts load one another by relative address."""
    is_current = content == content_hash()
    answer = send_from_directory(_STATIC, name, max_age=_YEAR_S if is_current else 0)
    if is_current:
        answer.cache_control.public = True
        answer.cache_control.immutable = True
    return answer


@cache
def content_hash() -> str:
    found = hashlib.sha256()
    for path in sorted(_STATIC.iterdir()):
        found.update(path.name.encode() + b"\0" + path.read_bytes())
    return found.hexdigest()[:16]


@cache
def zones() -> list[str]:
    """The zones to choose from: one name for each (tzdata's zone.tab); old spellings work in addresses only."""
    table = (files("tzdata") / "zoneinfo" / "zone.tab").read_text(encoding="utf-8")
    named = {line.split("\t")[2] for line in table.splitlines() if line and not line.startswith("#")}
    return [*sorted(named & zone_names()), "UTC"]


def web_link(text: str) -> Markup:
    """Text with a link where the whole of it is a web address; other text as it is."""
    if not _WEB_ADDRESS.fullmatch(text):
        return escape(text)
    return Markup('<a href="{}" rel="noreferrer noopener">{}</a>').format(text, text)


def code_marks(text: str) -> Markup:
    """Text whose `backquoted` words are code."""
    return Markup(_CODE.sub(r'<code class="code">\1</code>', str(escape(text))))  # noqa: S704 - escaped above
