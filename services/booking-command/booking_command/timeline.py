"""Stored events as an operator reads them: a line each, or a line with every fact below it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rebook.cloudevents import Event

_NAME_WIDTH = 28


def line(event: Event) -> str:
    """One event in one line, without anybody's personal data."""
    name = event.type.split(".")[1]
    by = event.data.get("actor", "-")
    return f"{event.position:>9}  {event.time[:19]}Z  {name:<27}  {event.subject} v{event.sequence}  by {by}"


def paragraph(event: Event) -> Iterator[str]:
    """The same, and every fact that the event carries."""
    yield line(event)
    for name, value in {**event.data, "correlation_id": event.correlation_id}.items():
        if name != "actor" and value != event.subject:
            yield f"{'':11}{name:<{_NAME_WIDTH}}{_shown(value)}"


def as_json(event: Event) -> str:
    """One event as a JSON line: its CloudEvents attributes, and its data."""
    return json.dumps(
        {
            "position": event.position,
            "id": event.id,
            "type": event.type,
            "subject": event.subject,
            "sequence": event.sequence,
            "time": event.time,
            "source": event.source,
            "correlationid": event.correlation_id,
            "data": event.data,
        },
        ensure_ascii=False,
    )


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(inner)}" for name, inner in value.items()) or "none"
    if isinstance(value, list):
        return "; ".join(map(_shown, value)) or "none"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) and "\n" in value else str(value)
