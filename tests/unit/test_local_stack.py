"""What the local stack would start, and with which environment, decided before anything runs."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest
from psycopg2.extensions import parse_dsn
from rebook.settings import load
from rebook_infra import addresses, logs, processes
from rebook_infra.data_dir import CannotStart, DataDir
from rebook_infra.ports import free_port
from rebook_infra.stack_settings import CHOSEN, StackSettings, without_chosen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rebook_infra.addresses import Addresses

SERVER = "postgresql://postgres:admin@db.example.org:5433/postgres?sslmode=require"


@pytest.fixture
def data(tmp_path: Path) -> Iterator[DataDir]:
    claimed = DataDir.claim(tmp_path / "data")
    yield claimed
    claimed.lock.close()


def choose(data: DataDir, **given: str) -> Addresses:
    return addresses.choose(load(StackSettings, given), given, data, SERVER)


def test_every_service_has_a_login_of_its_own_on_the_given_server(data: DataDir):
    environment = choose(data).environment
    assert parse_dsn(environment["BOOKING_QUERY_DATABASE_URL"]) | {"password": ""} == {
        "user": "booking_query",
        "password": "",
        "dbname": "booking_query",
        "host": "db.example.org",
        "port": "5433",
        "sslmode": "require",
    }
    passwords = {
        environment[f"{service}_DATABASE_URL"].split(":")[2] for service in ("BOOKING_COMMAND", "NOTIFIER")
    }
    assert len(passwords) == 2


def test_what_was_given_is_used_and_its_stand_in_is_not_started(data: DataDir):
    given = {
        "KAFKA_BOOTSTRAP_SERVERS": "kafka:9092",
        "SMTP_HOST": "mail",
        "SMTP_PORT": "587",
        "SMTP_SECURITY": "tls",
    }
    chosen = choose(data, **given)
    assert given.items() <= chosen.environment.items()
    assert processes.servers(chosen, data.path) == []
    assert [process.name for process in processes.servers(choose(data), data.path)] == ["broker", "mail"]


def test_the_embedded_servers_listen_where_they_are_told_and_are_found_there(data: DataDir):
    given = {"BROKER_PORT": "19092", "SMTP_PORT": "19025", "MAIL_PAGE_PORT": "19080"}
    chosen = choose(data, **given)
    assert chosen.environment["KAFKA_BOOTSTRAP_SERVERS"] == "127.0.0.1:19092"
    broker, mail = processes.servers(chosen, data.path)
    assert "tcp://127.0.0.1:19092" in broker.command
    assert given.items() <= mail.environment.items()


def test_a_port_that_somebody_chose_is_given_to_nobody_else(data: DataDir, monkeypatch: pytest.MonkeyPatch):
    claimed: list[int] = []
    monkeypatch.setattr(addresses, "claim", claimed.append)
    choose(data, REBOOK_PORT="19000", BROKER_PORT="19092", SMTP_PORT="19025", MAIL_PAGE_PORT="19080")
    assert {19000, 19092, 19025, 19080} <= set(claimed)


def test_every_process_of_the_table_is_stopped_in_some_order(data: DataDir):
    chosen = choose(data)
    table = processes.servers(chosen, data.path) + processes.services(
        chosen, data.path, "127.0.0.1", ("postgres",)
    )
    names = {process.name for process in table} | {"postgres"}
    assert names == {name for stage in processes.STOP_ORDER for name in stage}


def test_only_the_gateway_listens_for_others(data: DataDir):
    table = processes.services(choose(data, LISTEN_HOST="0.0.0.0"), data.path, "0.0.0.0", ())
    assert {p.name for p in table if p.environment["LISTEN_HOST"] == "0.0.0.0"} == {"gateway"}


def test_the_teams_password_reaches_one_process_and_no_command_line(data: DataDir):
    chosen = choose(data, TEAM_PASSWORD="hunter2", DATABASE_URL=SERVER)
    table = processes.services(chosen, data.path, "127.0.0.1", ()) + processes.servers(chosen, data.path)
    member = processes.team_member(chosen, data.path, "team@example.org", "hunter2")
    assert not [p.name for p in table if {"TEAM_PASSWORD", "DATABASE_URL"} & p.environment.keys()]
    assert member.environment["TEAM_PASSWORD"] == "hunter2"
    assert "hunter2" not in member.command


def test_keys_stay_the_same_over_restarts_and_the_file_is_ours_alone(tmp_path: Path):
    claimed = DataDir.claim(tmp_path)
    first = choose(claimed).environment
    claimed.lock.close()
    again = DataDir.claim(tmp_path)
    second = choose(again).environment
    again.lock.close()
    kept = ("MANAGE_LINK_KEYS", "SESSION_KEYS", "NOTIFIER_DATABASE_URL")
    assert [first[name] for name in kept] == [second[name] for name in kept]
    assert (tmp_path / "secrets.json").stat().st_mode & 0o777 == 0o600


def test_a_shell_that_read_the_env_file_does_not_ask_for_servers_that_are_gone(data: DataDir):
    chosen = choose(data, SMTP_HOST="mail", SMTP_PORT="587")
    data.write_env(chosen.exported())
    lines = (data.path / "env").read_text().splitlines()
    read = dict(shlex.split(line)[1].split("=", 1) for line in lines)
    assert read["KAFKA_BOOTSTRAP_SERVERS"] == chosen.environment["KAFKA_BOOTSTRAP_SERVERS"]
    assert without_chosen(read) == {"SMTP_HOST": "mail", "SMTP_PORT": "587"}
    assert CHOSEN not in without_chosen(read)


def test_a_directory_belongs_to_one_stack(data: DataDir):
    with pytest.raises(CannotStart, match=r"Another stack \(process \d+\) is running in"):
        DataDir.claim(data.path)


def test_a_log_that_grew_too_large_is_moved_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(logs, "_LARGEST_BYTES", 10)
    log = tmp_path / "worker.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"a long line\n")
        logs.bound(log)
        writer.write(b"\x1b[31mnext\x1b[0m\n\n")
    assert (tmp_path / "worker.log.1").read_text() == "a long line\n"
    assert logs.last_line(log) == "next"


def test_no_two_servers_are_given_one_port():
    given = [free_port() for _ in range(500)]
    assert len(set(given)) == len(given)
