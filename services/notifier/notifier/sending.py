"""The senders of one worker process, and what they say about themselves."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

from rebook.manage_links import ManageLinks

from notifier.hands import Hands
from notifier.messages import Press
from notifier.outbox import Outbox, Patience, Shared
from notifier.patience import Breaker, Waits
from notifier.pulse import Pulse
from notifier.smtp import MailServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg2.extensions import connection as Connection  # noqa: N812

    from notifier.reporting import Reporter
    from notifier.settings import WorkerSettings

_LOOK_EVERY_S = 0.5  # for letters whose wait is over, or that another worker's inbox made
_BEAT_EVERY_S = 1.0
_STUCK_AFTER_S = 5.0  # with one letter
_PROBE_WAITS = Waits(timedelta(seconds=1), timedelta(seconds=10))


class Sending:
    """Several senders with one circuit breaker; nothing leaves before it is known what has left already."""

    def __init__(self, settings: WorkerSettings, stop: threading.Event, reporter: Reporter) -> None:
        self._stop = stop
        self._reporter = reporter
        self._shared = shared_by(settings)
        self._outboxes = [Outbox(self._shared, MailServer(settings)) for _ in range(settings.senders)]
        self._wakers = [threading.Event() for _ in self._outboxes]

    def wake(self) -> None:
        """Something is due."""
        for waker in self._wakers:
            waker.set()

    def sender(self, number: int) -> Callable[[Connection], None]:
        """The session of one sender; the first also looks at the mail server while nothing is due."""
        outbox, waker = self._outboxes[number], self._wakers[number]

        def session(connection: Connection) -> None:
            while self._may_go_on():
                if outbox.send_due(connection, self._goes_on):
                    continue
                if number == 0:
                    outbox.look_at_server()
                waker.wait(_LOOK_EVERY_S)
                waker.clear()
            outbox.close()

        return session

    def beat(self, connection: Connection) -> None:
        """Say every second that the senders live, and whether the mail server lets itself be used."""
        pulse = Pulse()
        while self._may_go_on():
            pulse.beat(connection, server_is_well=self._server_is_well())
            self._stop.wait(_BEAT_EVERY_S)
        pulse.end(connection)

    def _goes_on(self) -> bool:
        self._reporter.wake.set()
        return not self._stop.is_set()

    def _may_go_on(self) -> bool:
        while not self._stop.is_set():
            if self._reporter.has_read_topic.wait(_LOOK_EVERY_S):
                return True
        return False

    def _server_is_well(self) -> bool:
        is_stuck = any(outbox.busy_s > _STUCK_AFTER_S for outbox in self._outboxes)
        return not (self._shared.breaker.is_open or is_stuck)


def shared_by(settings: WorkerSettings) -> Shared:
    """What the settings say about every sender."""
    first, longest = (
        timedelta(milliseconds=wait)
        for wait in (settings.letter_first_wait_ms, settings.letter_longest_wait_ms)
    )
    max_age = timedelta(hours=settings.letter_max_age_hours)
    return Shared(
        Press(settings, ManageLinks(settings.manage_link_keys, settings.public_url)),
        Breaker(_PROBE_WAITS),
        Hands(),
        Patience(Waits(first, longest), settings.letter_tries, max_age),
    )
