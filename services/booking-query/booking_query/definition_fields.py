"""A meeting type as the fields of its form, and what those fields are called; booking-command reads them back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rebook import times
from rebook.availability import WEEKDAYS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LABELS = {
    "title": "Title",
    "slug": "Address",
    "description": "Description",
    "duration_minutes": "Length",
    "location": "Location",
    "host_name": "Host's name",
    "host_email": "Host's e-mail",
    "notify": "Tell these addresses too",
    "timezone": "Time zone of the hours",
    "weekly_hours": "Hours",
    **dict(zip(WEEKDAYS, times.WEEKDAYS, strict=True)),
    "date_overrides": "Other hours on certain days",
    "slot_step_minutes": "A start every",
    "horizon_days": "How far ahead",
    "buffer_before_minutes": "Pause before",
    "buffer_after_minutes": "Pause after",
    "minimum_notice_minutes": "Shortest notice",
    "reschedule_cutoff_minutes": "Customers move until",
    "cancel_cutoff_minutes": "Customers cancel until",
    "reminders_minutes_before": "Reminders",
}
WEEK_DAYS = tuple(zip(WEEKDAYS, times.WEEKDAYS, strict=True))
_PLAIN = (
    "title",
    "description",
    "duration_minutes",
    "location",
    "timezone",
    "horizon_days",
    "buffer_before_minutes",
    "buffer_after_minutes",
    "minimum_notice_minutes",
    "reschedule_cutoff_minutes",
    "cancel_cutoff_minutes",
)
_USUAL_HOURS = "09:00-12:00, 13:00-17:00"


def fields_of(meeting_type: Mapping[str, Any]) -> dict[str, str]:
    """The definition as its form shows it."""
    weekly = meeting_type["weekly_hours"]
    overrides = sorted(meeting_type["date_overrides"].items())
    step, usual_step = meeting_type["slot_step_minutes"], meeting_type["duration_minutes"]
    return {
        **{name: str(meeting_type[name]) for name in _PLAIN},
        "slot_step_minutes": "" if step == usual_step else str(step),
        "host_name": meeting_type["host"]["name"],
        "host_email": meeting_type["host"].get("email", ""),
        **{day: _hours(weekly.get(day) or ()) for day in WEEKDAYS},
        "date_overrides": "\n".join(f"{day}: {_hours(hours) or 'closed'}" for day, hours in overrides),
        "reminders_minutes_before": ", ".join(map(str, meeting_type["reminders_minutes_before"])),
        "notify": ", ".join(meeting_type["notify"]),
    }


def standing_otherwise(typed: Mapping[str, str], standing: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """What stands now where something else was typed: name and label of the field, and what it holds."""
    return [
        (name, label, standing[name])
        for name, label in LABELS.items()
        if name in standing and standing[name].splitlines() != typed[name].splitlines()  # browsers send CRLF
    ]


def usual_fields(email: str, timezone: str) -> dict[str, str]:
    """What the form for a new meeting type starts with: office hours, a usual length, the member as host."""
    return {
        "duration_minutes": "30",
        "horizon_days": "60",
        "host_email": email,
        "timezone": timezone,
        **dict.fromkeys(WEEKDAYS[:5], _USUAL_HOURS),
    }


def _hours(hours: Sequence[Sequence[str]]) -> str:
    return ", ".join(f"{opens}-{closes}" for opens, closes in hours)
