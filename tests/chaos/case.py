"""What the rules of the checker are given, and what they give back."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chaos.fold import Standing, fold
from chaos.history import WRITES, acts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rebook.cloudevents import Event

    from chaos.history import Call
    from chaos.nemesis import Happened
    from chaos.seen import Seen


@dataclass
class Verdict:
    """What one rule looked at and found."""

    rule: str
    looked_at: int = 0
    findings: list[str] = field(default_factory=list)

    def expect(self, holds: object, sentence: str) -> None:
        """Count one thing that was looked at; the sentence says what is wrong where it does not hold."""
        self.looked_at += 1
        if not holds:
            self.findings.append(sentence)


class Case:
    """The history, what happened meanwhile, and what there is; looked up in the ways that rules need."""

    def __init__(self, calls: Sequence[Call], seen: Seen, happened: Sequence[Happened] = ()) -> None:
        self.calls = calls
        self.writes = [call for call in calls if call.kind in WRITES]
        self.acts = acts(self.writes)
        self.seen = seen
        self.happened = happened
        self.streams: dict[str, list[Event]] = defaultdict(list)
        self.caused_by: dict[str, list[Event]] = defaultdict(list)
        for event in seen.store:
            self.streams[event.subject].append(event)
            self.caused_by[event.correlation_id].append(event)
        self.standings: dict[str, list[Standing]] = {
            subject: fold(events) for subject, events in self.streams.items() if is_booking(events[0])
        }

    def standing(self, booking_id: str, version: int) -> Standing | None:
        """How a booking stood after its event of that version; None where there is no such event."""
        known = self.standings.get(booking_id, [])
        return known[version - 1] if 1 <= version <= len(known) else None


class Rulebook:
    """The rules of one module, in the order in which they are written."""

    def __init__(self) -> None:
        self._rules: dict[str, Callable[[Case, Verdict], None]] = {}

    def rule(self, name: str) -> Callable[[Callable[[Case, Verdict], None]], Callable[[Case, Verdict], None]]:
        """Add a rule by the sentence that it holds Rebook to."""

        def add(look: Callable[[Case, Verdict], None]) -> Callable[[Case, Verdict], None]:
            self._rules[name] = look
            return look

        return add

    def verdicts(self, case: Case) -> Iterator[Verdict]:
        for name, look in self._rules.items():
            verdict = Verdict(name)
            look(case, verdict)
            yield verdict


def is_booking(event: Event) -> bool:
    return event.type == "rebook.BookingConfirmed.v1"
