"""Writes what the documentation says of events and settings from the code that decides it.

`python -m rebook_infra.reference docs` writes docs/asyncapi.yaml and docs/settings.md.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from booking_command import settings as command_settings
from booking_query import settings as query_settings
from notifier import settings as notifier_settings
from rebook import events, topics

from rebook_infra import databases, stack_settings

if TYPE_CHECKING:
    from marshmallow import Schema

_WRITERS = {
    topics.BOOKINGS: "relay",
    topics.MEETING_TYPES: "relay",
    topics.TEAM: "relay",
    topics.DELIVERIES: "notifier",
}
_KEYS = {
    topics.BOOKINGS: "the booking's id",
    topics.MEETING_TYPES: "the slug",
    topics.TEAM: "the member's or token's id",
    topics.DELIVERIES: "the booking's id",
}
_HEADERS = {
    "ce_specversion": "1.0",
    "ce_id": "`<stream id>:<version>`",
    "ce_source": "`/booking-command/<store id>`, or `/notifier`",
    "ce_type": "the message's name",
    "ce_subject": "the stream's id",
    "ce_time": "RFC 3339, UTC",
    "ce_sequence": "the version in its stream, from 1",
    "ce_position": "the place in the whole store of its writer",
    "ce_correlationid": "what ties it to the request that caused it",
}
_LOCALLY = (
    "`make run` hands on whatever is set, also of the above, and chooses what its processes need beside that."
)
_IN_COMPOSE = "It hands on what .env.example names of the above; of these it makes what its services need."
_ROLES = [role for service in databases.SERVICES for role in (service, f"{service}_owner")]
_OF_COMPOSE = [
    {"name": name, "default": default, "about": about}
    for name, default, about in (
        (
            "GATEWAY_TRUSTS",
            "192.0.2.1/32",
            "The proxy in front that says who the client is; by default nobody",
        ),
        ("GRAFANA_PASSWORD", None, "The password of Grafana's `admin`, for docker-compose.monitoring.yml"),
        ("POSTGRES_HOST", "postgres", "The PostgreSQL server that holds all three databases"),
        ("POSTGRES_PASSWORD", None, "The password of its administrator, `postgres`"),
        *((f"{role.upper()}_PASSWORD", None, f"The password of its role `{role}`") for role in _ROLES),
        ("REBOOK_LISTEN", "127.0.0.1:8000", "Where the gateway listens on this machine"),
        ("TEAM_EMAIL", "team@example.org", "The first team member"),
        ("TEAM_PASSWORD", None, "The first team member's password"),
    )
]


def write(docs: Path) -> None:
    (docs / "asyncapi.yaml").write_text(asyncapi())
    (docs / "settings.md").write_text(settings())


def asyncapi() -> str:
    """The AsyncAPI 3.0 document of every topic and event."""
    document = {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Rebook events",
            "version": "1.0.0",
            "description": "CloudEvents 1.0 in Kafka's binary content mode. Readers ignore unknown types and fields; "
            "a type never changes, a `.v2` follows it.",
        },
        "defaultContentType": "application/json",
        "channels": {topic: _channel(topic) for topic in _WRITERS},
        "operations": {f"write-{topic}": _operation(topic) for topic in _WRITERS},
        "components": {
            "messages": {name: _message(name) for name in events.SCHEMAS},
            "schemas": {name: _json_schema(schema) for name, schema in events.SCHEMAS.items()},
        },
    }
    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)
    return "# Made by `make docs` from shared/rebook/events.py.\n" + text


def settings() -> str:
    """Every environment variable of every process and of both ways to run them, as a page."""
    lines = [
        "# Settings",
        "",
        "Made by `make docs` from the settings classes. Every process reads its settings once,",
        "at start, and refuses to start where one is missing or wrong.",
        "",
        *_section("booking-command", _rows(command_settings)),
        *_section("booking-query", _rows(query_settings)),
        *_section("notifier", _rows(notifier_settings)),
        *_section("The local stack", _rows(stack_settings), _LOCALLY),
        *_section("docker-compose.yml", [_row(one) for one in _OF_COMPOSE], _IN_COMPOSE),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _section(title: str, rows: list[str], *about: str) -> list[str]:
    introduced = [line for sentence in about for line in (sentence, "")]
    return [f"## {title}", "", *introduced, "| variable | default | meaning |", "|---|---|---|", *rows, ""]


def _rows(module: Any) -> list[str]:
    """A line for each variable that the module's settings classes read, in alphabetical order."""
    classes = [cls for _, cls in inspect.getmembers(module, dataclasses.is_dataclass)]
    declared = {
        field.metadata["name"]: field.metadata
        for cls in classes
        for field in dataclasses.fields(cls)
        if "name" in field.metadata
    }
    return [_row(declared[name]) for name in sorted(declared)]


def _row(declared: Any) -> str:
    default = declared["default"]
    shown = "required" if default is None else f"`{default}`" if default else "empty"
    return f"| `{declared['name']}` | {shown} | {declared['about']} |"


def _channel(topic: str) -> dict[str, Any]:
    names = [name for name, its_topic in events.TOPIC_OF.items() if its_topic == topic]
    return {
        "address": f"rebook.{topic}",
        "description": f"Keyed by {_KEYS[topic]}; written by the {_WRITERS[topic]} alone.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "bindings": {"kafka": {"partitions": topics.PARTITIONS[topic]}},
    }


def _operation(topic: str) -> dict[str, Any]:
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{topic}"},
        "title": f"The {_WRITERS[topic]} writes",
    }


def _message(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "summary": inspect.cleandoc(events.SCHEMAS[name].__doc__ or ""),
        "contentType": "application/json",
        "headers": {
            "type": "object",
            "required": list(_HEADERS),
            "properties": {
                header: {"type": "string", "description": text} for header, text in _HEADERS.items()
            },
        },
        "payload": {"$ref": f"#/components/schemas/{name}"},
    }


def _json_schema(schema: type[Schema]) -> dict[str, Any]:
    """JSON Schema, with nested schemas written out where they stand."""
    plugin = MarshmallowPlugin(schema_name_resolver=_written_out)
    APISpec("events", "1", "3.1.0", plugins=[plugin])
    assert plugin.converter
    described: dict[str, Any] = plugin.converter.schema2jsonschema(schema())  # type: ignore[no-untyped-call]
    return described | {"additionalProperties": True}


def _written_out(_: Any) -> Any:
    return None


if __name__ == "__main__":
    write(Path(sys.argv[1]))
