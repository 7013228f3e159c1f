"""A short run of `make chaos`, by a seed: part of what every change must pass."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from chaos import report
from chaos.run import run

SECONDS = 20
SEED = int(os.environ.get("CHAOS_SEED") or 2030)
BUILD = Path("build/chaos")


@pytest.mark.under_fire
def test_what_was_acknowledged_survives_the_loss_of_everything_else():
    outcome = run(SECONDS, SEED, BUILD / f"{SEED}-logs")
    report.show(outcome.calls, outcome.happened, outcome.verdicts, outcome.seen)
    report.keep(outcome, BUILD)
    assert outcome.findings == []
    assert outcome.happened
