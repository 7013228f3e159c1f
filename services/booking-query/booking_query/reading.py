"""What the pages ask of the service: rows, what is on offer, refused forms, and the version to wait for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from flask import current_app, request
from rebook.problems import UnknownMeetingType

from booking_query import waiting
from booking_query.credentials import opened_by
from booking_query.queries import queries

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from rebook.availability import Slot
    from rebook.drafts import Draft, Drafts
    from rebook.sessions import Sessions

    Offer = Callable[[date, date, ZoneInfo], Mapping[date, Sequence[Slot]]]


@dataclass(frozen=True)
class Offering:
    """The free slots between two days (of a zone), and for how many days ahead there can be any."""

    offer: Offer
    horizon_days: int | None

    def last_start(self, now: datetime) -> datetime | None:
        return None if self.horizon_days is None else now + timedelta(days=self.horizon_days)


def now() -> datetime:
    return queries().now()


def managed(token: str) -> dict[str, Any]:
    """The booking that a manage link opens, as new as the address asks for."""
    return queries().managed(opened_by(token), waiting.min_version(request.args))


def booking(booking_id: str) -> dict[str, Any]:
    return queries().booking(booking_id, waiting.min_version(request.args))


def meeting_type(slug: str) -> dict[str, Any]:
    return queries().meeting_type(slug, waiting.min_version(request.args))


def wait_for_type(slug: str) -> None:
    """Wait until the change of a type that the address speaks of can be seen, be it that the type is gone."""
    try:
        queries().meeting_type(slug, waiting.min_version(request.args))
    except UnknownMeetingType:
        return


def offering(definition: Mapping[str, Any]) -> Offering:
    return Offering(partial(queries().slots, definition), definition["horizon_days"])


def offering_for_move(booking: Mapping[str, Any], *, team: bool) -> Offering:
    """What a booking can move to; its type's horizon, the last one where it is deleted, does not bind the team."""
    horizon_days = None if team else queries().last_terms(booking["meeting_type"])["horizon_days"]
    return Offering(partial(queries().slots_for_move, booking, team=team), horizon_days)


def usual_zone() -> str:
    """The zone to show the team's pages in where nothing says another: that of the first meeting type."""
    types = queries().meeting_types()
    return str(types[0]["timezone"]) if types else "UTC"


def draft() -> Draft | None:
    """What a form of this page was refused with."""
    return drafts().read(request)


def drafts() -> Drafts:
    return cast("Drafts", current_app.extensions["rebook_drafts"])


def sessions() -> Sessions:
    return cast("Sessions", current_app.extensions["rebook_sessions"])


def public_url() -> str:
    return str(current_app.config["PUBLIC_URL"])
