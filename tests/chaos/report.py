"""What a run has shown, for people: tables on the terminal."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaos.case import Verdict
    from chaos.history import Call
    from chaos.nemesis import Happened

_SHOWN = 5  # findings of one rule
_console = Console(soft_wrap=True)


def show(calls: Sequence[Call], happened: Sequence[Happened], verdicts: Sequence[Verdict]) -> None:
    """Print what was asked, what was done to Rebook, and what the checker says."""
    outcomes = Counter((call.kind, call.outcome) for call in calls)
    kinds = sorted({call.kind for call in calls})
    names = ("acknowledged", "refused", "uncertain")
    _print("Calls", ("kind", *names), [(kind, *(outcomes[kind, name] for name in names)) for kind in kinds])
    faults = Counter((one.target, one.name) for one in happened)
    _print(
        f"{len(happened)} faults", ("target", "fault", "times"), [(*k, n) for k, n in sorted(faults.items())]
    )
    _print(
        "Checker",
        ("rule", "looked at", "wrong"),
        [(one.rule, one.looked_at, len(one.findings)) for one in verdicts],
    )
    for verdict in verdicts:
        for finding in verdict.findings[:_SHOWN]:
            _console.print(f"WRONG: {verdict.rule}: {finding}", markup=False, highlight=False)


def _print(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    table = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 or column == "fault" else "right")
    for row in rows:
        table.add_row(*map(str, row))
    _console.print(table)
