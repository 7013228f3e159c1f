"""What the queries answer, as JSON: built by hand for speed, described by `schemas`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from flask import Response, jsonify
from flask.json.provider import JSONProvider

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from booking_query.bookings_list import Page
    from booking_query.slots import Offer

_BOOKING_FACTS = (
    *("booking_id", "version", "status", "meeting_type", "title", "location", "customer", "notes"),
    *("starts_at", "ends_at", "host", "created_at", "updated_at", "reschedules"),
    *("cancelled_at", "cancel_reason"),
)
_TOKEN_FACTS = ("id", "name", "created_at", "created_by")
_HISTORY_FACTS = ("at", "type", "by", "from", "to", "letter", "recipient", "minutes_before", "reason")
_TEAM_ONLY_FACTS = ("notify",)


class Json(JSONProvider):
    """Writes answers, moments in UTC among them: bookings by the fifty take a third of the time they took."""

    def response(self, *args: Any, **_: Any) -> Response:
        (answer,) = args
        return Response(_written(answer), mimetype="application/json")

    def dumps(self, obj: Any, **_: Any) -> str:
        return _written(obj).decode()

    def loads(self, s: str | bytes, **_: Any) -> Any:
        return msgspec.json.decode(s)


_written = msgspec.json.Encoder().encode


def bookings(page: Page) -> Response:
    return jsonify(page)


def booking(found: Mapping[str, Any], history: list[dict[str, Any]]) -> Response:
    return _tagged({**_booking(found), "history": [_history_entry(entry) for entry in history]}, found)


def managed(found: Mapping[str, Any]) -> Response:
    """A booking for its customer: without the host's address and the history."""
    can = {name: found[name] for name in ("can_reschedule", "can_cancel")}
    return _tagged({**_booking(found), "host": {"name": found["host"]["name"]}, **can}, found)


def meeting_types(found: list[dict[str, Any]], *, for_team: bool) -> Response:
    return jsonify({"items": [_meeting_type(each, for_team=for_team) for each in found]})


def meeting_type(found: Mapping[str, Any], *, for_team: bool) -> Response:
    return _tagged(_meeting_type(found, for_team=for_team), found)


def slots(offer: Offer, where: ZoneInfo) -> Response:
    days = [
        {"date": day, "slots": [{"starts_at": start, "ends_at": end} for start, end in on_day]}
        for day, on_day in offer.items()
    ]
    return jsonify({"timezone": where.key, "days": days})


def counts(found: dict[str, int]) -> Response:
    return jsonify(found)


def api_tokens(found: list[dict[str, Any]]) -> Response:
    return jsonify({"items": [{name: token[name] for name in _TOKEN_FACTS} for token in found]})


def _booking(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: found[name] for name in _BOOKING_FACTS if name in found}


def _history_entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {name: entry[name] for name in _HISTORY_FACTS if name in entry}


def _meeting_type(found: Mapping[str, Any], *, for_team: bool) -> dict[str, Any]:
    if for_team:
        return dict(found)
    shown = {name: value for name, value in found.items() if name not in _TEAM_ONLY_FACTS}
    return shown | {"host": {"name": found["host"]["name"]}}


def _tagged(body: dict[str, Any], found: Mapping[str, Any]) -> Response:
    answer: Response = jsonify(body)
    answer.set_etag(str(found["version"]))
    return answer
