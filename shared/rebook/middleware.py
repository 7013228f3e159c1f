"""What surrounds every request, outside of Flask: its correlation id, its answer's headers, its log line and time.

Flask's hooks would do as well, but they look everything up anew, and whoever asks would wait for the log line.
"""

from __future__ import annotations

import re
import time
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import structlog
from prometheus_client import Histogram
from werkzeug.wsgi import ClosingIterator

from rebook.health import PROBES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    Headers = Callable[[str, str], dict[str, str]]

log = structlog.get_logger()

CORRELATION_ID = "rebook.correlation_id"
REFUSED = "rebook.refused"  # the code of a refusal, if the request met with one
_OUTCOME = "rebook.outcome"  # the route, the answer's status and how many seconds it took
_CORRELATION_ID = re.compile(r"[\x21-\x7e]{1,128}")
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}  # others are anybody's to make up
_LATENCY = Histogram(
    "http_request_seconds",
    "Time from the request's arrival to its answer",
    ["method", "route", "status"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)


class Middleware:
    """Around a WSGI application: correlates requests, adds what answers lack, and tells of each once it is sent.

    `headers(path, content type)` are those that an answer has unless its view has set them itself.
    """

    def __init__(self, app: WSGIApplication, headers: Headers) -> None:
        self._app = app
        self._headers = headers

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        began_s = time.perf_counter()
        given = environ.get("HTTP_X_CORRELATION_ID", "")
        correlation_id = given if _CORRELATION_ID.fullmatch(given) else str(uuid4())
        environ[CORRELATION_ID] = correlation_id

        def start(status: str, headers: list[tuple[str, str]], *failure: Any) -> Callable[[bytes], object]:
            environ[_OUTCOME] = _route(environ), int(status[:3]), time.perf_counter() - began_s
            headers += self._missing(environ, headers)
            headers.append(("X-Correlation-Id", correlation_id))
            return start_response(status, headers, *failure)

        with structlog.contextvars.bound_contextvars(correlation_id=correlation_id):
            return ClosingIterator(self._app(environ, start), partial(_tell, environ))

    def _missing(self, environ: WSGIEnvironment, headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
        present = {name.lower(): value for name, value in headers}
        path = f"/{environ.get('PATH_INFO', '').lstrip('/')}"  # as `request.path` has it
        wanted = self._headers(path, present.get("content-type", ""))
        return [(name, value) for name, value in wanted.items() if name.lower() not in present]


def _route(environ: WSGIEnvironment) -> str:
    """The rule that the path was found to follow; Flask forgets it with the end of the request."""
    request = environ.get("werkzeug.request")  # not there where it could not even be read
    rule = request.url_rule if request else None
    return rule.rule if rule else "none"


def _tell(environ: WSGIEnvironment) -> None:
    """Log and measure a request that has been answered, unless it is a probe's."""
    method, (route, status, took_s) = environ["REQUEST_METHOD"], environ[_OUTCOME]
    if route in PROBES:
        return
    _LATENCY.labels(method if method in _METHODS else "other", route, status).observe(took_s)
    log.info(
        "request",
        correlation_id=environ[CORRELATION_ID],
        method=method,
        route=route,
        status=status,
        took_ms=round(took_s * 1000, 1),
        **({"code": environ[REFUSED]} if REFUSED in environ else {}),
    )
