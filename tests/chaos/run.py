"""One run: load, faults, healing, and the checker's verdicts."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chaos import faults
from chaos.checker import check
from chaos.load import Load
from chaos.nemesis import Nemesis
from chaos.reading import read_at_rest
from chaos.sampler import Sampler
from chaos.settling import settle
from chaos.site import running
from chaos.world import World

if TYPE_CHECKING:
    from pathlib import Path

    from chaos.case import Verdict
    from chaos.chart import Sample
    from chaos.history import Call
    from chaos.nemesis import Happened
    from chaos.seen import Seen
    from chaos.site import Site

CLIENTS, PAUSE_S = 8, 0.1
_SETTLES_WITHIN_S = 180.0


@dataclass(frozen=True)
class Outcome:
    """Everything that a run has shown."""

    seed: int
    calls: list[Call]
    happened: list[Happened]
    samples: list[Sample]
    verdicts: list[Verdict]
    settled_in_s: float
    seen: Seen

    @property
    def findings(self) -> list[str]:
        return [f"{verdict.rule}: {finding}" for verdict in self.verdicts for finding in verdict.findings]


def run(seconds: float, seed: int, logs: Path) -> Outcome:
    """Start everything, hurt it for so many seconds, let it heal, and check; see `running`."""
    with running("chaos", logs) as site:
        return _under_fire(site, seconds, seed)


def _under_fire(site: Site, seconds: float, seed: int) -> Outcome:
    world = World.of(site, seconds, PAUSE_S)
    load, sampler = Load(world, seed, CLIENTS), Sampler(site, world.now_s)
    nemesis = Nemesis(faults.all_faults(site), seed, world.now_s)
    sampler.start()
    load.start()
    try:
        nemesis.rage(seconds)
    finally:
        nemesis.relent()
        load.stop()
    healed_s = time.monotonic()
    settle(site, _SETTLES_WITHIN_S)
    settled_in_s = time.monotonic() - healed_s
    sampler.stop()
    seen = read_at_rest(site, world.team, world.began_s, _SETTLES_WITHIN_S)
    calls = world.history.calls
    verdicts = check(calls, seen, nemesis.happened)
    return Outcome(seed, calls, nemesis.happened, sampler.samples, verdicts, settled_in_s, seen)
