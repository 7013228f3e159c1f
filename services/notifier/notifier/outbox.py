"""Sends the letters that are due: one after the other, each decided in a transaction of its own.

The row stays locked while its letter is on the wire, so several senders share the work without ever sending
the same letter, and a sender that dies leaves its letter to the next. Where the server took a letter and the
commit after it was lost, the letter comes twice: SMTP allows no more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parseaddr
from typing import TYPE_CHECKING, Any

import structlog
from prometheus_client import Counter, Histogram

from notifier.deliveries import FAILED, SENT, SKIPPED, decide, prepare, take, try_later
from notifier.judgement import reason_to_skip
from notifier.smtp import RefusedForGood, ServerTrouble, TryAgain

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from psycopg2.extensions import connection as Connection  # noqa: N812
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

    from notifier.deliveries import Due
    from notifier.messages import Press
    from notifier.patience import Breaker, Waits
    from notifier.smtp import MailServer, MailTrouble

log = structlog.get_logger()

_DECIDED = Counter("deliveries_decided_total", "Letters sent, failed or skipped", ["letter", "state"])
_PUT_OFF = Counter("deliveries_put_off_total", "Tries that ended without a decision", ["letter"])
_DELAY = Histogram(
    "delivery_delay_seconds",
    "From what called for a letter to a mail server taking it",
    buckets=(0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 20, 60, 600, 3600),
)


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Patience:
    """How long a letter is tried, and when it is too old."""

    waits: Waits
    tries: int
    max_age: timedelta


class Outbox:
    """One sender with its connection to the mail server."""

    def __init__(
        self,
        press: Press,
        server: MailServer,
        breaker: Breaker,
        patience: Patience,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._press = press
        self._server = server
        self._breaker = breaker
        self._patience = patience
        self._now = now
        self._sender = parseaddr(press.settings.mail_from)[1]
        self._connection: Connection | None = None
        self._taken: UUID | None = None  # what the server has, while its row does not say so yet

    @property
    def server_is_well(self) -> bool:
        return not self._breaker.is_open

    def send_next(self, connection: Connection) -> bool:
        """Decide or put off one letter; False when none is due or the mail server is left alone for now."""
        now = self._now()
        if not self._breaker.allows(now):
            return False
        self._work_with(connection)
        with connection, connection.cursor() as cursor:
            due = take(cursor, now)
            went_on = due is not None and self._attend_to(cursor, due)
        self._taken = None
        return went_on

    def look_at_server(self) -> None:
        """While nothing is due, find out every few seconds whether something could be sent."""
        if not self._breaker.allows(self._now()):
            return
        try:
            if self._server.look():
                self._breaker.worked()
        except ServerTrouble as trouble:
            self._give_it_a_rest(trouble)

    def close(self) -> None:
        self._server.quit()

    def _work_with(self, connection: Connection) -> None:
        if connection is not self._connection:
            prepare(connection)
            self._connection = connection

    def _attend_to(self, cursor: Cursor, due: Due) -> bool:
        if due.letter.delivery_id == self._taken:
            self._decide(cursor, due, SENT)
            return True
        if skip := reason_to_skip(due, self._now(), self._patience.max_age):
            self._decide(cursor, due, SKIPPED, skip)
            return True
        try:
            self._server.connect()
        except ServerTrouble as trouble:
            self._give_it_a_rest(trouble)
            return False
        return self._send(cursor, due)

    def _send(self, cursor: Cursor, due: Due) -> bool:
        try:
            message = self._press.message(due.letter, self._now())
        except Exception as error:
            log.exception("letter cannot be written", **_facts(due))
            self._decide(cursor, due, FAILED, f"The letter cannot be written: {type(error).__name__}.")
            return True
        try:
            self._server.send(self._sender, due.letter.recipient, message)
        except ServerTrouble as trouble:
            self._defer(cursor, due, trouble)
            return False
        except TryAgain as trouble:
            self._try_again(cursor, due, trouble)
        except RefusedForGood as refusal:
            self._decide(cursor, due, FAILED, str(refusal))
        else:
            self._taken = due.letter.delivery_id
            self._decide(cursor, due, SENT)
        self._breaker.worked()
        return True

    def _decide(self, cursor: Cursor, due: Due, state: str, reason: str = "") -> None:
        now = self._now()
        decide(cursor, due, state, reason, now)
        _DECIDED.labels(due.letter.name, state).inc()
        if state == SENT:
            _DELAY.observe(max(0.0, (now - due.letter.fell_due_at).total_seconds()))
        log.info(f"email {state}", reason=reason, **_facts(due))

    def _try_again(self, cursor: Cursor, due: Due, trouble: TryAgain) -> None:
        """Later, unless this was the last try."""
        counted = replace(due, tries=due.tries + 1)
        if counted.tries >= self._patience.tries:
            self._decide(cursor, counted, FAILED, f"{trouble} That was try {counted.tries}, the last.")
        else:
            wait = self._patience.waits.after(counted.tries)
            self._put_off(cursor, counted, trouble, wait)

    def _defer(self, cursor: Cursor, due: Due, trouble: ServerTrouble) -> None:
        """Let another letter be the next probe, should it be this one that the server chokes on."""
        counted = replace(due, deferrals=due.deferrals + 1)
        self._put_off(cursor, counted, trouble, self._patience.waits.after(counted.deferrals))
        self._give_it_a_rest(trouble)

    def _put_off(self, cursor: Cursor, due: Due, trouble: MailTrouble, wait: timedelta) -> None:
        try_later(cursor, due, str(trouble), self._now() + wait)
        _PUT_OFF.labels(due.letter.name).inc()
        log.warning("email put off", reason=str(trouble), wait_s=wait.total_seconds(), **_facts(due))

    def _give_it_a_rest(self, trouble: ServerTrouble) -> None:
        self._breaker.failed(self._now())
        log.warning("mail server in trouble", reason=str(trouble))


def _facts(due: Due) -> dict[str, Any]:
    """What a log line may say about a letter: ids, no names, no addresses."""
    return {
        "letter": due.letter.name,
        "delivery_id": str(due.letter.delivery_id),
        "booking_id": str(due.letter.booking.booking_id),
        "correlation_id": due.correlation_id,
    }
