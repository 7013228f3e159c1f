"""Every way in which the rules say no; the codes' HTTP answers stand in `rebook.problems`."""

from __future__ import annotations

from rebook.problems import Refused, UnknownBooking, UnknownMeetingType

__all__ = [
    "BookingIsCancelled",
    "Busy",
    "CutoffHasPassed",
    "IdempotencyKeyReused",
    "MeetingHasStarted",
    "SlotTaken",
    "SlotUnavailable",
    "SlugTaken",
    "StaleVersion",
    "UnknownApiToken",
    "UnknownBooking",
    "UnknownMeetingType",
]

KEY_HEADER = "Idempotency-Key"
_NO_LONGER = "That time has passed or is not on offer. Choose one of the times on offer; nothing was changed."


class SlotTaken(Refused):
    """Another booking of this host holds some of that time."""

    code = "slot-taken"


class SlotUnavailable(Refused):
    """The time is outside hours, past, under notice, or beyond the horizon."""

    code = "slot-unavailable"

    def __init__(self) -> None:
        super().__init__(_NO_LONGER, errors={"starts_at": [_NO_LONGER]})


class SlugTaken(Refused):
    """Another meeting type is on offer under that slug; adding one never replaces it."""

    code = "malformed-command"

    def __init__(self) -> None:
        super().__init__(errors={"slug": ["Another meeting type has this address. Choose a different one."]})


class BookingIsCancelled(Refused):
    """A cancelled booking does not change."""

    code = "booking-cancelled"


class MeetingHasStarted(Refused):
    """A booking changes right up until its meeting, not after."""

    code = "meeting-started"


class CutoffHasPassed(Refused):
    """The customer is later than the meeting type allows; the team may always."""

    code = "cutoff-passed"


class StaleVersion(Refused):
    """The stream has moved on from the version that `If-Match` named."""

    code = "stale-version"


class IdempotencyKeyReused(Refused):
    """The key was used for a request with another method, path or body."""

    code = "idempotency-key-reused"

    def __init__(self) -> None:
        super().__init__(errors={KEY_HEADER: ["Was used for another request."]})


class UnknownApiToken(Refused):
    """No such token, or it was revoked."""

    code = "unknown-api-token"


class Busy(Refused):
    """Every bounded retry of a race was used up; nothing was changed."""

    code = "busy"

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "1"})
