"""What is there after a run, as plain data, however it was read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

    from rebook.cloudevents import Event


class Hold(NamedTuple):
    """A row of the holds that keep a host from being booked twice."""

    booking_id: str
    host: str
    starts_at: datetime
    ends_at: datetime


class Mail(NamedTuple):
    """One letter as the mail server took it; seconds count from the beginning of the run."""

    message_id: str
    recipient: str
    subject: str
    arrived_s: float


@dataclass
class Seen:
    """Everything that the checker compares.

    `topics` has the records of each topic in the order of their partitions, `keys` the booking and version of each
    Idempotency-Key, `bookings` the details with history that the queries answer by id, `status` the bodies of
    /statusz by service, `unanswered` the letters that the mail server took without saying so.
    """

    store: list[Event]
    holds: list[Hold]
    keys: dict[str, tuple[str, int]]
    topics: dict[str, list[Event]]
    bookings: dict[str, dict[str, Any]]
    counts: dict[str, int]
    mails: list[Mail]
    unanswered: list[str]
    status: dict[str, dict[str, Any]]
    read_at: datetime
