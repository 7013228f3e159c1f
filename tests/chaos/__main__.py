"""`make chaos`: CHAOS_SECONDS (60) of load and faults by CHAOS_SEED (printed; random where absent)."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import click

from chaos import report
from chaos.run import run

BUILD = Path("build/chaos")


def main() -> int:
    seconds = float(os.environ.get("CHAOS_SECONDS") or 60)
    seed = int(os.environ.get("CHAOS_SEED") or random.randrange(10**6))
    click.echo(f"CHAOS_SEED={seed} CHAOS_SECONDS={seconds:g}")
    outcome = run(seconds, seed, BUILD / f"{seed}-logs")
    report.show(outcome.calls, outcome.happened, outcome.verdicts, outcome.seen)
    chart = report.keep(outcome, BUILD)
    click.echo(f"At rest {outcome.settled_in_s:.1f} s after the last fault. Chart: {chart}")
    click.echo(
        f"The checker found {len(outcome.findings) or 'nothing'} wrong. Again: CHAOS_SEED={seed} make chaos"
    )
    return 1 if outcome.findings else 0


if __name__ == "__main__":
    sys.exit(main())
