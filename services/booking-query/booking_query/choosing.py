"""Choosing a start, in a request: the zone it is shown in, the calendar, and the slot that was chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from flask import request
from rebook.moments import format_moment
from rebook.times import When

from booking_query import reading
from booking_query.forms import Form
from booking_query.notices import CHOICE_REFUSED, Notice, choice_refused, gone_meanwhile
from booking_query.picker import Picker, Wanted, parse_start, pick, shown_zone

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from rebook.availability import Slot
    from rebook.drafts import Draft

    from booking_query.reading import Offering

ZONE_COOKIE = "rebook_timezone"


def zone_for(*names: str | None) -> ZoneInfo:
    """The zone that the address asks for, else the first of `names` that is one."""
    return shown_zone(request.args.get("timezone"), *names)


def detected_zone() -> str:
    """The browser's zone, which zone.js keeps in a cookie."""
    return unquote(request.cookies.get(ZONE_COOKIE, ""))


def typed_zone(draft: Draft | None) -> str:
    """The zone that a refused form was filled in with."""
    return draft.typed.get("timezone", "") if draft else ""


@dataclass(frozen=True)
class Choice:
    """The slot that was chosen, and the calendar around it; `notice` tells why a wanted one is not there."""

    slot: Slot | None
    picker: Picker
    notice: Notice | None = None

    @property
    def starts_at(self) -> str:
        return format_moment(self.slot.starts_at) if self.slot else ""

    @property
    def when(self) -> When | None:
        return When.of(self.slot.starts_at, self.slot.ends_at, self.picker.where) if self.slot else None


def choose(
    offering: Offering, where: ZoneInfo, draft: Draft | None, standing: datetime | None = None
) -> Choice:
    """What the address and a refused form before it ask for.

    A start that was refused is not offered again; `standing`, where a booking is already, is no choice.
    """
    wanted = _wanted(draft, where)
    withdrawn = _withdrawn(draft)
    moment = reading.now()
    picker = pick(
        offering.offer,
        wanted,
        where,
        now=moment,
        last_start=offering.last_start(moment),
        withdrawn=withdrawn,
        zone_parameter=where.key if request.args.get("timezone") or typed_zone(draft) else "",
    )
    if wanted.starts_at is None or wanted.starts_at == standing:
        return Choice(None, picker, choice_refused(draft))
    slot = picker.slot(wanted.starts_at)
    return Choice(slot, picker, None if slot else choice_refused(draft) or gone_meanwhile())


def form_after(draft: Draft | None, labels: Mapping[str, str]) -> Form:
    """The form beside the chosen slot; once another slot is chosen, the refusal of the first one is over."""
    if draft and draft.code in CHOICE_REFUSED:
        return Form(labels, draft.typed)
    return Form.of(draft, labels)


def _wanted(draft: Draft | None, where: ZoneInfo) -> Wanted:
    wanted = Wanted.read(request.args)
    if wanted == Wanted() and draft:
        wanted = Wanted.read({"starts_at": draft.typed.get("starts_at", "")})
    return wanted.with_day_of_start(where)


def _withdrawn(draft: Draft | None) -> frozenset[datetime]:
    refused = (
        parse_start(draft.typed.get("starts_at", "")) if draft and draft.code in CHOICE_REFUSED else None
    )
    return frozenset({refused} if refused else ())
