"""Deliveries as JSON lines: all of them, in their order, into a database without any, or nothing."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from click.testing import CliRunner
from notifier.cli import main
from servers.notifier_side import BOOKED, MOVED, booked, new_outbox, remind

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

KEPT = (
    "SELECT to_jsonb(d) - 'number' FROM deliveries d ORDER BY number",
    "SELECT to_jsonb(e) - '{position,is_reported}'::text[] FROM delivery_events e ORDER BY position",
)


def run(url: str, *words: str) -> Result:
    return CliRunner().invoke(main, words, env={"NOTIFIER_DATABASE_URL": url})


def kept(url: str) -> list[Any]:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        rows = []
        for statement in KEPT:
            cursor.execute(statement)
            rows.append(cursor.fetchall())
        return rows


@pytest.fixture
def archive(connection, notifier_tables, clock, smtp, tmp_path) -> Path:
    """Of letters that were sent and of some that wait."""
    outbox = new_outbox(smtp.port, clock)
    booked(connection, BOOKED, notes='"quoted", and\n\u2028 more')
    outbox.send_due(connection)
    outbox.close()
    remind(connection, booked(connection, BOOKED, MOVED), MOVED)
    path = tmp_path / "deliveries.jsonl"
    assert run(notifier_tables.url, "export", str(path)).output == f"{path} holds all deliveries\n"
    return path


@pytest.fixture
def elsewhere(database) -> str:
    """Another database, with nothing in it."""
    url: str = database("notifier").with_tables("rebook", "notifier").url
    return url


def test_deliveries_move_house_whole_and_the_topic_is_to_be_told(archive, notifier_tables, elsewhere):
    before = kept(notifier_tables.url)
    assert len(before[0]) > len(before[1]) > 0
    assert run(elsewhere, "import", str(archive)).output == f"{len(before[0])} deliveries imported\n"
    assert kept(elsewhere) == before
    assert archive.stat().st_mode & 0o077 == 0
    with closing(psycopg2.connect(elsewhere)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM delivery_events WHERE NOT is_reported")
        assert cursor.fetchone() == (len(before[1]),)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda lines: lines[:-1], "The archive ends early."),
        (lambda lines: lines[1:], "no archive of deliveries"),
        (lambda lines: [lines[0], *lines[2:]], "The archive is damaged: rows are missing"),
        (lambda lines: [*lines[:3], "?", *lines[3:]], "not every line is JSON"),
        (lambda lines: [*lines[:-1], '{"row": {}, "of": "pg_authid"}', lines[-1]], "The archive is damaged"),
        (lambda lines: [*lines[:2], lines[1], *lines[2:]], "The archive is damaged"),
    ],
    ids=["cut", "headless", "a row missing", "no JSON", "a foreign table", "a row twice"],
)
def test_a_damaged_archive_fills_nothing(archive, elsewhere, damage, told):
    archive.write_text("\n".join(damage(archive.read_text().split("\n")[:-1])))
    result = run(elsewhere, "import", str(archive))
    assert result.exit_code == 1
    assert told in result.output
    assert kept(elsewhere) == [[], []]


def test_an_archive_replaces_neither_deliveries_nor_a_file(archive, notifier_tables):
    assert "needs a database without any" in run(notifier_tables.url, "import", str(archive)).output
    assert "is there already" in run(notifier_tables.url, "export", str(archive)).output
