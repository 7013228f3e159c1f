"""`make soak`: SOAK_SECONDS (300) of steady load by SOAK_SEED (printed; random where absent)."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import click
from chaos import report

from soak.run import run


def main() -> int:
    seconds = float(os.environ.get("SOAK_SECONDS") or 300)
    seed = int(os.environ.get("SOAK_SEED") or random.randrange(10**6))
    click.echo(f"SOAK_SEED={seed} SOAK_SECONDS={seconds:g}")
    soaked = run(seconds, seed, Path("build/soak") / f"{seed}-logs")
    report.show(soaked.calls, (), soaked.verdicts, soaked.seen)
    for one in soaked.growths:
        told = f"{one.name}: {one.typical:.0f}, grown by {one.grown:+.0f} of at most {one.allowed:.0f}"
        click.echo(told if one.is_flat else f"WRONG: {told}")
    for call in soaked.failed:
        click.echo(f"WRONG: {call.kind} at {call.began_s:.1f} s got {call.status} {call.answer}")
    found = len(soaked.findings)
    click.echo(f"{len(soaked.calls)} calls; {found or 'nothing'} wrong. Again: SOAK_SEED={seed} make soak")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
