"""One soak: steady load that is measured, then restarts under load, then the checker."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chaos.checker import check
from chaos.history import READ, UNCERTAIN
from chaos.load import Load
from chaos.reading import read_at_rest
from chaos.site import running
from chaos.world import World

from soak.measures import Measures
from soak.restarts import restart_all

if TYPE_CHECKING:
    from pathlib import Path

    from chaos.case import Verdict
    from chaos.history import Call
    from chaos.seen import Seen
    from chaos.site import Site

    from soak.slope import Growth

_CLIENTS, _PAUSE_S = 4, 0.15
_SETTLES_WITHIN_S = 60.0


@dataclass(frozen=True)
class Soaked:
    """What grew, which calls went without an answer while nothing but restarts happened, and what is left."""

    growths: list[Growth]
    calls: list[Call]
    failed: list[Call]
    verdicts: list[Verdict]
    seen: Seen

    @property
    def findings(self) -> list[str]:
        grown = [
            f"{one.name} grew by {one.grown:.0f} from {one.typical:.0f}"
            for one in self.growths
            if not one.is_flat
        ]
        failed = [
            f"{call.kind} at {call.began_s:.1f} s got {call.status} {call.answer}" for call in self.failed
        ]
        wrong = [f"{verdict.rule}: {finding}" for verdict in self.verdicts for finding in verdict.findings]
        return grown + failed + wrong


def run(seconds: float, seed: int, logs: Path) -> Soaked:
    """Soak for so many seconds, restart everything, and check; see `running`."""
    with running("soak", logs) as site:
        return _soak(site, seconds, seed)


def _soak(site: Site, seconds: float, seed: int) -> Soaked:
    world = World.of(site, seconds, _PAUSE_S)
    load, measures = Load(world, seed, _CLIENTS), Measures(site, world.now_s)
    measures.start()
    load.start()
    try:
        threading.Event().wait(seconds)
        measures.stop()
        restart_all(site)
    finally:
        load.stop()
    seen = read_at_rest(site, world.team, world.began_s, _SETTLES_WITHIN_S)
    calls = world.history.calls
    failed = [call for call in calls if _has_failed(call)]
    return Soaked(measures.growths(), calls, failed, check(calls, seen), seen)


def _has_failed(call: Call) -> bool:
    """A read of a version that is not shown yet is told to come again, which is an answer."""
    return call.outcome == UNCERTAIN and not (call.kind == READ and call.code == "not-yet")
