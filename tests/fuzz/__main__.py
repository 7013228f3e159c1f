"""`make fuzz`: FUZZ_REQUESTS (10000) by FUZZ_SEED (printed; random where absent)."""

from __future__ import annotations

import os
import random
import sys

import click

from fuzz.judge import Wrong
from fuzz.run import run


def main() -> int:
    count = int(os.environ.get("FUZZ_REQUESTS") or 10_000)
    seed = int(os.environ.get("FUZZ_SEED") or random.randrange(10**6))
    click.echo(f"FUZZ_SEED={seed} FUZZ_REQUESTS={count}")
    try:
        statuses = run(count, seed)
    except Wrong as wrong:
        click.echo(f"WRONG: {wrong}\nAgain: FUZZ_SEED={seed} FUZZ_REQUESTS={count} make fuzz")
        return 1
    for status, times in sorted(statuses.items()):
        click.echo(f"{status}: {times}")
    click.echo(f"{sum(statuses.values())} requests, and nothing is wrong.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
