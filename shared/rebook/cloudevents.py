"""CloudEvents 1.0 over Kafka, binary mode: attributes in headers, JSON data as the value."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

Headers = list[tuple[str, bytes]]

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

_SEQUENCE_MAX = 2**63 - 1


class NotAnEvent(ValueError):  # noqa: N818 - a fact about a record, reported as such
    """A record on one of our topics that is not a CloudEvent with JSON data."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event as it travels.

    `sequence` is the version in its stream, from 1; `position` the place in the whole store that wrote it.
    `data` is plain JSON; moments in it and `time` are RFC 3339 text, UTC.
    """

    id: str
    source: str
    type: str
    subject: str
    time: str
    sequence: int
    position: int
    correlation_id: str
    data: dict[str, Any]

    def headers(self) -> Headers:
        return [
            ("content-type", b"application/json"),
            ("ce_specversion", b"1.0"),
            ("ce_id", self.id.encode()),
            ("ce_source", self.source.encode()),
            ("ce_type", self.type.encode()),
            ("ce_subject", self.subject.encode()),
            ("ce_time", self.time.encode()),
            ("ce_sequence", str(self.sequence).encode()),
            ("ce_position", str(self.position).encode()),
            ("ce_correlationid", self.correlation_id.encode()),
        ]

    def value(self) -> bytes:
        return _encode(self.data).encode()


def event_of(headers: Iterable[tuple[str, bytes]], value: bytes | None) -> Event:
    """Read a record.

    Raises:
        NotAnEvent: an attribute is missing or wrong, or the value is no JSON object.
    """
    found = dict(headers)
    try:
        data = msgspec.json.decode(value or b"")
        event = Event(
            id=found["ce_id"].decode(),
            source=found["ce_source"].decode(),
            type=found["ce_type"].decode(),
            subject=found["ce_subject"].decode(),
            time=found["ce_time"].decode(),
            sequence=int(found["ce_sequence"]),
            position=int(found["ce_position"]),
            correlation_id=found["ce_correlationid"].decode(),
            data=data,
        )
    except (KeyError, ValueError, AttributeError, RecursionError) as error:
        raise NotAnEvent(f"{type(error).__name__}: {error}") from None
    if not isinstance(data, dict):
        raise NotAnEvent("the value is no JSON object")
    if "\0" in event.id + event.source or not 0 <= event.sequence <= _SEQUENCE_MAX:
        raise NotAnEvent("its identity cannot be kept")
    return event
