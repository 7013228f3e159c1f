"""Looking at something that runs, again and again, while something else is done."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod


class Watch(ABC):
    """A thread of its own, from `start` until `stop`."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    @abstractmethod
    def look(self) -> None:
        """Look once."""

    def _watch(self) -> None:
        while not self._stop.wait(self._every_s):
            self.look()
