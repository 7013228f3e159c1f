"""`make chaos`: CHAOS_SECONDS (60) of load and faults by CHAOS_SEED (printed; random where absent)."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import click

from chaos import report
from chaos.chart import draw
from chaos.history import History
from chaos.run import run

_BUILD = Path("build/chaos")


def main() -> int:
    seconds = float(os.environ.get("CHAOS_SECONDS") or 60)
    seed = int(os.environ.get("CHAOS_SEED") or random.randrange(10**6))
    click.echo(f"CHAOS_SEED={seed} CHAOS_SECONDS={seconds:g}")
    outcome = run(seconds, seed, _BUILD / f"{seed}-logs")
    report.show(outcome.calls, outcome.happened, outcome.verdicts)
    _BUILD.mkdir(parents=True, exist_ok=True)
    title = f"{seconds:g} seconds of chaos, seed {seed}: {len(outcome.happened)} faults, {len(outcome.calls)} calls"
    chart, history = _BUILD / f"{seed}.svg", _BUILD / f"{seed}.jsonl"
    chart.write_text(draw(title, outcome.calls, outcome.happened, outcome.samples))
    History(outcome.calls).save(history)
    click.echo(
        f"At rest {outcome.settled_in_s:.1f} s after the last fault. Chart: {chart}; history: {history}"
    )
    click.echo(
        f"The checker found {len(outcome.findings) or 'nothing'} wrong. Again: CHAOS_SEED={seed} make chaos"
    )
    return 1 if outcome.findings else 0


if __name__ == "__main__":
    sys.exit(main())
