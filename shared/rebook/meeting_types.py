"""A meeting type: what can be booked. The JSON definition of the HTTP API, checked, with its defaults filled in."""

from __future__ import annotations

import itertools
import re
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from marshmallow import Schema, ValidationError, fields, post_load, validate

from rebook.availability import WEEKDAYS, spans
from rebook.fields import Address, CommandSchema, Line, Note, Table, Zone
from rebook.moments import parse_day

if TYPE_CHECKING:
    from collections.abc import Mapping

Hours = list[list[str]]  # [["09:00", "17:00"]], wall-clock times in the type's zone

_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*", re.ASCII)
SLUG_MAX_LENGTH = 100
HOUR_MINUTES = 60
DAY_MINUTES = 24 * HOUR_MINUTES
YEAR_MINUTES = 366 * DAY_MINUTES
HORIZON_MAX_DAYS = 3_650
_CLOCK = re.compile(r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$(?!\n)")  # as JavaScript reads it too


@dataclass(frozen=True)
class Host:
    """Whose calendar the slots are in."""

    name: str
    email: str

    @property
    def key(self) -> str:
        """What identifies a host: the lower-case address."""
        return self.email.lower()


@dataclass(frozen=True)
class MeetingType:
    """The terms on which meetings are offered; times before and after a meeting are elapsed minutes."""

    title: str
    duration_minutes: int
    location: str
    host: Host
    timezone: str
    weekly_hours: dict[str, Hours]
    description: str = ""
    date_overrides: dict[str, Hours] = field(default_factory=dict)
    slot_step_minutes: int | None = None
    buffer_before_minutes: int = 0
    buffer_after_minutes: int = 0
    minimum_notice_minutes: int = 0
    horizon_days: int = 60
    reminders_minutes_before: list[int] = field(default_factory=list)
    reschedule_cutoff_minutes: int = 0
    cancel_cutoff_minutes: int = 0
    notify: list[str] = field(default_factory=list)

    @classmethod
    def from_json(cls, definition: Mapping[str, Any]) -> MeetingType:
        """Read a definition that was checked before, such as an event's; fields it does not know are ignored."""
        known = {name: definition[name] for name in cls.__dataclass_fields__ if name in definition}
        return cls(**{**known, "host": Host(**definition["host"])})

    def as_json(self) -> dict[str, Any]:
        """The definition as the HTTP API and the events show it; the default step is the duration."""
        return {**asdict(self), "slot_step_minutes": self.slot_step_minutes or self.duration_minutes}

    @property
    def team_addresses(self) -> list[str]:
        """Host and `notify`, each once whatever the letters' case."""
        unique = {address.lower(): address for address in reversed([self.host.email, *self.notify])}
        return list(reversed(unique.values()))


def is_slug(text: str) -> bool:
    """Whether a meeting type can have that name in its address."""
    return len(text) <= SLUG_MAX_LENGTH and _SLUG.fullmatch(text) is not None


class _Day(fields.String):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        found: str = super()._deserialize(value, attr, data, **kwargs)
        if parse_day(found) is None:
            raise ValidationError("Not a date such as 2030-12-24.")
        return found


def _in_order(hours: Hours) -> None:
    """Refuse hours that close before they open, or that overlap."""
    day = spans(hours)
    if any(span.opens >= span.closes for span in day):
        raise ValidationError("Hours must close after they open.")
    ordered = sorted(day)
    if any(later.opens < earlier.closes for earlier, later in itertools.pairwise(ordered)):
        raise ValidationError("Hours of one day must not overlap.")


def _hours() -> fields.List[Any]:
    clock = validate.Regexp(_CLOCK, error="Not a time of day such as 09:00 (24:00 closes a day).")
    pair: fields.List[Any] = fields.List(
        fields.String(validate=clock),
        validate=validate.Length(equal=2, error="Must be an opening and a closing time."),
    )
    return fields.List(pair, validate=[validate.Length(max=48), _in_order])


def _minutes(low: int, high: int, **kwargs: Any) -> fields.Integer:
    bounds = validate.Range(low, high, error="Must be a whole number from {min} to {max}.")
    return fields.Integer(strict=True, validate=bounds, **kwargs)


class HostSchema(CommandSchema):
    name = Line(200, required=True, example="Hana Host")
    email = Address(required=True)


class MeetingTypeSchema(CommandSchema):
    """The body of `PUT /v1/meeting-types/{slug}`."""

    title = Line(200, required=True, example="Intro call")
    description = Note(2_000, example="We get to know each other.")
    duration_minutes = _minutes(1, DAY_MINUTES, required=True, metadata={"example": 30})
    location = Line(500, required=True, example="Video call")
    host = fields.Nested(HostSchema, required=True)
    timezone = Zone(required=True)
    weekly_hours = Table(
        fields.String(validate=validate.OneOf(WEEKDAYS)),
        _hours(),
        required=True,
        metadata={"example": {"mon": [["09:00", "12:00"], ["13:00", "17:00"]], "tue": [["09:00", "17:00"]]}},
    )
    date_overrides = Table(
        _Day(),
        _hours(),
        validate=validate.Length(max=1_000),
        metadata={"maxProperties": 1_000, "example": {"2030-12-24": []}},
    )
    slot_step_minutes = _minutes(1, DAY_MINUTES)
    buffer_before_minutes = _minutes(0, DAY_MINUTES)
    buffer_after_minutes = _minutes(0, DAY_MINUTES)
    minimum_notice_minutes = _minutes(0, YEAR_MINUTES)
    horizon_days = _minutes(1, HORIZON_MAX_DAYS)
    reminders_minutes_before = fields.List(_minutes(1, YEAR_MINUTES), validate=validate.Length(max=10))
    reschedule_cutoff_minutes = _minutes(0, YEAR_MINUTES)
    cancel_cutoff_minutes = _minutes(0, YEAR_MINUTES)
    notify = fields.List(Address(), validate=validate.Length(max=50))

    @post_load
    def _as_terms(self, data: dict[str, Any], **_: Any) -> MeetingType:
        reminders = sorted(set(data.get("reminders_minutes_before", ())), reverse=True)
        return MeetingType.from_json({**data, "reminders_minutes_before": reminders})


class MeetingTypeFacts(Schema):
    """A definition with its defaults filled in, as events and answers carry it."""

    title = fields.String(required=True)
    description = fields.String(required=True)
    duration_minutes = fields.Integer(required=True)
    location = fields.String(required=True)
    host = fields.Dict(required=True)
    timezone = fields.String(required=True)
    weekly_hours = fields.Dict(required=True)
    date_overrides = fields.Dict(required=True)
    slot_step_minutes = fields.Integer(required=True)
    buffer_before_minutes = fields.Integer(required=True)
    buffer_after_minutes = fields.Integer(required=True)
    minimum_notice_minutes = fields.Integer(required=True)
    horizon_days = fields.Integer(required=True)
    reminders_minutes_before = fields.List(fields.Integer(), required=True)
    reschedule_cutoff_minutes = fields.Integer(required=True)
    cancel_cutoff_minutes = fields.Integer(required=True)
    notify = fields.List(fields.String(), required=True)
