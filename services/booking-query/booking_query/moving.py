"""Moving a booking: the calendar, then the old time beside the new one; the customer's page and the team's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from booking_query import reading
from booking_query.choosing import choose, form_after
from booking_query.drawing import draw

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from booking_query.reading import Offering

REASON_LABELS = {"reason": "Reason", "starts_at": "New time"}


@dataclass(frozen=True)
class Side:
    """Which of the two pages it is: its frame, what it says about the reason, and about what follows."""

    layout: str
    reason_hint: str
    after_move: str
    after_cancel: str


CUSTOMER = Side(
    "base.html",
    "The team gets to read it.",
    "You and the team are sent the new time. The links in your e-mails stay the same.",
    "The time becomes free for others, and you and the team are sent a notice. This cannot be undone.",
)
TEAM = Side(
    "team.html",
    "The customer gets to read it.",
    "The customer and the team are sent the new time. The customer's links stay the same.",
    "The time becomes free for others, and the customer and the team are sent a notice. This cannot be undone.",
)


def draw_move(
    side: Side, view: Mapping[str, Any], base: str, offering: Offering, where: ZoneInfo, **frame: Any
) -> str:
    """The page of `/reschedule`, for a booking that can move."""
    draft = reading.draft()
    choice = choose(offering, where, draft, standing=view["starts_at"])
    page = "move_confirm.html" if choice.slot else "move.html"
    return draw(
        page,
        side=side,
        booking=view,
        base=base,
        choice=choice,
        notice=choice.notice,
        form=form_after(draft, REASON_LABELS),
        **frame,
    )
