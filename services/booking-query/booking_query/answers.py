"""What the queries answer, as JSON: built by hand for speed, described by `schemas`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Response, jsonify
from rebook.moments import format_moment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from booking_query.bookings_list import Page
    from booking_query.slots import Offer

_BOOKING_FACTS = ("booking_id", "version", "status", "meeting_type", "title", "location", "customer", "notes")
_TOKEN_FACTS = ("id", "name", "created_by")
_MOMENTS_OF_MOVE = ("from", "to")
_HISTORY_TEXTS = ("letter", "recipient", "minutes_before", "reason")
_TEAM_ONLY_FACTS = ("notify",)


def bookings(page: Page) -> Response:
    return jsonify({"items": [_booking(item) for item in page.items], "next_cursor": page.next_cursor})


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
        {"date": day.isoformat(), "slots": [_span(*slot) for slot in on_day]} for day, on_day in offer.items()
    ]
    return jsonify({"timezone": where.key, "days": days})


def counts(found: dict[str, int]) -> Response:
    return jsonify(found)


def api_tokens(found: list[dict[str, Any]]) -> Response:
    items = [
        {**{name: token[name] for name in _TOKEN_FACTS}, "created_at": format_moment(token["created_at"])}
        for token in found
    ]
    return jsonify({"items": items})


def _booking(found: Mapping[str, Any]) -> dict[str, Any]:
    shown = {name: found[name] for name in _BOOKING_FACTS}
    shown |= _span(found["starts_at"], found["ends_at"])
    shown["host"] = found["host"]
    shown["created_at"] = format_moment(found["created_at"])
    shown["updated_at"] = format_moment(found["updated_at"])
    shown["reschedules"] = found["reschedules"]
    if found["cancelled_at"]:
        shown["cancelled_at"] = format_moment(found["cancelled_at"])
    if found["cancel_reason"]:
        shown["cancel_reason"] = found["cancel_reason"]
    return shown


def _history_entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    shown = {"at": format_moment(entry["at"]), "type": entry["type"], "by": entry["by"]}
    shown |= {name: format_moment(entry[name]) for name in _MOMENTS_OF_MOVE if name in entry}
    return shown | {name: entry[name] for name in _HISTORY_TEXTS if name in entry}


def _meeting_type(found: Mapping[str, Any], *, for_team: bool) -> dict[str, Any]:
    if for_team:
        return dict(found)
    shown = {name: value for name, value in found.items() if name not in _TEAM_ONLY_FACTS}
    return shown | {"host": {"name": found["host"]["name"]}}


def _span(starts_at: Any, ends_at: Any) -> dict[str, str]:
    return {"starts_at": format_moment(starts_at), "ends_at": format_moment(ends_at)}


def _tagged(body: dict[str, Any], found: Mapping[str, Any]) -> Response:
    answer: Response = jsonify(body)
    answer.set_etag(str(found["version"]))
    return answer
