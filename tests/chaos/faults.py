"""Everything that can be done to Rebook and to what it stands on, and how each is undone."""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil
import psycopg2
from rebook.kafka import KafkaError, admin
from rebook.topics import PARTITIONS

from chaos.site import STANDBYS, WEB, WORKERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaos.site import Site

_PAST_THE_SESSION_S = (7.0, 9.0)  # Kafka hands a consumer's partitions on after 6
_CONNECTIONS_MAX = 300


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong at a `target` for a time; `begin` does it and gives back how to end it.

    `weight` is how often it is chosen, relative to the others.
    """

    name: str
    target: str
    begin: Callable[[], Callable[[], None]]
    lasts_s: tuple[float, float]
    weight: float


def all_faults(site: Site) -> list[Fault]:
    return [*_of_processes(site), *_of_postgres(site), *_of_kafka(site), *_of_mail(site)]


def _of_processes(site: Site) -> list[Fault]:
    found = []
    for name in (*WEB, *WORKERS, *STANDBYS):
        found += [
            Fault("killed", name, lambda name=name: _signal(site, name, signal.SIGKILL), (0.1, 1.0), 1.0),
            Fault(
                "told to stop", name, lambda name=name: _signal(site, name, signal.SIGTERM), (0.1, 1.0), 0.3
            ),
            Fault("frozen", name, lambda name=name: _freeze(site, name), (0.3, 4.0), 0.7),
        ]
        if name not in WEB:
            long = Fault("paused", name, lambda name=name: _freeze(site, name), _PAST_THE_SESSION_S, 0.5)
            found.append(long)
    return found


def _of_postgres(site: Site) -> list[Fault]:
    return [
        Fault("crashed", "postgres", lambda: _crash_postgres(site), (0.1, 1.0), 2.0),
        Fault("frozen", "postgres", lambda: _freeze_all(site, "postgres"), (0.3, 4.0), 1.0),
        Fault("full", "postgres", lambda: _fill(site), (0.5, 3.0), 1.0),
        Fault("store locked", "postgres", lambda: _lock_store(site), (0.5, 4.0), 1.0),
    ]


def _of_kafka(site: Site) -> list[Fault]:
    kafka = site.kafka
    return [
        Fault("killed", "kafka", lambda: _and_then(kafka.kill, kafka.start), (0.1, 4.0), 1.0),
        Fault("forgot all", "kafka", lambda: _and_then(kafka.forget, kafka.start), (0.1, 2.0), 1.0),
        Fault("frozen", "kafka", lambda: _and_then(kafka.freeze, kafka.thaw), (0.5, 6.0), 1.0),
        Fault("topics deleted", "kafka", lambda: _delete_topics(site), (0.1, 0.5), 1.0),
    ]


def _of_mail(site: Site) -> list[Fault]:
    mail = site.mail
    return [
        Fault("refuses", "smtp", lambda: _and_then(lambda: mail.reply_with(lambda _: "451 Later"), mail.be_well),
              (0.5, 4.0), 1.0),
        Fault("away", "smtp", lambda: _and_then(mail.stop, mail.be_well), (0.5, 4.0), 1.0),
        Fault("stalls", "smtp", lambda: _and_then(lambda: setattr(mail, "stalls", True), mail.be_well),
              (1.0, 5.0), 1.0),
        Fault("takes and hangs up", "smtp",
              lambda: _and_then(lambda: setattr(mail, "hangs_up", True), mail.be_well), (0.1, 0.4), 1.0),
    ]  # fmt: skip


def _and_then(begin: Callable[[], object], end: Callable[[], None]) -> Callable[[], None]:
    begin()
    return end


def _nothing() -> None:
    """It mends itself: somebody starts it again, or makes it anew."""


def _signal(site: Site, process: str, number: signal.Signals) -> Callable[[], None]:
    """To the leader, who passes it on; a kill is for all its workers too."""
    pid = site.pid(process)
    if pid:
        send = os.killpg if number == signal.SIGKILL else os.kill
        with contextlib.suppress(ProcessLookupError):
            send(pid, number)
    return _nothing


def _freeze(site: Site, process: str) -> Callable[[], None]:
    pid = site.pid(process)
    if not pid:
        return _nothing
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGSTOP)

    def thaw() -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGCONT)

    return thaw


def _crash_postgres(site: Site) -> Callable[[], None]:
    """Immediate mode: every backend dies where it stands, and the server recovers from its log."""
    return _signal(site, "postgres", signal.SIGQUIT)


def _freeze_all(site: Site, process: str) -> Callable[[], None]:
    """A server whose children lead process groups of their own."""
    pid = site.pid(process)
    if not pid or not psutil.pid_exists(pid):
        return _nothing
    frozen = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    for one in frozen:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.suspend()

    def thaw() -> None:
        for one in frozen:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.resume()

    return thaw


def _fill(site: Site) -> Callable[[], None]:
    """Take every connection that the server has left."""
    taken: list[psycopg2.extensions.connection] = []
    with contextlib.suppress(psycopg2.Error):
        taken.extend(
            psycopg2.connect(site.environment["BOOKING_COMMAND_DATABASE_URL"], connect_timeout=2)
            for _ in range(_CONNECTIONS_MAX)
        )

    def give_back() -> None:
        for connection in taken:
            connection.close()

    return give_back


def _lock_store(site: Site) -> Callable[[], None]:
    """Every thread of booking-command waits for one table, until its pool is empty."""
    try:
        connection = psycopg2.connect(
            site.environment["BOOKING_COMMAND_OWNER_DATABASE_URL"],
            connect_timeout=2,
            options="-c lock_timeout=3000",
        )
        connection.cursor().execute("LOCK TABLE stored_events")
    except psycopg2.Error:
        return _nothing
    return connection.close


def _delete_topics(site: Site) -> Callable[[], None]:
    settings = site.kafka_settings
    with contextlib.suppress(KafkaError), admin(settings, bootstrap_timeout_ms=3_000) as client:
        client.delete_topics([settings.topic(name) for name in PARTITIONS])
    return _nothing
