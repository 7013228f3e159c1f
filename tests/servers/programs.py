"""Programs that not every machine has: a test that needs one is skipped without it, and never where all must run."""

from __future__ import annotations

import os
import shutil

import pytest

EVERYTHING = "REBOOK_REQUIRE_EVERYTHING"  # set to 1 where nothing may be skipped


def program(*names: str) -> str:
    """The path of the first of these programs that this machine has."""
    for name in names:
        if found := shutil.which(name):
            return found
    missing = f"this machine has no {' or '.join(names)}"
    if os.environ.get(EVERYTHING) == "1":
        pytest.fail(missing)
    pytest.skip(missing)
