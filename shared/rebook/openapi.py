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
_POLICY = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src data:; connect-src 'self'"


class ProblemSchema(Schema):
    """A refusal (RFC 9457): `code` is stable, `detail` is for people."""

    type = fields.URL(required=True)
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


def publish(app: Flask, title: str, blueprints: Iterable[Any]) -> None:
    """Serve the blueprints, their description at /v1/openapi.json, and a readable page of it at /docs."""
    app.config |= {
        "API_TITLE": title,
        "API_VERSION": "v1",
        "OPENAPI_VERSION": "3.1.0",
        "OPENAPI_URL_PREFIX": "/v1",
        "OPENAPI_JSON_PATH": "openapi.json",
        "API_SPEC_OPTIONS": {
            "servers": [{"url": app.config["PUBLIC_URL"]}],
            "components": {"securitySchemes": _SECURITY_SCHEMES},
        },
    }
    api = Api(app)
    api.spec.components.schema("Problem", schema=ProblemSchema)
    for blueprint in blueprints:
        api.register_blueprint(blueprint)
    app.register_blueprint(_docs())
    app.register_error_handler(HTTPException, answer_http_error)  # in the place of flask-smorest's


def may_refuse(blueprint: Any, *codes: str) -> Callable[[F], F]:
    """Describe the refusals an operation may answer with, an example for each."""
    by_status: dict[str, dict[str, Any]] = {}
    for code in codes:
        by_status.setdefault(str(PROBLEMS[code].status), {})[code] = {"value": example(code)}
    responses = {status: _described(examples) for status, examples in by_status.items()}
    decorate: Callable[[F], F] = blueprint.doc(responses=responses)
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


def _described(examples: dict[str, Any]) -> dict[str, Any]:
    media = {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": examples}
    return {
        "description": ", ".join(f"`{code}`" for code in examples),
        "content": {"application/problem+json": media},
    }


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
