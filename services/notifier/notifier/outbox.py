"""Sends the letters that are due: one after the other, each decided for good before the next is touched.

A sender that dies leaves its letter to the next. Where the server took a letter and that was not kept, the letter
comes twice: SMTP allows no more.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from email.utils import parseaddr
from typing import TYPE_CHECKING

import structlog
from rebook.moments import utc_now

from notifier import telling
from notifier.deliveries import FAILED, PENDING, SENT, SKIPPED
from notifier.judgement import reason_to_skip
from notifier.mail_trouble import MailTrouble, RefusedForGood, ServerTrouble
from notifier.queue import Outcome, Queue

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta

    from psycopg2.extensions import connection as Connection  # noqa: N812

    from notifier.hands import Hands
    from notifier.messages import Press
    from notifier.patience import Breaker, Waits
    from notifier.queue import Due
    from notifier.smtp import MailServer

log = structlog.get_logger()


def always() -> bool:
    return True


@dataclass(frozen=True)
class Patience:
    """How long a letter is tried, and when it is too old."""

    waits: Waits
    tries: int
    max_age: timedelta


@dataclass(frozen=True)
class Shared:
    """What the senders of one process have in common."""

    press: Press
    breaker: Breaker
    hands: Hands
    patience: Patience


class Outbox:
    """One sender with its connection to the mail server."""

    def __init__(self, shared: Shared, server: MailServer, now: Callable[[], datetime] = utc_now) -> None:
        self.shared = shared
        self._server = server
        self._now = now
        self._from = parseaddr(shared.press.settings.mail_from)[1]
        self._connection: Connection | None = None
        self._began_at_s: float | None = None

    @property
    def busy_s(self) -> float:
        """For how long it has been at the letter that it has in hand."""
        began_at_s = self._began_at_s
        return 0.0 if began_at_s is None else time.monotonic() - began_at_s

    def send_due(self, connection: Connection, goes_on: Callable[[], bool] = always) -> int:
        """Send until nothing is due, the mail server is to be left alone, or `goes_on` says no.

        How many letters were decided or put off.
        """
        queue = self._queue_on(connection)
        settled = 0
        with self.shared.breaker.turn(self._now()) as may:
            due = queue.take(self._now()) if may else None
            while due is not None:
                outcome = self._attend_to(due)
                if outcome is None:
                    queue.release()
                    break
                due = self._settle(queue, outcome, goes_on)
                settled += 1
        return settled

    def look_at_server(self) -> None:
        """While nothing is due, find out every few seconds whether something could be sent."""
        with self.shared.breaker.turn(self._now()) as may:
            try:
                if may and self._server.look():
                    self.shared.breaker.worked()
            except ServerTrouble as trouble:
                self._give_it_a_rest(trouble)

    def close(self) -> None:
        self._server.quit()

    def _queue_on(self, connection: Connection) -> Queue:
        if connection is not self._connection:
            self._queue = Queue(connection)
            self._connection = connection
        return self._queue

    def _attend_to(self, due: Due) -> Outcome | None:
        """Send it, unless there is a reason not to; None when it is nobody's turn to touch it."""
        hands = self.shared.hands
        if not hands.take(due.letter.delivery_id):
            return None
        self._began_at_s = time.monotonic()
        try:
            return self._outcome(due)
        finally:
            self._began_at_s = None
            hands.put_down(due.letter.delivery_id)

    def _outcome(self, due: Due) -> Outcome | None:
        if self.shared.hands.has_handed_over(due.letter.delivery_id):
            return self._decided(due, SENT)
        if skip := reason_to_skip(due, self._now(), self.shared.patience.max_age):
            return self._decided(due, SKIPPED, skip)
        try:
            self._server.connect()
        except ServerTrouble as trouble:
            self._give_it_a_rest(trouble)
            return None
        return self._sent(due)

    def _sent(self, due: Due) -> Outcome:
        try:
            message = self.shared.press.message(due.letter, self._now())
        except Exception as error:
            log.exception("letter cannot be written", **telling.facts(due))
            return self._decided(due, FAILED, f"The letter cannot be written: {type(error).__name__}.")
        try:
            self._server.send(self._from, due.letter.recipient, message)
        except ServerTrouble as trouble:
            self._give_it_a_rest(trouble)
            return self._deferred(due, trouble)
        except MailTrouble as trouble:
            self.shared.breaker.worked()
            return self._refused(due, trouble)
        self.shared.hands.hand_over(due.letter.delivery_id)
        self.shared.breaker.worked()
        return self._decided(due, SENT)

    def _refused(self, due: Due, trouble: MailTrouble) -> Outcome:
        """Later, unless it was for good or this was the last try."""
        counted = replace(due, tries=due.tries + 1)
        if isinstance(trouble, RefusedForGood):
            return self._decided(counted, FAILED, str(trouble))
        if counted.tries >= self.shared.patience.tries:
            return self._decided(counted, FAILED, f"{trouble} That was try {counted.tries}, the last.")
        return self._put_off(counted, trouble, counted.tries)

    def _deferred(self, due: Due, trouble: ServerTrouble) -> Outcome:
        """Let another letter be the next probe, should it be this one that the server chokes on."""
        counted = replace(due, deferrals=due.deferrals + 1)
        return self._put_off(counted, trouble, counted.deferrals)

    def _decided(self, due: Due, state: str, reason: str = "") -> Outcome:
        return Outcome(due, state, reason, self._now())

    def _put_off(self, due: Due, trouble: MailTrouble, failures: int) -> Outcome:
        return Outcome(due, PENDING, str(trouble), self._now() + self.shared.patience.waits.after(failures))

    def _settle(self, queue: Queue, outcome: Outcome, goes_on: Callable[[], bool]) -> Due | None:
        """Keep what became of a letter; the next one, if there is to be one."""
        following = None
        if self.shared.breaker.is_open or not goes_on():
            queue.settle(outcome)
        else:
            following = queue.settle_and_take(outcome, self._now())
        self.shared.hands.forget(outcome.due.letter.delivery_id)
        telling.tell(outcome)
        return following

    def _give_it_a_rest(self, trouble: ServerTrouble) -> None:
        self.shared.breaker.failed(self._now())
        log.warning("mail server in trouble", reason=str(trouble))
