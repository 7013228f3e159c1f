"""The rights that each service's two roles have, on a real server."""

from __future__ import annotations

import secrets
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from psycopg2 import errors
from rebook_infra import databases
from rebook_infra.databases import Database, Role

if TYPE_CHECKING:
    from collections.abc import Callable

    from servers.postgres import FreshDatabase, PostgresServer


Services = dict[str, "FreshDatabase"]


def run(url: str, statement: str) -> list[Any]:
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="module")
def services(database: Callable[[str], FreshDatabase]) -> Services:
    """Every service's database, with its tables."""
    shared = {"booking_query", "notifier"}
    return {
        name: database(name).with_tables(*(["rebook"] if name in shared else []), name)
        for name in databases.SERVICES
    }


@pytest.fixture(scope="module")
def fresh(database: Callable[[str], FreshDatabase]) -> FreshDatabase:
    made = database("booking-command")  # a name that has to be quoted
    run(
        made.owner_url,
        "CREATE EXTENSION btree_gist; CREATE TABLE things (id bigserial PRIMARY KEY, name text)",
    )
    return made


def test_the_runtime_role_works_with_the_owners_tables(fresh: FreshDatabase):
    run(fresh.url, "INSERT INTO things (name) VALUES ('one'); UPDATE things SET name = 'two'")
    assert run(fresh.url, "SELECT name FROM things") == [("two",)]
    run(fresh.url, "DELETE FROM things")


def test_letters_of_every_alphabet_are_letters_to_the_index_of_searches(services: Services):
    statement = "SELECT cardinality(show_trgm('Żółć')), cardinality(show_trgm('王小明')), lower('ŻÓŁĆ')"
    assert run(services["booking_query"].url, statement) == [(5, 4, "żółć")]


@pytest.mark.parametrize("statement", ["DROP TABLE things", "TRUNCATE things", "CREATE TABLE others ()"])
def test_the_runtime_role_changes_no_schema(fresh: FreshDatabase, statement: str):
    with pytest.raises(errors.InsufficientPrivilege):
        run(fresh.url, statement)


def test_a_schema_that_the_owner_adds_later_is_open_to_the_runtime_role(fresh: FreshDatabase):
    run(fresh.owner_url, "CREATE SCHEMA second; CREATE TABLE second.things (id int)")
    assert run(fresh.url, "SELECT * FROM second.things") == []


@pytest.mark.parametrize("service", databases.SERVICES)
def test_a_services_roles_reach_no_other_services_database(services: Services, service: str):
    own = services[service]
    for other in services.values():
        for url in (own.url, own.owner_url) if other is not own else ():
            with pytest.raises(psycopg2.OperationalError, match="permission denied"):
                psycopg2.connect(url, dbname=other.name)


def test_the_notifier_could_not_read_credentials_even_if_it_were_let_in(
    services: Services, postgres: PostgresServer
):
    store, notifier = services["booking_command"], services["notifier"]
    run(postgres.url, f'GRANT CONNECT ON DATABASE "{store.name}" TO "{notifier.name}"')
    with closing(psycopg2.connect(notifier.url, dbname=store.name)) as connection:
        for table in ("credentials", "api_tokens", "stored_events"):
            with pytest.raises(errors.InsufficientPrivilege), connection, connection.cursor() as cursor:
                cursor.execute(f"SELECT * FROM {table}")
    run(postgres.url, f'REVOKE CONNECT ON DATABASE "{store.name}" FROM "{notifier.name}"')


def test_no_role_of_a_service_has_power_over_the_server(services: Services):
    powers = "rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls"
    roles = "SELECT count(*) FROM pg_auth_members WHERE member = current_user::regrole"
    for made in services.values():
        for url in (made.url, made.owner_url):
            [(has_powers, of_others)] = run(
                url, f"SELECT {powers}, ({roles}) FROM pg_roles WHERE rolname = current_user"
            )
            assert (has_powers, of_others) == (False, 0)


def test_the_runtime_role_may_use_rows_and_nothing_else(services: Services):
    tables = """
        SELECT DISTINCT privilege_type FROM information_schema.role_table_grants WHERE grantee = current_user
    """
    rest = """
        SELECT has_schema_privilege('public', 'CREATE'), has_database_privilege(current_database(), 'CREATE'),
               has_database_privilege(current_database(), 'TEMP')
    """
    for made in services.values():
        assert {right for (right,) in run(made.url, tables)} == {"SELECT", "INSERT", "UPDATE", "DELETE"}
        assert run(made.url, rest) == [(False, False, False)]


def test_doing_it_again_changes_the_passwords_and_nothing_else(postgres: PostgresServer):
    name = f"again_{secrets.token_hex(4)}"
    first = Database(name, Role(f"{name}_owner", "first"), Role(name, "first"))
    second = Database(name, Role(f"{name}_owner", "it's second/new"), Role(name, "se:cond"))
    databases.ensure(postgres.url, [first])
    run(databases.url(postgres.url, name, first.owner), "CREATE TABLE things ()")
    databases.ensure(postgres.url, [second])
    assert run(databases.url(postgres.url, name, second.runtime), "SELECT * FROM things") == []
    assert databases.reachable(databases.url(postgres.url, name, second.owner))
    assert not databases.reachable(databases.url(postgres.url, name, first.runtime))


def test_a_hosted_servers_administrator_who_is_no_superuser_is_enough(postgres: PostgresServer):
    admin = Role(f"admin_{secrets.token_hex(4)}", "admin")
    run(postgres.url, f"CREATE ROLE {admin.name} LOGIN CREATEDB CREATEROLE PASSWORD 'admin'")
    name = f"hosted_{secrets.token_hex(4)}"
    wanted = Database(name, Role(f"{name}_owner", "a"), Role(name, "b"))
    databases.ensure(databases.url(postgres.url, "postgres", admin), [wanted])
    run(databases.url(postgres.url, name, wanted.owner), "CREATE TABLE things ()")
    assert run(databases.url(postgres.url, name, wanted.runtime), "SELECT * FROM things") == []


def test_passwords_stay_out_of_the_servers_log(postgres: PostgresServer):
    name = f"secret_{secrets.token_hex(4)}"
    wanted = Database(name, Role(f"{name}_owner", "hunter2"), Role(name, "hunter2"))
    databases.ensure(f"{postgres.url}&options=-c%20log_statement%3Dall", [wanted])
    log = postgres.log.read_text()
    assert f'ALTER ROLE "{name}"' in log
    assert "hunter2" not in log


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({}, "DATABASE_URL is not set"),
        (
            {"DATABASE_URL": "x"},
            "BOOKING_COMMAND_OWNER_DATABASE_URL must be postgresql://role:password@host/database",
        ),
    ],
)
def test_the_command_says_in_one_sentence_what_is_missing(
    variables: dict[str, str], words: str, capsys: pytest.CaptureFixture[str]
):
    assert databases.main(variables) == 2
    assert capsys.readouterr().err == f"databases: {words}" + (
        ": it is the server's administrator\n" if not variables else "\n"
    )
