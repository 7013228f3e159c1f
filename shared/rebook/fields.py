"""The kinds of value that Rebook's JSON is made of, each with its sentence for the person who got it wrong."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from email_validator import EmailNotValidError, validate_email
from marshmallow import RAISE, Schema, ValidationError, fields, pre_load, validate

from rebook.moments import parse_moment, zone

if TYPE_CHECKING:
    from datetime import datetime

NAME_MAX_LENGTH = 200
ADDRESS_MAX_LENGTH = 254
NOTE_MAX_LENGTH = 1_000


class CommandSchema(Schema):
    """A request body: unknown fields are refused, null means absent."""

    class Meta:
        unknown = RAISE

    error_messages = {"unknown": "There is no such field.", "type": "Must be an object."}  # noqa: RUF012

    @pre_load
    def _null_is_absent(self, data: Any, **_: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        return {name: value for name, value in data.items() if value is not None or name not in self.fields}


class _Text(fields.String):
    """Text without what no database or terminal can carry (NUL, lone surrogates) up to `longest` characters."""

    line_breaks_allowed = False

    def __init__(self, longest: int, *, example: str | None = None, **kwargs: Any) -> None:
        about = {} if example is None else {"example": example}
        bounds = validate.Length(max=longest, error="At most {max} characters.")
        super().__init__(validate=bounds, metadata=about, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        found: str = super()._deserialize(value, attr, data, **kwargs)
        if not found.isprintable() and any(self._is_refused(character) for character in found):
            raise ValidationError("Must not contain control characters.")
        return found

    def _is_refused(self, character: str) -> bool:
        if self.line_breaks_allowed and character in "\r\n\t":
            return False
        return unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}


class Line(_Text):
    """One line of text that says something: surrounding blanks are cut, and something must be left."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        found = super()._deserialize(value, attr, data, **kwargs).strip()
        if not found:
            raise ValidationError("Must not be blank.")
        return found


class Note(_Text):
    """Free text that may hold line breaks, and may be empty."""

    line_breaks_allowed = True

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        return super()._deserialize(value, attr, data, **kwargs).replace("\r\n", "\n").strip()


class Secret(_Text):
    """A password: whatever a keyboard gives, kept as it was typed."""


class Address(fields.String):
    """An e-mail address that mail can be sent to, as far as its spelling tells (no DNS, ASCII local part)."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(metadata={"format": "email", "example": "ada@example.org"}, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        found: str = super()._deserialize(value, attr, data, **kwargs).strip()
        if len(found) > ADDRESS_MAX_LENGTH:
            raise ValidationError(f"At most {ADDRESS_MAX_LENGTH} characters.")
        try:
            checked = validate_email(
                found, check_deliverability=False, allow_smtputf8=False, test_environment=True
            )
        except EmailNotValidError:
            raise ValidationError("Not an e-mail address such as ada@example.org.") from None
        return checked.ascii_email or checked.normalized


class Table(fields.Dict):
    """An object with members of one kind: null is absent here too, and what is wrong is told by the member."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, Mapping):
            value = {name: inner for name, inner in value.items() if inner is not None}
        try:
            return super()._deserialize(value, attr, data, **kwargs)  # type: ignore[no-untyped-call]
        except ValidationError as error:
            raise ValidationError(_by_member(error.messages)) from None


def _by_member(messages: Any) -> Any:
    """marshmallow parts what is wrong with a member's name from what is wrong with its value."""
    if not isinstance(messages, dict):
        return messages
    return {name: parts.get("key") or parts["value"] for name, parts in messages.items()}


class Zone(fields.String):
    """The name of an IANA time zone."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(metadata={"example": "Europe/Berlin"}, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        found: str = super()._deserialize(value, attr, data, **kwargs)
        try:
            zone(found)
        except ValueError:
            raise ValidationError("Not a known time zone such as Europe/Berlin.") from None
        return found


class Moment(fields.Field["datetime"]):
    """A time with an offset (RFC 3339, section 5.6), as aware UTC."""

    def __init__(self, **kwargs: Any) -> None:
        about = {"type": "string", "format": "date-time", "example": "2030-11-05T15:00:00+01:00"}
        super().__init__(metadata=about, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_: Any) -> datetime:
        if not isinstance(value, str):
            raise ValidationError("Not a time with an offset, such as 2030-11-05T15:00:00+01:00.")
        try:
            return parse_moment(value)
        except ValueError as error:
            raise ValidationError(str(error)) from None
