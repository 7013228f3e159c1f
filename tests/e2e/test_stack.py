"""`make run`: one command starts everything, and nothing is left when it ends."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
import requests
from rebook_infra.mailbox import Mailbox
from rebook_infra.ports import free_port
from rebook_infra.processes import script
from servers.folders import remove
from servers.local_stack import LocalStack
from servers.people import Team, by_api, somebody
from servers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

START_WITHIN_S, STOP_WITHIN_S, PATIENCE_S = 60.0, 10.0, 60.0


@pytest.fixture(scope="module")
def own() -> Iterator[LocalStack]:
    """A stack with embedded servers only and a generated password, as a fresh clone has it.

    Its first start was broken off when the team member had been added, and before anybody was told the password.
    """
    home = Path(tempfile.mkdtemp(prefix="rebook-tests-"))
    stack = LocalStack(home / "data", free_port(), {"TEAM_PASSWORD": "", "REBOOK_DEMO": "1"})
    try:
        break_off(stack)
        stack.start()
        yield stack
    finally:
        stack.close()
        remove(home)


def break_off(stack: LocalStack) -> None:
    stack.begin()
    hold, added = stack.data_dir / "hold", stack.data_dir / "logs" / "team-add.log"
    until(hold.exists, START_WITHIN_S, "a stack that is starting")
    (hold / "notifier-worker").touch()  # so that it is never ready
    until(lambda: added.exists() and added.read_text(), START_WITHIN_S, "the team member")
    stack.stop()


def log_in(stack: LocalStack, password: str) -> int:
    body = {"email": stack.team_email, "password": password}
    return requests.post(f"{stack.url}/v1/session", json=body, timeout=10).status_code


def run(**variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "rebook_infra"],
        env=os.environ | variables, capture_output=True, text=True, check=False, timeout=20,
    )  # fmt: skip


def test_it_ends_with_the_addresses_and_a_login_that_works(own: LocalStack):
    said = "\n".join(own.output)
    assert f"{own.url}/scheduling/bookings" in said
    password = said.partition("password ")[2].split()[0]
    assert log_in(own, password) == 204
    own.team_password = password
    slugs = {item["slug"] for item in requests.get(f"{own.url}/v1/meeting-types", timeout=10).json()["items"]}
    assert slugs == {"intro-call", "workshop"}


def test_another_terminal_can_ask_the_services(own: LocalStack):
    file = own.data_dir / "env"
    assert file.stat().st_mode & 0o777 == 0o600
    migrate = f". '{file}' && {shlex.join(script('booking-query', 'migrate'))}"
    asked = subprocess.run(["sh", "-c", migrate], capture_output=True, text=True, check=False, timeout=60)
    assert asked.returncode == 0, asked.stderr


def test_a_process_that_dies_is_started_again_and_said_so(own: LocalStack):
    own.kill("booking-command-web")
    own.wait_until_it_says("booking-command-web was killed by SIGKILL; starting it again", 5)
    own.wait_ready()


def test_it_recovers_when_postgresql_dies(own: LocalStack):
    own.kill("postgres")
    own.wait_until_it_says("postgres was killed by SIGKILL; starting it again", 5)
    own.wait_ready()


def test_a_second_stack_in_the_same_directory_is_refused(own: LocalStack):
    refused = run(REBOOK_DATA_DIR=str(own.data_dir), REBOOK_PORT=str(free_port()))
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == (
        f"rebook: Another stack (process {own.pid}) is running in {own.data_dir}; "
        "stop it, or choose another REBOOK_DATA_DIR.\n"
    )


def has_not_ended(process: psutil.Process) -> bool:
    """Whether it runs; whose parent was quicker may be there for a moment more, to be asked for its exit status."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_sigterm_stops_everything_in_time_and_what_was_booked_goes_on_although_the_broker_forgot_it(
    own: LocalStack,
):
    team = Team.logged_in(own)
    offered, ada = team.offer(), somebody()
    booking = offered.book(offered.start(), ada).json()
    until(lambda: len(team.emails(booking["booking_id"])) == 2, PATIENCE_S, "both letters in the history")
    everyone = [psutil.Process(own.pid), *psutil.Process(own.pid).children(recursive=True)]
    began_s = time.monotonic()
    os.killpg(own.pid, signal.SIGTERM)
    assert own.wait() == 0
    assert time.monotonic() - began_s < STOP_WITHIN_S
    assert not [process for process in everyone if has_not_ended(process)]

    own.start()
    assert "password" not in "\n".join(own.output)
    assert team.listed("upcoming", offered) == [booking["booking_id"]]
    to = {"starts_at": offered.start(2)}
    moved = requests.post(f"{by_api(booking['manage_url'])}/reschedule", json=to, timeout=10)
    assert moved.status_code == 200
    until(lambda: len(team.emails(booking["booking_id"])) == 4, PATIENCE_S, "four letters in the history")
    assert [subject.partition(":")[0] for subject in mailed(own, ada)] == ["Confirmed", "Rescheduled"]
    history = [entry["type"] for entry in team.details(booking["booking_id"])["history"]]
    assert history.count("confirmed") == history.count("rescheduled") == 1


def mailed(stack: LocalStack, recipient: str) -> list[str]:
    """The subjects of somebody's letters, oldest first, as the mail catcher has kept them."""
    letters = reversed(Mailbox(stack.data_dir / "mail").letters())
    return [letter.header("Subject") for letter in letters if recipient in letter.to]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_nothing_outlives_a_stack_that_is_killed(own: LocalStack):
    everyone = psutil.Process(own.pid).children(recursive=True)
    os.kill(own.pid, signal.SIGKILL)
    own.wait()
    until(
        lambda: not any(has_not_ended(process) for process in everyone),
        STOP_WITHIN_S,
        "the end of every process",
    )


def test_a_port_in_use_is_one_sentence(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = run(REBOOK_DATA_DIR=str(tmp_path / "data"), REBOOK_PORT=str(port))
    assert refused.returncode == 2
    assert refused.stderr == f"rebook: Port {port} is in use; choose another one with REBOOK_PORT.\n"


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"REBOOK_PORT": "eighty"}, "REBOOK_PORT must be a whole number from 1 to 65535"),
        ({"BROKER_PORT": "kafka"}, "BROKER_PORT must be a whole number from 1 to 65535"),
        ({"TEAM_EMAIL": "nobody"}, "TEAM_EMAIL must be an e-mail address"),
        ({"DATABASE_URL": "mine"}, "DATABASE_URL must be postgresql://administrator:password@host/database"),
        ({"SMTP_HOST": "localhost"}, "SMTP_PORT is not set, and SMTP_HOST needs it"),
        ({"REBOOK_DATA_DIR": "/dev/null/data"}, "/dev/null/data cannot be used for data: Not a directory."),
    ],
)
def test_a_broken_setting_is_one_sentence(variables: dict[str, str], sentence: str, tmp_path: Path):
    refused = run(**{"REBOOK_DATA_DIR": str(tmp_path / "data"), **variables})
    assert (refused.returncode, refused.stdout, refused.stderr) == (2, "", f"rebook: {sentence}\n")
