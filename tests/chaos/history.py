"""What clients asked and what they were answered: a line for each call, those without an answer too."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

ACKNOWLEDGED, REFUSED, UNCERTAIN = "acknowledged", "refused", "uncertain"
BOOK, MOVE, CANCEL, RESEND, READ = "book", "move", "cancel", "resend", "read"
WRITES = frozenset({BOOK, MOVE, CANCEL, RESEND})


@dataclass(frozen=True)
class Call:
    """One request. Calls of one `act` carried the same Idempotency-Key: together they are one deed.

    `asked` holds what matters of the request (`booking_id`, `starts_at`, `email`, `if_match`, `min_version`),
    `status` is 0 where no answer came, seconds count from the beginning of the run.
    """

    act: str
    kind: str
    correlation_id: str
    asked: dict[str, Any]
    began_s: float
    ended_s: float
    status: int
    answer: dict[str, Any] = field(default_factory=dict)

    @property
    def code(self) -> str:
        """The code of a refusal, or nothing."""
        return str(self.answer.get("code", ""))

    @property
    def outcome(self) -> str:
        """What the client may believe: done, not done, or (no answer, a server's trouble) either."""
        if 200 <= self.status < 300:
            return ACKNOWLEDGED
        is_refused = 400 <= self.status < 500 or self.code == "busy"
        return REFUSED if is_refused else UNCERTAIN


class History:
    """Every call of a run, in the order of their ends; many threads add to it."""

    def __init__(self, calls: Iterable[Call] = ()) -> None:
        self._calls = list(calls)
        self._lock = threading.Lock()

    def add(self, call: Call) -> None:
        with self._lock:
            self._calls.append(call)

    @property
    def calls(self) -> list[Call]:
        with self._lock:
            return list(self._calls)

    def save(self, path: Path) -> None:
        path.write_text("".join(f"{json.dumps(asdict(call))}\n" for call in self.calls))


def acts(calls: Iterable[Call]) -> dict[str, list[Call]]:
    """Calls by the act that they are attempts at."""
    found: dict[str, list[Call]] = defaultdict(list)
    for call in calls:
        found[call.act].append(call)
    return dict(found)
