"""What every web process does the same way: bodies, problems, headers; see also `middleware`."""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING, Any, cast

import structlog
from flask import Flask, Request, Response, current_app, request
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.utils import cached_property
from werkzeug.wsgi import LimitedStream

from rebook.health import alive, measurements
from rebook.middleware import CORRELATION_ID, REFUSED, Middleware
from rebook.problems import PROBLEMS, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flask.typing import ResponseReturnValue

    from rebook.middleware import Headers

log = structlog.get_logger()

BODY_MAX_BYTES = 64 * 1024
_TRUST = {  # what an answer tells browsers unless its view says otherwise: nothing to run, nothing to frame
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}
_HTTPS_ONLY = {"Strict-Transport-Security": "max-age=31536000"}  # a year; sub-domains are not ours to decide
_CODES = {
    400: "malformed-request",
    404: "not-found",
    405: "method-not-allowed",
    413: "body-too-large",
    415: "unsupported-media-type",
}


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
    app.wsgi_app = Middleware(app.wsgi_app, lambda *answer: trust | headers(*answer))  # type: ignore[method-assign]
    app.register_error_handler(Refused, refuse)
    app.register_error_handler(HTTPException, answer_http_error)
    app.register_error_handler(Exception, _answer_defect)
    app.add_url_rule("/healthz", "healthz", alive)
    app.add_url_rule("/metrics", "metrics", measurements)
    return app


def correlation_id() -> str:
    """The id that ties this request to everything it causes."""
    return str(request.environ[CORRELATION_ID])


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


def refuse(refusal: Refused) -> ResponseReturnValue:
    """Answer a refusal as a problem document, or as `when_refused` has it; the request's log line tells its code."""
    request.environ[REFUSED] = refusal.code
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
