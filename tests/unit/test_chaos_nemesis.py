"""How the nemesis of `make chaos` chooses, at faults that only say what they do and a clock that leaps."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from chaos.faults import Fault
from chaos.nemesis import Nemesis

if TYPE_CHECKING:
    from collections.abc import Callable

TARGETS = ("gateway", "kafka", "postgres", "relay", "smtp")


def told(seed: int, said: list[str]) -> Nemesis:
    """A nemesis for whom every look at the clock takes a tenth of a second."""

    def fault(target: str) -> Fault:
        def begin() -> Callable[[], None]:
            said.append(f"+{target}")
            return lambda: said.append(f"-{target}")

        return Fault("killed", target, begin, (0.5, 3.0), 1.0)

    ticks = itertools.count()
    return Nemesis([fault(target) for target in TARGETS], seed, lambda: next(ticks) / 10, lambda _: None)


def raged(seed: int) -> list[str]:
    said: list[str] = []
    nemesis = told(seed, said)
    nemesis.rage(20)
    nemesis.relent()
    return said


def test_the_same_seed_does_the_same_harm_in_the_same_order():
    assert raged(7) == raged(7) != raged(8)


def test_nothing_is_harmed_twice_at_once_and_everything_is_undone_in_the_end():
    harmed: set[str] = set()
    for what in raged(7):
        if what.startswith("+"):
            assert what[1:] not in harmed
            harmed.add(what[1:])
        else:
            harmed.remove(what[1:])
        assert len(harmed) <= 2
    assert not harmed


def test_what_happened_is_remembered_with_its_times():
    said: list[str] = []
    nemesis = told(7, said)
    nemesis.rage(20)
    nemesis.relent()
    assert sorted(one.target for one in nemesis.happened) == sorted(
        what[1:] for what in said if what.startswith("+")
    )
    assert all(one.began_s < one.ended_s for one in nemesis.happened)
