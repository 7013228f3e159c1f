"""The local stack's front door: one public origin before three services.

`GET` and `HEAD` go to booking-query, other methods to booking-command; `/command`, `/query` and `/notifier`
reach one service by name. In production nginx does this (infra/nginx.conf).

urllib3 carries the requests. werkzeug's ProxyMiddleware was tried first: it decodes the path before it
passes it on, forwards a chunked body without its framing, and opens a connection for every request.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING
from uuid import uuid4

import structlog
import urllib3
from rebook.problems import PROBLEMS
from rebook.settings import origin, port, setting, text
from urllib3.util import SKIP_HEADER, Retry
from werkzeug.datastructures import EnvironHeaders
from werkzeug.http import is_hop_by_hop_header

from rebook_infra.routing import READS, Route, route, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from wsgiref.types import StartResponse, WSGIEnvironment

_BODY_MAX_BYTES = 1024 * 1024  # services refuse far smaller ones themselves, and with more to say
_CHUNK_BYTES = 64 * 1024
_UPSTREAM_TIMEOUT_S = 30.0
_CONNECT_TIMEOUT_S = 2.0
_CONNECTIONS = 64  # kept open to each service, per worker
# What a client says about itself is no proof; the gateway says it anew.
_FORGEABLE = frozenset({"forwarded", "x-real-ip"})


@dataclass(frozen=True)
class GatewaySettings:
    """Where the gateway listens, and where the services do."""

    public_url: str = setting("PUBLIC_URL", origin, "The origin where links point")
    listen_host: str = setting("LISTEN_HOST", text, "The address to listen on", "127.0.0.1")
    listen_port: int = setting("REBOOK_PORT", port, "The gateway's port", "8000")
    command_port: int = setting("BOOKING_COMMAND_WEB_PORT", port, "The port of booking-command")
    query_port: int = setting("BOOKING_QUERY_WEB_PORT", port, "The port of booking-query")
    notifier_port: int = setting("NOTIFIER_WEB_PORT", port, "The port of notifier's web process")


class Gateway:
    """A WSGI application that passes requests on to the services."""

    def __init__(self, settings: GatewaySettings) -> None:
        ports = {
            "command": settings.command_port,
            "query": settings.query_port,
            "notifier": settings.notifier_port,
        }
        self._public_url = settings.public_url
        self._services = {name: _pool(port) for name, port in ports.items()}
        self._log = structlog.get_logger()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        began_s = time.perf_counter()
        answer = self._answer(environ)
        start_response(f"{answer.status} {answer.reason}", answer.headers)
        self._log.info(
            "request",
            method=environ["REQUEST_METHOD"],
            route=shown(environ["RAW_URI"]),
            status=answer.status,
            took_ms=round((time.perf_counter() - began_s) * 1000, 1),
        )
        return answer

    def _answer(self, environ: WSGIEnvironment) -> Answer:
        goes = route(environ["REQUEST_METHOD"], environ["RAW_URI"])
        if goes is None:
            return self._problem(environ, "not-found")
        body: bytes = environ["wsgi.input"].read(_BODY_MAX_BYTES + 1)
        if len(body) > _BODY_MAX_BYTES:
            return self._problem(environ, "body-too-large")
        try:
            return _passed_on(self._ask(environ, goes, body))
        except urllib3.exceptions.HTTPError:
            return self._problem(environ, "bad-gateway")

    def _ask(self, environ: WSGIEnvironment, goes: Route, body: bytes) -> urllib3.BaseHTTPResponse:
        method = environ["REQUEST_METHOD"]
        headers = _forwarded(environ, goes.prefix)
        if method not in READS:
            # A connection that was kept may be closing just now; only a read may then be sent again
            # (RFC 9110, section 9.2.2). A write goes over a connection of its own.
            headers["Connection"] = "close"
        return self._services[goes.service].urlopen(
            method, goes.target, body or None, headers,
            retries=Retry(1, redirect=False, allowed_methods=READS) if method in READS else False,
            redirect=False, preload_content=False, decode_content=False, assert_same_host=False,
        )  # fmt: skip

    def _problem(self, environ: WSGIEnvironment, code: str) -> Answer:
        """The gateway's own answer: a page for people, a problem document (RFC 9457) for programs."""
        known = PROBLEMS[code]
        given = environ.get("HTTP_X_CORRELATION_ID", "")
        headers = [
            ("X-Correlation-Id", given if re.fullmatch(r"[\x21-\x7e]{1,128}", given) else str(uuid4())),
            ("Cache-Control", "no-store"),
            *([("Retry-After", "1")] if known.status == HTTPStatus.BAD_GATEWAY else []),
        ]
        if "text/html" in environ.get("HTTP_ACCEPT", ""):
            page = _PAGE.format(title=known.title, advice=known.advice)
            return Answer.of(known.status, [*headers, *_PAGE_HEADERS], page)
        problem = {
            "type": f"{self._public_url}/problems/{code}",
            "title": known.title,
            "status": known.status,
            "detail": known.advice,
            "code": code,
        }
        return Answer.of(
            known.status, [*headers, ("Content-Type", "application/problem+json")], json.dumps(problem)
        )


@dataclass(frozen=True)
class Answer:
    """A response on its way to the client; closing it gives the service's connection back."""

    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: Iterable[bytes]
    close: Callable[[], None] = lambda: None

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.body)

    @classmethod
    def of(cls, status: int, headers: list[tuple[str, str]], content: str) -> Answer:
        body = content.encode()
        return cls(status, HTTPStatus(status).phrase, [*headers, ("Content-Length", str(len(body)))], [body])


_PAGE_HEADERS = [
    ("Content-Type", "text/html; charset=utf-8"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
]
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<h1>{title}</h1>
<p>{advice}</p>
<p><a href="/">To the start page</a></p>
</html>
"""


def _pool(port: int) -> urllib3.HTTPConnectionPool:
    timeout = urllib3.Timeout(connect=_CONNECT_TIMEOUT_S, read=_UPSTREAM_TIMEOUT_S)
    return urllib3.HTTPConnectionPool("127.0.0.1", port, timeout=timeout, maxsize=_CONNECTIONS)


def _forwarded(environ: WSGIEnvironment, prefix: str) -> dict[str, str]:
    """The client's headers, with what the gateway knows in place of what the client claims."""
    given = EnvironHeaders(environ)
    for_this_hop = {name.strip().lower() for name in given.get("Connection", "").split(",")}
    headers = {"User-Agent": SKIP_HEADER, "Accept-Encoding": SKIP_HEADER}  # urllib3 would add its own
    for name, value in given.items():
        lower = name.lower()
        forged = lower in _FORGEABLE or lower.startswith("x-forwarded-")
        if not (is_hop_by_hop_header(lower) or lower in for_this_hop or forged or lower == "content-length"):
            headers[name] = value
    headers["X-Forwarded-For"] = environ.get("REMOTE_ADDR") or "127.0.0.1"
    headers["X-Forwarded-Proto"] = environ["wsgi.url_scheme"]
    headers["X-Forwarded-Host"] = environ.get("HTTP_HOST", "")
    headers["X-Forwarded-Prefix"] = prefix
    return {name: value for name, value in headers.items() if value}


def _passed_on(response: urllib3.BaseHTTPResponse) -> Answer:
    for_this_hop = {name.strip().lower() for name in response.headers.get("Connection", "").split(",")}
    headers = [
        (name, value)
        for name, value in response.headers.iteritems()
        if not (is_hop_by_hop_header(name) or name.lower() in for_this_hop | {"server", "date"})
    ]
    stream = response.stream(_CHUNK_BYTES, decode_content=False)
    return Answer(response.status, response.reason or "", headers, stream, response.close)
