"""The published description of an HTTP API (OpenAPI 3.1), with every refusal it may answer, and a page to read it."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any, TypeVar

from flask import Blueprint, Response, current_app, send_from_directory
from flask_smorest import Api
from marshmallow import Schema, fields
from werkzeug.exceptions import HTTPException

from rebook.problems import PROBLEMS
from rebook.web import answer_http_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from flask import Flask

F = TypeVar("F", bound="Callable[..., Any]")

TEAM_ONLY: list[dict[str, list[str]]] = [{"api_token": []}, {"session": [], "csrf": []}]
IF_MATCH = {
    "in": "header",
    "name": "If-Match",
    "schema": {"type": "string"},
    "example": '"1"',
    "description": "The version you know, in quotes; another one is refused with 412 (RFC 9110, section 13.1.1).",
}
IDEMPOTENCY_KEY = {
    "in": "header",
    "name": "Idempotency-Key",
    "schema": {"type": "string", "maxLength": 255},
    "description": "Your name for this request. A repeat within 24 hours gets the same answer, without effect.",
}
ETAG = {
    "ETag": {"schema": {"type": "string"}, "example": '"1"', "description": "The version, for `If-Match`"}
}
_RETRY_AFTER = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait"}}
_WAIT = frozenset({"429", "503"})  # statuses that tell how long
_ABOUT = """\
Times go in as RFC 3339 with an offset and come out in UTC. What is refused is answered with a problem
(RFC 9457): its `code` is stable, and its `type` is a page that explains it. Every answer carries
`X-Correlation-Id`, taken from the request where it has one; events, letters and logs carry it too.
Programs of the team send an API token as `Authorization: Bearer`.
"""
_SECURITY_SCHEMES = {
    "api_token": {"type": "http", "scheme": "bearer", "description": "A team member's API token"},
    "session": {"type": "apiKey", "in": "cookie", "name": "rebook_session"},
    "csrf": {
        "type": "apiKey",
        "in": "header",
        "name": "X-CSRF-Token",
        "description": "The cookie `rebook_csrf`",
    },
}
_ASSETS = str(files("flask_swagger_ui") / "dist")
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="docs/swagger-ui.css"></head>
<body><div id="api"></div><script src="docs/swagger-ui-bundle.js"></script><script src="docs/start.js"></script>
</body></html>
"""
_START = 'SwaggerUIBundle({url: "v1/openapi.json", dom_id: "#api", deepLinking: true});\n'
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src data:; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)


class ProblemSchema(Schema):
    """A refusal (RFC 9457): `code` is stable, `detail` is for people."""

    type = fields.String(required=True, metadata={"format": "uri"})
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True)
    code = fields.String(required=True)
    errors = fields.Dict(
        keys=fields.String(),
        values=fields.List(fields.String()),
        metadata={
            "description": "With 422: dotted path of a field -> sentences; `_body` for the body itself"
        },
    )


class _Api(Api):  # type: ignore[misc]
    DEFAULT_ERROR_RESPONSE_NAME = None  # `may_refuse` says what there is
    ERROR_SCHEMA = ProblemSchema

    def _register_pagination_header(self) -> None:
        """Describe none: lists here go on by cursor."""


def publish(app: Flask, title: str, blueprints: Iterable[Any]) -> None:
    """Serve the blueprints, their description at /v1/openapi.json, and a readable page of it at /docs."""
    app.config |= {
        "API_TITLE": title,
        "API_VERSION": "v1",
        "OPENAPI_VERSION": "3.1.0",
        "OPENAPI_URL_PREFIX": "/v1",
        "OPENAPI_JSON_PATH": "openapi.json",
        "API_SPEC_OPTIONS": {
            "info": {"description": _ABOUT},
            "servers": [{"url": app.config["PUBLIC_URL"]}],
            "components": {"securitySchemes": _SECURITY_SCHEMES},
        },
    }
    api = _Api(app)
    for blueprint in blueprints:
        api.register_blueprint(blueprint)
    app.register_blueprint(_docs())
    app.register_error_handler(HTTPException, answer_http_error)  # in the place of flask-smorest's


def leads_to(*operations: str, **parameters: str) -> dict[str, Any]:
    """Links (OpenAPI 3.1, section 4.8.20): what can be done next, its parameters out of this answer."""
    return {name: {"operationId": name, "parameters": parameters} for name in operations}


def may_refuse(blueprint: Any, *codes: str) -> Callable[[F], F]:
    """Name an operation, and describe the refusals it may answer with, an example for each."""
    by_status: dict[str, list[str]] = {"default": ["internal-error"]}
    for code in codes:
        by_status.setdefault(str(PROBLEMS[code].status), []).append(code)
    responses = {status: _described(status, codes) for status, codes in by_status.items()}

    def decorate(view: F) -> F:
        described: F = blueprint.doc(operationId=view.__name__, responses=responses)(view)
        return described

    return decorate


def example(code: str) -> dict[str, Any]:
    known = PROBLEMS[code]
    return {
        "type": f"https://book.example.org/problems/{code}",
        "title": known.title,
        "status": known.status,
        "detail": known.advice,
        "code": code,
    }


def _described(status: str, codes: list[str]) -> dict[str, Any]:
    examples = {code: {"value": example(code)} for code in codes}
    media = {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": examples}
    described = {
        "description": ", ".join(f"`{code}`" for code in codes),
        "content": {"application/problem+json": media},
    }
    return described | ({"headers": _RETRY_AFTER} if status in _WAIT else {})


def _docs() -> Blueprint:
    docs = Blueprint("docs", __name__)
    docs.add_url_rule("/docs", "page", lambda: _page(current_app.config["API_TITLE"]))
    docs.add_url_rule("/docs/start.js", "start", lambda: Response(_START, mimetype="text/javascript"))
    docs.add_url_rule(
        "/docs/<path:name>", "asset", lambda name: send_from_directory(_ASSETS, name, max_age=86_400)
    )
    return docs


def _page(title: str) -> Response:
    return Response(_PAGE.format(title=title), headers={"Content-Security-Policy": _POLICY})
