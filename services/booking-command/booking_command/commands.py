"""What can be asked of booking-command: the shapes of bodies, and the commands they become.

Whether a body is well-formed is decided here; whether the rules allow it, is not.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from marshmallow import ValidationError, fields, validates
from rebook.fields import (
    ADDRESS_MAX_LENGTH,
    NAME_MAX_LENGTH,
    NOTE_MAX_LENGTH,
    Address,
    CommandSchema,
    Line,
    Moment,
    Note,
    Secret,
    Zone,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

KEY_MAX_LENGTH = 255
PASSWORD_MIN_LENGTH = 8
PASSWORD_MAX_LENGTH = 1_000
NO_VERSION = 0  # of a stream that has not begun
PUBLIC = "public"  # the scope of Idempotency-Keys that come without credentials


class CustomerSchema(CommandSchema):
    name = Line(NAME_MAX_LENGTH, required=True, example="Ada Example")
    email = Address(required=True)
    timezone = Zone(required=True)


class ConfirmSchema(CommandSchema):
    """The body of `POST /v1/bookings`."""

    meeting_type = Line(NAME_MAX_LENGTH, required=True, example="intro-call")
    starts_at = Moment(required=True)
    customer = fields.Nested(CustomerSchema, required=True)
    notes = Note(NOTE_MAX_LENGTH, load_default="", example="I will bring the drawings.")


class RescheduleSchema(CommandSchema):
    starts_at = Moment(required=True)
    reason = Note(NOTE_MAX_LENGTH, load_default="", example="The train is late.")


class CancelSchema(CommandSchema):
    reason = Note(NOTE_MAX_LENGTH, load_default="", example="The train is late.")


class EmptySchema(CommandSchema):
    """A command that its path says already."""


class LoginSchema(CommandSchema):
    email = Line(ADDRESS_MAX_LENGTH, required=True, example="team@example.org")
    password = Secret(PASSWORD_MAX_LENGTH, required=True, example="correct horse battery staple")


class ApiTokenSchema(CommandSchema):
    name = Line(NAME_MAX_LENGTH, required=True, example="calendar sync")


class NewPasswordSchema(CommandSchema):
    current_password = Secret(PASSWORD_MAX_LENGTH, required=True)
    new_password = Secret(PASSWORD_MAX_LENGTH, required=True)

    @validates("new_password")
    def _is_long_enough(self, password: str, **_: Any) -> None:
        if len(password) < PASSWORD_MIN_LENGTH:
            raise ValidationError(f"Must have at least {PASSWORD_MIN_LENGTH} characters.")


@dataclass(frozen=True)
class Confirm:
    meeting_type: str
    starts_at: datetime
    customer: Mapping[str, str]
    notes: str = ""


@dataclass(frozen=True)
class Reschedule:
    booking_id: UUID
    starts_at: datetime
    actor: str
    reason: str = ""


@dataclass(frozen=True)
class Cancel:
    booking_id: UUID
    actor: str
    reason: str = ""


@dataclass(frozen=True)
class ResendConfirmation:
    booking_id: UUID
    actor: str


@dataclass(frozen=True)
class IdempotencyKey:
    """A caller's name for one request, and the fingerprint by which a repeat of it is told from another."""

    scope: str
    key: str
    fingerprint: bytes

    @classmethod
    def of(cls, scope: str, key: str, method: str, path: str, body: Any) -> IdempotencyKey:
        request = json.dumps([method, path, body], sort_keys=True)
        return cls(scope, key, hashlib.sha256(request.encode()).digest())


@dataclass(frozen=True)
class Conditions:
    """On what a command depends: `if_match` as RFC 9110 (section 13.1.1) has it, one version or `*`."""

    if_match: str | None = None
    key: IdempotencyKey | None = None

    def allow(self, version: int) -> bool:
        """Whether a stream of that version (`NO_VERSION`: there is none) is the one the caller knows."""
        if self.if_match is None:
            return True
        return version != NO_VERSION and self.if_match in {"*", f'"{version}"'}


UNCONDITIONAL = Conditions()
