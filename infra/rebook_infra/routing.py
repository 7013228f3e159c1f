"""The gateway rule: the method picks the service, unless the path names one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

READS = frozenset({"GET", "HEAD"})
_BY_NAME = re.compile(r"/(command|query|notifier)(?=/|$)")


@dataclass(frozen=True)
class Route:
    """Where a request goes: a service, and what to ask it for."""

    service: str
    target: str  # path and query as the client spelled them, without the service's name
    prefix: str  # the part that was taken off: `/command`, or nothing


def route(method: str, uri: str) -> Route | None:
    """The gateway rule; None for what no service answers from here."""
    path, mark, query = _origin_form(uri).partition("?")
    named = _BY_NAME.match(path)
    prefix = named.group() if named else ""
    service = named.group(1) if named else ("query" if method in READS else "command")
    rest = path[len(prefix) :] or "/"
    if _plain(rest) == "/metrics" or re.fullmatch("/[^/]+/metrics", _plain(path)):
        return None  # read on each process's own port
    return Route(service, f"{rest}{mark}{query}", prefix)


def shown(uri: str) -> str:
    """The path of a request as logs may show it: no query string, no manage token, nothing odd."""
    segments = _plain(uri.partition("?")[0]).split("/")
    for index, segment in enumerate(segments):
        if segments[max(index - 1, 0)] == "manage" or not re.fullmatch(
            r"[a-z0-9-]{0,100}|[a-z0-9-]+\.[a-z]+", segment
        ):
            segments[index] = "…"
    return "/".join(segments)


def _origin_form(uri: str) -> str:
    """A request's target may be a whole URL (RFC 9112, section 3.2.2)."""
    if uri.startswith("/"):
        return uri
    parts = urlsplit(uri)
    return f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"


def _plain(path: str) -> str:
    """What any server could take the path for: decoded, in lower case, without empty and dot segments."""
    decoded = path
    for _ in range(3):
        decoded = unquote(decoded)
    segments: list[str] = []
    for segment in decoded.lower().replace("\\", "/").split("/"):
        if segment == "..":
            del segments[-1:]
        elif segment not in {"", "."}:
            segments.append(segment.partition(";")[0].strip())
    return "/" + "/".join(segments)
