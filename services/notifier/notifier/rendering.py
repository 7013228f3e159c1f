"""Draws a letter's words as text and as HTML; both say the same, and the text alone says everything."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

if TYPE_CHECKING:
    from jinja2 import Template

    from notifier.words import Wording

_WEB_ADDRESS = re.compile(r"https?://\S+")

_environment = Environment(
    loader=PackageLoader("notifier", "templates"),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
_environment.tests["web_address"] = lambda value: bool(_WEB_ADDRESS.fullmatch(value))


@cache
def _template(name: str) -> Template:
    return _environment.get_template(name)


def as_text(wording: Wording) -> str:
    return _template("letter.txt").render(letter=wording)


def as_html(wording: Wording) -> str:
    return _template("letter.html").render(letter=wording)
