"""Every route of every service, asked of the applications themselves, as the gateway reaches it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from booking_command.app import create_app as command_app
from booking_command.settings import CommandSettings
from booking_query.app import create_app as query_app
from booking_query.settings import QuerySettings
from notifier.app import create_app as notifier_app
from notifier.settings import WebProcessSettings
from rebook.settings import load

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flask import Flask

_READS = {"GET", "HEAD"}


class Route(NamedTuple):
    """A method and a path with its `<placeholders>`."""

    method: str
    path: str


def every_route(environment: Mapping[str, str]) -> list[Route]:
    """By the shared URL space, and by each service's name; `environment` is the processes' own."""
    command = command_app(load(CommandSettings, environment))
    query = query_app(load(QuerySettings, environment))
    notifier = notifier_app(load(WebProcessSettings, environment))
    shared = [one for one in _of(command) if one.method not in _READS]
    shared += [one for one in _of(query) if one.method in _READS]
    named = [("/command", command), ("/query", query), ("/notifier", notifier)]
    return shared + [Route(one.method, prefix + one.path) for prefix, app in named for one in _of(app)]


def _of(app: Flask) -> Iterator[Route]:
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"OPTIONS"}):
            yield Route(method, rule.rule)
