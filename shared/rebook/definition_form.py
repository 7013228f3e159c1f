"""A meeting type's form, flat as a browser sends it, as the definition that the API takes.

booking-command reads what was sent, booking-query draws what was typed so far.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rebook.availability import WEEKDAYS

if TYPE_CHECKING:
    from collections.abc import Mapping

_NUMBERS = (
    "duration_minutes",
    "slot_step_minutes",
    "buffer_before_minutes",
    "buffer_after_minutes",
    "minimum_notice_minutes",
    "horizon_days",
    "reschedule_cutoff_minutes",
    "cancel_cutoff_minutes",
)
_CLOSED = "closed"


def definition(form: Mapping[str, str]) -> dict[str, Any]:
    """The JSON definition; what is not understood stays as it was typed, for the schema to refuse by its field."""
    found: dict[str, Any] = {
        name: form.get(name, "") for name in ("title", "description", "location", "timezone")
    }
    found |= {name: _number(form.get(name, "")) for name in _NUMBERS}
    found["host"] = {"name": form.get("host_name"), "email": form.get("host_email")}
    found["weekly_hours"] = {day: _hours(form[day]) for day in WEEKDAYS if form.get(day, "").strip()}
    found["date_overrides"] = dict(_override(line) for line in _listed(form.get("date_overrides", ""), "\n"))
    found["reminders_minutes_before"] = [
        _number(text) for text in _listed(form.get("reminders_minutes_before", ""), ",")
    ]
    found["notify"] = _listed(form.get("notify", ""), ",")
    return found


def _override(line: str) -> tuple[str, Any]:
    """`2030-12-24: closed` or `2030-12-24: 09:00-12:00`."""
    day, _, hours = line.partition(":")
    return day.strip(), [] if hours.strip().lower() == _CLOSED else _hours(hours)


def _hours(text: str) -> list[list[str]]:
    """`09:00-12:00, 13:00-17:00`."""
    return [[edge.strip() for edge in span.split("-")] for span in _listed(text, ",")]


def _number(text: str) -> int | str:
    return int(text) if text.strip().isdecimal() and len(text) < len("1000000000") else text.strip()


def _listed(text: str, separator: str) -> list[str]:
    return [part.strip() for part in text.split(separator) if part.strip()]
