"""Programs that not every machine has: a test that needs one is skipped without it, and never where all must run."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest

EVERYTHING = "REBOOK_REQUIRE_EVERYTHING"  # set to 1 where nothing may be skipped


def program(*names: str) -> str:
    """The path of the first of these programs that this machine has."""
    found = next(filter(None, map(shutil.which, names)), None)
    return found or lacking(f"this machine has no {' or '.join(names)}")


def lacking(what: str) -> NoReturn:
    """Skip the test that needs what is not here, or fail it where nothing may be skipped."""
    if os.environ.get(EVERYTHING) == "1":
        pytest.fail(what)
    pytest.skip(what)
