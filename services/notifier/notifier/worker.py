"""The notifier's worker process: inbox, reminders, outbox and reporter, each in a thread with its own connection."""

from __future__ import annotations

import signal
import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog
from rebook.consumer import Consumer, Work
from rebook.kafka import BOOKINGS
from rebook.manage_links import ManageLinks
from rebook.serving import answer_health

from notifier import reminders
from notifier.database import keep_at, prepare
from notifier.health import Pulse
from notifier.inbox import NAME, Inbox
from notifier.messages import Press
from notifier.outbox import Outbox, Patience, utc_now
from notifier.patience import Breaker, Waits
from notifier.reporting import Reporter
from notifier.smtp import MailServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg2.extensions import connection as Connection  # noqa: N812
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

    from notifier.settings import WorkerSettings

log = structlog.get_logger()

_LOOK_EVERY_S = 0.5  # for letters whose wait is over, or that another worker's inbox made
_REMINDERS_EVERY_S = 1.0
_SETTLED_AFTER_S = 3.0  # of good health before reminders fall due: what waited in Kafka is known then
_PROBE_WAITS = Waits(timedelta(seconds=1), timedelta(seconds=10))
_STOPS_WITHIN_S = 4.0


class Worker:
    """Everything a worker process does; `run` returns when it was told to stop, or when a part of it broke."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._stop = threading.Event()
        self._due = threading.Event()
        self._has_broken = False
        self._reporter = Reporter(settings)
        self._outbox = outbox_of(settings)
        self._inbox = Inbox(settings.mail_domain)
        work = Work(NAME, (BOOKINGS,), self._inbox.handle, after_batch=self._wake_outbox, prepare=prepare)
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
            self._start("outbox", lambda: self._keep_at("outbox", self._send)),
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

    def _send(self, connection: Connection) -> None:
        """Nothing leaves before it is known what has left already."""
        while not self._reporter.has_read_topic.wait(_LOOK_EVERY_S):
            if self._stop.is_set():
                return
        pulse = Pulse()
        while not self._stop.is_set():
            if self._outbox.send_next(connection):
                self._reporter.wake.set()
            else:
                self._outbox.look_at_server()
                self._due.wait(_LOOK_EVERY_S)
                self._due.clear()
            pulse.beat(connection, server_is_well=self._outbox.server_is_well)
        pulse.end(connection)
        self._outbox.close()

    def _remind(self, connection: Connection) -> None:
        well_since_s = time.monotonic()
        while not self._stop.wait(_REMINDERS_EVERY_S):
            with connection, connection.cursor() as cursor:
                if not reminders.may_fall_due(cursor, NAME):
                    well_since_s = time.monotonic()
                elif time.monotonic() - well_since_s >= _SETTLED_AFTER_S:
                    self._let_fall_due(cursor)

    def _let_fall_due(self, cursor: Cursor) -> None:
        if reminders.fall_due(cursor, utc_now(), self._settings.mail_domain):
            self._due.set()

    def _wake_outbox(self) -> None:
        if self._inbox.pop_letters():
            self._due.set()

    def _is_ready(self) -> bool:
        return self._consumer.is_connected and self._reporter.has_read_topic.is_set()


def outbox_of(settings: WorkerSettings) -> Outbox:
    """The sender that the settings describe."""
    milliseconds = timedelta(milliseconds=1)
    waits = Waits(
        settings.letter_first_wait_ms * milliseconds, settings.letter_longest_wait_ms * milliseconds
    )
    return Outbox(
        Press(settings, ManageLinks(settings.manage_link_keys, settings.public_url)),
        MailServer(settings),
        Breaker(_PROBE_WAITS),
        Patience(waits, settings.letter_tries, timedelta(hours=settings.letter_max_age_hours)),
    )
