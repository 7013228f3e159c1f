"""What a run has shown: tables on the terminal, and files of the whole of it."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from chaos.chart import draw
from chaos.history import UNCERTAIN, History

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from chaos.case import Verdict
    from chaos.history import Call
    from chaos.nemesis import Happened
    from chaos.run import Outcome
    from chaos.seen import Seen

_SHOWN = 5  # findings of one rule
_console = Console(soft_wrap=True)


def show(
    calls: Sequence[Call], happened: Sequence[Happened], verdicts: Sequence[Verdict], seen: Seen
) -> None:
    """Print what was asked, what was done to Rebook, what there is, and what the checker says."""
    outcomes = Counter((call.kind, call.outcome) for call in calls)
    kinds = sorted({call.kind for call in calls})
    names = ("acknowledged", "refused", "uncertain")
    _print("Calls", ("kind", *names), [(kind, *(outcomes[kind, name] for name in names)) for kind in kinds])
    faults = Counter((one.target, one.name) for one in happened)
    _print(
        f"{len(happened)} faults", ("target", "fault", "times"), [(*k, n) for k, n in sorted(faults.items())]
    )
    _print("There is", ("what", "count"), list(_there(calls, seen).items()))
    _print(
        "Checker",
        ("rule", "looked at", "wrong"),
        [(one.rule, one.looked_at, len(one.findings)) for one in verdicts],
    )
    for verdict in verdicts:
        for finding in verdict.findings[:_SHOWN]:
            _console.print(f"WRONG: {verdict.rule}: {finding}", markup=False, highlight=False)


def _there(calls: Sequence[Call], seen: Seen) -> dict[str, int]:
    stored = {event.correlation_id for event in seen.store}
    unsure = {call.correlation_id for call in calls if call.outcome == UNCERTAIN}
    copies = Counter(mail.message_id for mail in seen.mails)
    return {
        "events in the store": len(seen.store),
        "of calls that got no answer": len(stored & unsure),
        "letters": len(copies),
        "that came more than once": sum(count > 1 for count in copies.values()),
    }


def keep(outcome: Outcome, directory: Path) -> Path:
    """Write the chart, whose path this is, and beside it the history of calls and faults."""
    directory.mkdir(parents=True, exist_ok=True)
    History(outcome.calls).save(directory / f"{outcome.seed}-calls.jsonl")
    faults = "".join(f"{json.dumps(one._asdict())}\n" for one in outcome.happened)
    (directory / f"{outcome.seed}-faults.jsonl").write_text(faults)
    title = f"Chaos, seed {outcome.seed}: {len(outcome.happened)} faults, {len(outcome.calls)} calls"
    chart = directory / f"{outcome.seed}.svg"
    chart.write_text(draw(title, outcome.calls, outcome.happened, outcome.samples))
    return chart


def _print(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    table = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 or column == "fault" else "right")
    for row in rows:
        table.add_row(*map(str, row))
    _console.print(table)
