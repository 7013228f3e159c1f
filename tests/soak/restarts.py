"""Restarts every process as its operator would, one after the other, while calls go on."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import psutil
from chaos.site import STANDBYS, WEB, WORKERS
from servers.waiting import until

if TYPE_CHECKING:
    from chaos.site import Site

_WITHIN_S = 60.0


def restart_all(site: Site) -> None:
    """Web processes by SIGHUP, which replaces their workers; the others by SIGTERM, while a standby takes over."""
    for name in WEB:
        _reload(site, name)
    for name in (*WORKERS, *STANDBYS):
        _start_again(site, name)


def _reload(site: Site, name: str) -> None:
    leader = site.pid(name)
    assert leader
    before = _workers(leader)
    os.kill(leader, signal.SIGHUP)
    until(
        lambda: len(_workers(leader)) >= len(before) and not before & _workers(leader),
        _WITHIN_S,
        f"new workers of {name}",
    )


def _start_again(site: Site, name: str) -> None:
    before = site.pid(name)
    assert before
    os.kill(before, signal.SIGTERM)
    until(lambda: site.pid(name) not in {before, None}, _WITHIN_S, f"a new {name}")
    until(lambda: site.is_ready(name), _WITHIN_S, f"{name} being ready")


def _workers(leader: int) -> set[int]:
    return {child.pid for child in psutil.Process(leader).children()}
