"""Which letters this process has in hand: on the wire, or with the mail server without the database knowing yet.

A row's lock says so too, as long as the sender's connection to the database lives.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID


class Hands:
    """Shared by the senders of one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._on_the_wire: set[UUID] = set()
        self._handed_over: set[UUID] = set()

    def take(self, delivery_id: UUID) -> bool:
        """Take a letter up to send it; False when another sender of this process has it on the wire."""
        with self._lock:
            is_free = delivery_id not in self._on_the_wire
            self._on_the_wire.add(delivery_id)
            return is_free

    def has_handed_over(self, delivery_id: UUID) -> bool:
        """Whether the mail server took it, although its row does not say so."""
        with self._lock:
            return delivery_id in self._handed_over

    def hand_over(self, delivery_id: UUID) -> None:
        """The mail server has it."""
        with self._lock:
            self._handed_over.add(delivery_id)

    def put_down(self, delivery_id: UUID) -> None:
        """It is not on the wire any more."""
        with self._lock:
            self._on_the_wire.discard(delivery_id)

    def forget(self, delivery_id: UUID) -> None:
        """Its row says what became of it."""
        with self._lock:
            self._handed_over.discard(delivery_id)
