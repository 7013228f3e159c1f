"""Fixtures that every test may ask for; nothing starts before somebody asks."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import zoneinfo
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rebook_infra.ports import free_port
from servers import kafka as kafkas
from servers.folders import remove
from servers.local_stack import LocalStack
from servers.postgres import PostgresServer
from servers.programs import program
from servers.smtp import SmtpServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page
    from servers.postgres import FreshDatabase

pytest_plugins = [
    "servers.command_side",
    "servers.query_side",
    "servers.notifier_side",
    "servers.gallery",
    "servers.read_side",
]

zoneinfo.reset_tzpath([])  # the tzdata package's tables, as in every process of ours

_begun = pytest.StashKey[tuple[kafkas.Kafka, Path]]()
_CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# No sandbox, because tests may run as root; and nothing that calls out to the network by itself.
_CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_report_header() -> str:
    return f"kafka: {kafkas.described()}"


def pytest_collection_finish(session: pytest.Session) -> None:
    """Kafka takes seconds to start: begin now if a test will ask for it, and let the others go first."""
    wanted = any("kafka" in getattr(item, "fixturenames", ()) for item in session.items)
    if wanted and not session.config.option.collectonly:
        home = Path(tempfile.mkdtemp(prefix="rebook-kafka-"))
        kafka = kafkas.make(home)
        session.config.stash[_begun] = (kafka, home)
        kafka.begin()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what tests have measured."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{name}: {value}")


def pytest_unconfigure(config: pytest.Config) -> None:
    if _begun in config.stash:
        kafka, home = config.stash[_begun]
        kafka.close()
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A directory that servers of another user can reach, gone after the run."""
    path = Path(tempfile.mkdtemp(prefix="rebook-tests-"))
    yield path
    remove(path)


@pytest.fixture(scope="session")
def kafka(pytestconfig: pytest.Config) -> kafkas.Kafka:
    """`bootstrap_servers` and `kind` of a real broker; `stop` and `start` it for an outage."""
    broker, _ = pytestconfig.stash[_begun]
    broker.wait_ready()
    return broker


@pytest.fixture
def topic_prefix() -> str:
    """A TOPIC_PREFIX that no other test has."""
    return f"test-{secrets.token_hex(4)}."


@pytest.fixture(scope="session")
def postgres(scratch: Path) -> Iterator[PostgresServer]:
    """A real PostgreSQL; `url` is the administrator's."""
    server = PostgresServer(scratch)
    yield server
    server.server.crash()  # at once; nobody asks it for anything any more


@pytest.fixture(scope="session")
def database(postgres: PostgresServer) -> Callable[[str], FreshDatabase]:
    """Makes empty databases: `database("notifier").url`, and `.owner_url` for migrations."""
    return postgres.database


@pytest.fixture(scope="session")
def smtp() -> Iterator[SmtpServer]:
    """A real SMTP server; `smtp.wait_for(lambda letter: ...)` blocks until such a letter is here."""
    server = SmtpServer()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def stack(scratch: Path, kafka: kafkas.Kafka, smtp: SmtpServer) -> Iterator[LocalStack]:
    """The whole of Rebook behind its gateway, on the run's Kafka and SMTP server."""
    variables = {
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "TOPIC_PREFIX": f"stack-{secrets.token_hex(4)}.",
        "SMTP_HOST": smtp.host,
        "SMTP_PORT": str(smtp.port),
        "SMTP_SECURITY": "none",
    }
    running = LocalStack(scratch / "stack", free_port(), variables)
    try:
        running.start()
        yield running
    finally:
        running.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium; for one module, because Playwright keeps an event loop running meanwhile."""
    path = program(*_CHROMIUM)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=_CHROMIUM_FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """An empty page in a context of its own: no cookies of another test."""
    context = browser.new_context()
    yield context.new_page()
    context.close()
