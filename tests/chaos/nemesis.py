"""Chooses what fails next, for how long, and at how many places at once; remembers what it did, and when."""

from __future__ import annotations

import random
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chaos.faults import Fault

_AT_ONCE = 2
_LOOK_EVERY_S = 0.05
_REST_S = (0.0, 1.2)
_NOT_AGAIN_FOR = 2  # the faults begun since; a place must have stood up before it is hit again


class Happened(NamedTuple):
    """One fault of the past; seconds count from the beginning of the run."""

    name: str
    target: str
    began_s: float
    ended_s: float


@dataclass(frozen=True)
class _UnderWay:
    fault: Fault
    undo: Callable[[], None]
    began_s: float
    until_s: float


class Nemesis:
    """Works in the caller's thread; the same seed chooses the same faults in the same order."""

    def __init__(
        self,
        faults: Sequence[Fault],
        seed: int,
        now_s: Callable[[], float],
        rest: Callable[[float], object] = time.sleep,
    ) -> None:
        self._faults = faults
        self._chance = random.Random(f"{seed}:nemesis")
        self._now_s = now_s
        self._under_way: list[_UnderWay] = []
        self._lately: deque[str] = deque(maxlen=_NOT_AGAIN_FOR)
        self._rest = rest
        self.happened: list[Happened] = []

    def rage(self, until_s: float) -> None:
        """Do harm until then; whatever is under way stays so until `relent`."""
        next_at_s = 0.0
        while self._now_s() < until_s:
            self._end(self._now_s())
            if len(self._under_way) < _AT_ONCE and self._now_s() >= next_at_s:
                self._begin()
                next_at_s = self._now_s() + self._chance.uniform(*_REST_S)
            self._rest(_LOOK_EVERY_S)

    def relent(self) -> None:
        """End every fault that is under way."""
        self._end(float("inf"))

    def _begin(self) -> None:
        spared = {one.fault.target for one in self._under_way} | set(self._lately)
        open_to_harm = [fault for fault in self._faults if fault.target not in spared]
        [fault] = self._chance.choices(open_to_harm, [fault.weight for fault in open_to_harm])
        lasts_s = self._chance.uniform(*fault.lasts_s)
        self._lately.append(fault.target)
        began_s = self._now_s()
        self._under_way.append(_UnderWay(fault, fault.begin(), began_s, began_s + lasts_s))

    def _end(self, now_s: float) -> None:
        for one in [one for one in self._under_way if one.until_s <= now_s]:
            one.undo()
            self._under_way.remove(one)
            self.happened.append(Happened(one.fault.name, one.fault.target, one.began_s, self._now_s()))
