"""Each process writes to a file of its own; the files stay small."""

from __future__ import annotations

import os
import re
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_LARGEST_BYTES = 10 * 1024 * 1024
_TAIL_BYTES = 4096
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def bound(log: Path) -> None:
    """Move a log that has grown too large aside; one older part is kept.

    The process keeps its file open for appending, so the file is copied and emptied, not renamed.
    """
    if not log.exists() or log.stat().st_size < _LARGEST_BYTES:
        return
    shutil.copyfile(log, log.with_suffix(".log.1"))
    os.truncate(log, 0)


def last_line(log: Path) -> str:
    """What the process said last, without colours; a dash when it said nothing."""
    if not log.exists():
        return "-"
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
        lines = file.read().decode("utf-8", "replace").split("\n")
    said = [_COLOURS.sub("", line).strip() for line in lines]
    return next((line for line in reversed(said) if line), "-")
