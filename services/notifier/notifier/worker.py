"""The notifier's worker process: inbox, reminders, outbox and reporter, each in a thread with its own connection."""

from __future__ import annotations

import signal
import threading
import time
from typing import TYPE_CHECKING

import structlog
from rebook.consumer import Consumer, Work
from rebook.kafka import BOOKINGS
from rebook.moments import utc_now
from rebook.serving import answer_health

from notifier import erasure, reminders
from notifier.database import keep_at, prepare
from notifier.inbox import NAME, Inbox
from notifier.reporting import Reporter
from notifier.sending import Sending

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg2.extensions import connection as Connection  # noqa: N812

    from notifier.settings import WorkerSettings

log = structlog.get_logger()

_REMINDERS_EVERY_S = 1.0
_SETTLED_AFTER_S = 3.0  # of good health before reminders fall due: what waited in Kafka is known then
_STOPS_WITHIN_S = 4.0


class Worker:
    """Everything a worker process does; `run` returns when it was told to stop, or when a part of it broke."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._stop = threading.Event()
        self._has_broken = False
        self._reporter = Reporter(settings)
        self._sending = Sending(settings, self._stop, self._reporter)
        self._inbox = Inbox(settings.mail_domain)
        work = Work(
            NAME,
            (BOOKINGS,),
            self._inbox.handle,
            after_batch=self._wake_outbox,
            prepare=prepare,
            forget=erasure.forget,
        )
        self._consumer = Consumer(settings, settings.database_url, work)

    def run(self) -> bool:
        """Work until SIGTERM or SIGINT; False when it ended because something broke."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stop.set())
        answer_health(self._settings.listen_host, self._settings.worker_port, self._is_ready)
        threads = [
            self._start("inbox", lambda: self._consumer.run(self._stop)),
            self._start("reporter", lambda: self._keep_at("reporter", self._report)),
            self._start("reminders", lambda: self._keep_at("reminders", self._remind)),
            self._start("pulse", lambda: self._keep_at("pulse", self._sending.beat)),
            *(self._start_sender(number) for number in range(self._settings.senders)),
        ]
        log.info("worker started")
        while not self._stop.wait(1):
            pass
        ends_at_s = time.monotonic() + _STOPS_WITHIN_S
        for thread in threads:
            thread.join(max(0.0, ends_at_s - time.monotonic()))
        log.info("worker stopped")
        return not self._has_broken

    def _start(self, name: str, target: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=self._guard, args=(name, target), name=name, daemon=True)
        thread.start()
        return thread

    def _start_sender(self, number: int) -> threading.Thread:
        session = self._sending.sender(number)
        return self._start(f"outbox-{number}", lambda: self._keep_at("outbox", session))

    def _guard(self, name: str, target: Callable[[], None]) -> None:
        """A part that breaks takes the process with it: its supervisor starts all of it afresh."""
        try:
            target()
        except Exception:
            log.exception("part of the worker broke", part=name)
            self._has_broken = True
        finally:
            self._stop.set()

    def _keep_at(self, name: str, session: Callable[[Connection], None]) -> None:
        keep_at(name, self._settings.database_url, self._stop, session)

    def _report(self, connection: Connection) -> None:
        self._reporter.run(connection, self._stop)

    def _remind(self, connection: Connection) -> None:
        well_since_s = time.monotonic()
        while not self._stop.wait(_REMINDERS_EVERY_S):
            with connection, connection.cursor() as cursor:
                is_well = reminders.may_fall_due(cursor, NAME)
            if not is_well:
                well_since_s = time.monotonic()
            elif time.monotonic() - well_since_s >= _SETTLED_AFTER_S:
                self._let_fall_due(connection)

    def _let_fall_due(self, connection: Connection) -> None:
        fallen = 1
        while fallen and not self._stop.is_set():
            with connection, connection.cursor() as cursor:
                fallen = reminders.fall_due(cursor, utc_now(), self._settings.mail_domain)
            if fallen:
                self._sending.wake()

    def _wake_outbox(self) -> None:
        if self._inbox.pop_letters():
            self._sending.wake()

    def _is_ready(self) -> bool:
        return self._consumer.is_connected and self._reporter.has_read_topic.is_set()
