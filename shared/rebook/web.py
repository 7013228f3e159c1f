"""What every web process does the same way: correlation ids, problems, logs, metrics, security headers."""

from __future__ import annotations

import json
import re
import time
from typing import IO, TYPE_CHECKING, Any, cast
from uuid import uuid4

import structlog
from flask import Flask, Request, Response, current_app, g, request
from prometheus_client import Histogram
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.utils import cached_property
from werkzeug.wsgi import LimitedStream

from rebook.health import PROBES, alive, measurements
from rebook.problems import PROBLEMS, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from wsgiref.types import StartResponse, WSGIEnvironment

    from flask.typing import ResponseReturnValue

    Headers = Callable[[str, str], dict[str, str]]

log = structlog.get_logger()

BODY_MAX_BYTES = 64 * 1024
_TRUST = {  # what an answer tells browsers unless its view says otherwise: nothing to run, nothing to frame
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}
_HTTPS_ONLY = {"Strict-Transport-Security": "max-age=31536000"}  # a year; sub-domains are not ours to decide
_CORRELATION_ID = re.compile(r"[\x21-\x7e]{1,128}")
_CODES = {
    400: "malformed-request",
    404: "not-found",
    405: "method-not-allowed",
    413: "body-too-large",
    415: "unsupported-media-type",
}
_LATENCY = Histogram(
    "http_request_seconds",
    "Time from the request's arrival to its answer",
    ["method", "route", "status"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)


class _Body(LimitedStream):
    """A body without a length: read to its end it is refused where it is too large; Werkzeug's is cut there."""

    def readall(self) -> bytes:
        whole = super().readall()
        if self.is_exhausted:
            self.on_exhausted()
        return whole


class _Request(Request):
    @cached_property
    def stream(self) -> IO[bytes]:
        """The body, which may show only while it is read that it is too large (chunked ones do)."""
        stream = super().stream  # refuses by Content-Length
        if "wsgi.input_terminated" not in self.environ:
            return stream
        return cast("IO[bytes]", _Body(self.environ["wsgi.input"], BODY_MAX_BYTES + 1, is_max=True))


class _App(Flask):
    request_class = _Request

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Take every function as it is: none here is a coroutine, and Flask would look a dozen times a request."""
        return func


def _nothing_more(*_: str) -> dict[str, str]:
    """No headers beside those of every answer."""
    return {}


def new_app(
    name: str, public_url: str, trusted_proxies: int, headers: Headers = _nothing_more, **options: Any
) -> Flask:
    """A Flask app that answers errors as problems and measures, logs and correlates every request.

    Its answers have the headers that `headers(path, content type)` names unless their view has set them itself.
    """
    app = _App(name, **options)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.config["PUBLIC_URL"] = public_url
    app.config["MAX_CONTENT_LENGTH"] = BODY_MAX_BYTES
    app.url_map.strict_slashes = False
    app.url_map.redirect_defaults = False  # no rule has any, and looking for them takes its time
    if trusted_proxies:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=trusted_proxies, x_proto=trusted_proxies, x_host=trusted_proxies
        )
    trust = _TRUST | (_HTTPS_ONLY if public_url.startswith("https:") else {})
    _add_headers(app, lambda *answer: trust | headers(*answer))
    app.before_request(_begin)
    app.after_request(_finish)
    app.register_error_handler(Refused, refuse)
    app.register_error_handler(HTTPException, answer_http_error)
    app.register_error_handler(Exception, _answer_defect)
    app.add_url_rule("/healthz", "healthz", alive)
    app.add_url_rule("/metrics", "metrics", measurements)
    return app


def correlation_id() -> str:
    """The id that ties this request to everything it causes."""
    return str(g.correlation_id)


def json_body() -> Any:
    """The request's JSON; no body and no media type is an empty object.

    Raises:
        RequestEntityTooLarge: 413.
        Refused: 415 or 400, in that order.
    """
    raw = request.get_data(cache=True)
    if not raw and not request.content_type:
        return {}
    if not request.is_json:
        raise Refused(code="unsupported-media-type")
    try:
        return json.loads(raw.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Refused(code="malformed-json") from None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")  # RFC 8259, section 6


def problem(refusal: Refused) -> Response:
    """The RFC 9457 answer for a refusal."""
    known = PROBLEMS[refusal.code]
    body: dict[str, Any] = {
        "type": f"{current_app.config['PUBLIC_URL']}/problems/{refusal.code}",
        "title": known.title,
        "status": known.status,
        "detail": refusal.detail,
        "code": refusal.code,
    }
    if refusal.errors is not None:
        body["errors"] = refusal.errors
    answer = Response(json.dumps(body), known.status, mimetype="application/problem+json")
    answer.headers.update(refusal.headers)
    return answer


def when_refused(app: Flask, answer: Callable[[Refused], ResponseReturnValue | None]) -> None:
    """Let `answer` show a refusal its own way (a page, a form); None leaves it to be a problem document."""
    app.extensions["rebook_refusals"] = answer


def _begin() -> None:
    given = request.headers.get("X-Correlation-Id", "")
    g.correlation_id = given if _CORRELATION_ID.fullmatch(given) else str(uuid4())
    g.began_s = time.perf_counter()
    structlog.contextvars.bind_contextvars(correlation_id=g.correlation_id)


def _finish(response: Response) -> Response:
    if "correlation_id" not in g:
        _begin()
    took_s = time.perf_counter() - g.began_s
    route = request.url_rule.rule if request.url_rule else "none"
    if route not in PROBES:
        _LATENCY.labels(request.method, route, response.status_code).observe(took_s)
        log.info(
            "request",
            method=request.method,
            route=route,
            status=response.status_code,
            took_ms=round(took_s * 1000, 1),
            **({"code": g.refused} if "refused" in g else {}),
        )
    response.headers["X-Correlation-Id"] = g.correlation_id
    structlog.contextvars.clear_contextvars()
    return response


def _add_headers(app: Flask, wanted: Headers) -> None:
    """Give every answer what is missing of its headers; outside of Flask, which would look into each of them."""
    inner = app.wsgi_app

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *failure: Any) -> Callable[[bytes], object]:
            present = {name.lower(): value for name, value in headers}
            path = f"/{environ.get('PATH_INFO', '').lstrip('/')}"  # as `request.path` has it
            asked = wanted(path, present.get("content-type", ""))
            missing = [(name, value) for name, value in asked.items() if name.lower() not in present]
            return start_response(status, headers + missing, *failure)

        return inner(environ, start)

    app.wsgi_app = answer  # type: ignore[method-assign]


def refuse(refusal: Refused) -> ResponseReturnValue:
    """Answer a refusal as a problem document, or as `when_refused` has it; the request's log line tells its code."""
    g.refused = refusal.code
    shown = current_app.extensions.get("rebook_refusals", _as_problem)(refusal)
    return problem(refusal) if shown is None else shown


def _as_problem(_: Refused) -> None:
    return None


def answer_http_error(error: HTTPException) -> ResponseReturnValue:
    """Answer 404, 405 and the like as problems too; register it again after a library has taken its place."""
    if error.response is not None or (error.code or 500) < 400:
        return error.get_response()
    code = _CODES.get(error.code or 500, "malformed-request")
    headers: Mapping[str, str] = dict(error.get_headers())
    kept = {name: value for name, value in headers.items() if name in {"Allow", "Retry-After"}}
    return refuse(Refused(code=code, headers=kept))


def _answer_defect(error: Exception) -> ResponseReturnValue:
    log.error("request failed", exc_info=error)
    return refuse(Refused(code="internal-error"))
