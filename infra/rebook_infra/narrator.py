"""Tells the person at the terminal what is going on, and stays readable in a file."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from collections.abc import Iterator


class Narrator:
    """Lines for what has happened, and a spinner for what is being waited for."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._status = self._console.status("")

    @contextmanager
    def step(self, doing: str, done: str) -> Iterator[None]:
        """Show `doing` while it lasts and `done` with the time it took afterwards."""
        began_s = time.monotonic()
        self.waiting(doing)
        self._status.start()
        try:
            yield
        finally:
            self._status.stop()
        self._console.print(f"[green]✓[/] {done} [dim]{time.monotonic() - began_s:.1f} s[/]")

    def waiting(self, what: str) -> None:
        self._status.update(f"{what} …")

    def say(self, sentence: str) -> None:
        self._console.print(sentence, markup=False)

    def warn(self, sentence: str) -> None:
        self._console.print(f"! {sentence}", style="yellow", markup=False)

    def show(self, headline: str, facts: dict[str, str]) -> None:
        """A headline and what belongs to it, in two columns."""
        width = max(map(len, facts)) + 2
        self._console.print(f"\n{headline}", style="bold green", markup=False)
        for name, value in facts.items():
            self._console.print(f"  {name:<{width}}{value}", markup=False)
        self._console.print()
