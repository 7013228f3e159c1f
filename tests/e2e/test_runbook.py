"""docs/operations.md: every command in it is typed as it stands, in the situation that it is for.

Blocks for a deployment by docker-compose.yml are read only: they need a Docker engine.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

import psycopg2
import pytest
import yaml
from booking_command.application import Bookings
from booking_command.commands import Confirm
from booking_command.store import EventStore
from rebook.cloudevents import Event
from rebook.kafka import BOOKINGS, KafkaSettings, producer
from rebook.settings import load
from servers.people import Team, somebody
from servers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from servers.local_stack import LocalStack
    from servers.smtp import SmtpServer

ROOT = Path(__file__).parents[2]
PATIENCE_S = 30
_BLOCK = re.compile(r"^```sh( compose)?\n(.*?)^```", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^##+ (.+)$", re.MULTILINE)
_REFUSE_MOVES = "ALTER TABLE booking_history ADD CONSTRAINT defect CHECK (type <> 'rescheduled') NOT VALID"
_MEND = "ALTER TABLE booking_history DROP CONSTRAINT defect"


class Block(NamedTuple):
    """What is to be typed under one heading."""

    heading: str
    is_for_compose: bool
    text: str


def blocks() -> list[Block]:
    runbook = (ROOT / "docs" / "operations.md").read_text()
    headings = [(found.start(), found[1]) for found in _HEADING.finditer(runbook)]
    return [
        Block([name for at, name in headings if at < found.start()][-1], bool(found[1]), found[2])
        for found in _BLOCK.finditer(runbook)
    ]


BLOCKS = blocks()
(SHELL, *HERE) = [block for block in BLOCKS if not block.is_for_compose]
COMPOSE = [block for block in BLOCKS if block.is_for_compose]


class Operator:
    """A second terminal beside a local stack, and what goes wrong there."""

    def __init__(self, stack: LocalStack, smtp: SmtpServer, home: Path) -> None:
        self.stack = stack
        self._smtp = smtp
        self._home = home
        self._team = Team.logged_in(stack)
        self._offered = self._team.offer()
        (home / ".local").symlink_to(stack.data_dir)
        (home / ".venv").symlink_to(ROOT / ".venv")

    def types(self, text: str, **names: str) -> subprocess.CompletedProcess[str]:
        """What bash makes of it, with these variables set, after the runbook's first block."""
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"{SHELL.text}\n{text}"],
            cwd=self._home, env=os.environ | names, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def a_booking(self) -> dict[str, str]:
        booked = self._offered.book(self._offered.start(), somebody())
        assert booked.status_code == 201, booked.text
        booking = booked.json()["booking_id"]
        self._team.details(booking)
        return {"BOOKING": booking}

    def a_meeting_that_has_begun(self) -> dict[str, str]:
        """Booked yesterday, and upcoming until it ends."""
        now = datetime.now(UTC)
        began = now.replace(minute=now.minute // 30 * 30, second=0, microsecond=0)
        customer = {"name": "Ada Example", "email": somebody(), "timezone": "Europe/London"}
        with closing(EventStore(self.stack.environment["BOOKING_COMMAND_DATABASE_URL"], 1)) as store:
            yesterday = Bookings(store, now=lambda: began - timedelta(days=1))
            booking = str(yesterday.confirm(Confirm(self._offered.slug, began, customer)).booking_id)
        self._team.details(booking)
        return {"PASSED_OVER": booking}

    def a_customer(self) -> dict[str, str]:
        booked = self._offered.book(self._offered.start(), email := somebody())
        assert booked.status_code == 201, booked.text
        return {"EMAIL": email}

    def a_backup_to_write(self) -> dict[str, str]:
        return {"BACKUP": str(self._home / f"{uuid4()}.jsonl")}

    def a_failed_letter(self) -> dict[str, str]:
        customer = somebody()
        self._smtp.reply_with(lambda letter: "550 No such user" if customer in letter.recipients else None)
        booked = self._offered.book(self._offered.start(), customer)
        booking = booked.json()["booking_id"]
        failed = ("email-failed", "confirmation")
        until(lambda: failed in self._team.emails(booking), PATIENCE_S, "a letter that failed")
        self._smtp.reply_with(lambda _: None)
        with self._tables("NOTIFIER_DATABASE_URL") as cursor:
            cursor.execute(
                "SELECT delivery_id FROM deliveries WHERE booking_id = %s AND state = 'failed'", (booking,)
            )
            ((delivery,),) = cursor.fetchall()
        return {"DELIVERY": str(delivery)}

    def a_letter_whose_cause_is_mended(self) -> dict[str, str]:
        """A move that could not be applied because of a defect that is gone."""
        booking = self.a_booking()["BOOKING"]
        with self._tables("BOOKING_QUERY_OWNER_DATABASE_URL") as cursor:
            cursor.execute(_REFUSE_MOVES)
        moved = self._team.http.post(
            f"{self.stack.url}/v1/bookings/{booking}/reschedule", json={"starts_at": self._offered.start(2)}
        )
        assert moved.status_code == 200, moved.text
        letter = f"{booking}:2"
        self._wait_until_it_is_dead(letter)
        with self._tables("BOOKING_QUERY_OWNER_DATABASE_URL") as cursor:
            cursor.execute(_MEND)
        return {"LETTER": letter}

    def a_letter_that_nobody_can_apply(self) -> dict[str, str]:
        """An event of a program that knows neither a store nor how bookings look."""
        stream, settings = str(uuid4()), load(KafkaSettings, self.stack.environment)
        event = Event(
            id=f"{stream}:1", source="/booking-command/gone", type="rebook.BookingConfirmed.v1",
            subject=stream, time="2030-11-04T09:00:00Z", sequence=1, position=1, correlation_id="gone",
            data={"booking_id": stream},
        )  # fmt: skip
        with closing(producer(settings)) as sender:
            topic = settings.topic(BOOKINGS)
            sender.send(topic, event.value(), stream.encode(), event.headers()).get(timeout=PATIENCE_S)
        self._wait_until_it_is_dead(event.id)
        return {"LETTER": event.id}

    def a_member(self) -> dict[str, str]:
        added = self.types('TEAM_PASSWORD="a long enough password" booking-command team add "$EMAIL"',
                           EMAIL=(email := somebody()))  # fmt: skip
        assert added.returncode == 0, added.stderr
        return {"EMAIL": email, "TEAM_PASSWORD": "another long enough password"}

    def a_newcomer(self) -> dict[str, str]:
        return {"EMAIL": somebody()}

    def _wait_until_it_is_dead(self, letter: str) -> None:
        def is_listed() -> bool:
            return letter in self.types("booking-query dead-letters list").stdout

        until(is_listed, PATIENCE_S, f"{letter} among the dead letters")

    @contextmanager
    def _tables(self, url: str) -> Iterator[psycopg2.extensions.cursor]:
        with closing(psycopg2.connect(self.stack.environment[url])) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                yield cursor


SITUATIONS: dict[str, Callable[[Operator], dict[str, str]]] = {
    "$BOOKING": Operator.a_booking,
    "$BACKUP": Operator.a_backup_to_write,
    "$DELIVERY": Operator.a_failed_letter,
    "dead-letters show": Operator.a_letter_whose_cause_is_mended,
    "dead-letters discard": Operator.a_letter_that_nobody_can_apply,
    "$EMAIL": Operator.a_member,
    "team add": Operator.a_newcomer,
    "booking-command erase": Operator.a_customer,
    "resend-confirmation": Operator.a_meeting_that_has_begun,
}


@pytest.fixture(scope="module")
def operator(stack, smtp, tmp_path_factory):
    stack.wait_ready()
    return Operator(stack, smtp, tmp_path_factory.mktemp("operator"))


@pytest.mark.parametrize(
    "block", HERE, ids=lambda block: f"{block.heading}: {block.text.splitlines()[0][:40]}"
)
def test_what_the_runbook_says_can_be_typed(operator, block):
    names: dict[str, str] = {}
    for words, prepare in SITUATIONS.items():
        if words in block.text:
            names |= prepare(operator)
    typed = operator.types(block.text, **names)
    assert typed.returncode == 0, typed.stdout + typed.stderr
    assert names.get("PASSED_OVER", "") in typed.stdout


@pytest.mark.parametrize(
    "block", COMPOSE, ids=lambda block: f"{block.heading}: {block.text.splitlines()[0][:40]}"
)
def test_what_the_runbook_says_of_a_deployment_names_what_is_there(block):
    assert subprocess.run(["bash", "-n", "-c", block.text], check=False).returncode == 0
    files = [ROOT / name for name in ("docker-compose.yml", "docker-compose.monitoring.yml")]
    known = {name for file in files for name in yaml.safe_load(file.read_text())["services"]}
    named = re.findall(r"docker compose (?:stop|logs|exec|run|up) ([^|\n']*)", block.text)
    words = [word for line in named for word in shlex.split(line.replace('"$(id -u)"', "ID"))]
    services = {word for word in words if re.fullmatch(r"(booking|notifier)-\w+(-\w+)?", word)}
    assert services <= known, services - known
