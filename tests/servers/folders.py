"""Folders of servers that are gone."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from servers.waiting import until

if TYPE_CHECKING:
    from pathlib import Path


def remove(folder: Path) -> None:
    """Remove a folder with all that is in it; children of a server that was killed may write for a moment more."""
    until(lambda: _is_gone(folder), 30, f"{folder} being gone")


def _is_gone(folder: Path) -> bool:
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()
