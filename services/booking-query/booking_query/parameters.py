"""What may be asked in a query string: unknown parameters are refused, an empty one is absent."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, TypeVar, cast

from marshmallow import RAISE, Schema, ValidationError, fields, pre_load, validate, validates_schema
from rebook.fields import ADDRESS_MAX_LENGTH, NAME_MAX_LENGTH, Address, Line, Zone
from rebook.moments import parse_day, parse_moment
from rebook.problems import flat, malformed

if TYPE_CHECKING:
    from collections.abc import Mapping

FILTERS = ("upcoming", "past", "cancelled")
SLOT_DAYS_MAX = 62
LIMIT_MAX = 100
LIMIT_USUAL = 50

S = TypeVar("S", bound="QuerySchema")


class QuerySchema(Schema):
    """No parameters at all."""

    class Meta:
        unknown = RAISE

    error_messages = {"unknown": "There is no such parameter."}  # noqa: RUF012

    @pre_load
    def _empty_is_absent(self, data: Mapping[str, Any], **_: Any) -> dict[str, Any]:
        return {name: value for name, value in data.items() if value != ""}


class Day(fields.Field[date]):
    """A date such as 2030-11-05."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_: Any) -> date:
        found = parse_day(value)
        if found is None:
            raise ValidationError("Not a date such as 2030-11-05.")
        return found


class Bound(fields.Field[datetime]):
    """One end of a span: a moment, or a UTC day. `is_end`: the moment after the last one meant."""

    def __init__(self, *, is_end: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._is_end = is_end

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_: Any) -> datetime:
        day = parse_day(value)
        if day is None:
            return _moment(value)
        midnight = datetime.combine(day, time(), UTC)
        if not self._is_end:
            return midnight
        return midnight + timedelta(days=1) if day < date.max else datetime.max.replace(tzinfo=UTC)


def _moment(value: Any) -> datetime:
    try:
        return parse_moment(value)
    except ValueError:
        raise ValidationError(
            "Neither a date such as 2030-11-05 nor a time with an offset, such as 2030-11-05T15:00:00Z."
        ) from None


def _whole(low: int, high: int, **kwargs: Any) -> fields.Integer:
    bounds = validate.Range(low, high, error="Must be a whole number from {min} to {max}.")
    return fields.Integer(validate=bounds, error_messages={"invalid": "Not a whole number."}, **kwargs)


class VersionedSchema(QuerySchema):
    min_version = _whole(0, 2**63 - 1)


class BookingsSchema(QuerySchema):
    filter = fields.String(validate=validate.OneOf(FILTERS))
    q = Line(ADDRESS_MAX_LENGTH)
    meeting_type = Line(NAME_MAX_LENGTH)
    host = Address()
    from_ = Bound(is_end=False, data_key="from")
    to = Bound(is_end=True)
    limit = _whole(1, LIMIT_MAX, load_default=LIMIT_USUAL)
    cursor = Line(1_000)


class SlotsSchema(VersionedSchema):
    from_ = Day(data_key="from", required=True)
    to = Day(required=True)
    timezone = Zone()

    @validates_schema
    def _span(self, data: Mapping[str, Any], **_: Any) -> None:
        days = (data["to"] - data["from_"]).days + 1
        if days < 1:
            raise ValidationError("Must not be before `from`.", "to")
        if days > SLOT_DAYS_MAX:
            raise ValidationError(f"At most {SLOT_DAYS_MAX} days at a time.", "to")


def read(schema: QuerySchema, parameters: Mapping[str, str]) -> dict[str, Any]:
    """The parameters as `schema` understands them.

    Raises:
        Refused: malformed-query, with a sentence for each parameter that is not right.
    """
    try:
        return cast("dict[str, Any]", schema.load(parameters))
    except ValidationError as error:
        raise malformed(flat(error.messages), "malformed-query") from None
