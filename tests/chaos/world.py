"""What the clients of a run share: where Rebook is, which bookings there are, and what an act is."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from chaos import offers
from chaos.history import History

if TYPE_CHECKING:
    from chaos.site import Site


@dataclass(frozen=True)
class Known:
    """A booking that somebody was told of, at the version they were told."""

    booking_id: str
    link: str
    meeting_type: str
    version: int


@dataclass
class World:
    """What all clients share."""

    url: str
    team: dict[str, str]  # the headers of a team member
    history: History
    days: int  # that have times on offer
    pause_s: float
    stop: threading.Event = field(default_factory=threading.Event)
    began_s: float = field(default_factory=time.monotonic)
    known: dict[str, Known] = field(default_factory=dict)

    @classmethod
    def of(cls, site: Site, seconds: float, pause_s: float) -> World:
        """The world of a run of so many seconds, with enough on offer for all of it."""
        team = offers.team_headers(site.stack)
        days = max(10, int(seconds / 2))
        offers.offer(site.url, team, days)
        return cls(site.url, team, History(), days, pause_s)

    def now_s(self) -> float:
        return time.monotonic() - self.began_s


@dataclass(frozen=True)
class Request:
    """One act, to be tried until it is answered."""

    kind: str
    path: str
    body: dict[str, Any]
    asked: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)
    act: str = field(default_factory=lambda: str(uuid4()))
