"""Searches every byte that the servers keep live: each row of each table, each record of each topic."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

import psycopg
from psycopg import sql
from rebook.kafka import PARTITIONS, KafkaError, KafkaSettings
from rebook.settings import load
from rebook.topic_reader import records_to_end

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_DATABASES = ("BOOKING_COMMAND", "BOOKING_QUERY", "NOTIFIER")
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"


def found(environment: Mapping[str, str], words: Iterable[str]) -> list[str]:
    """Where any of these words is, in any case, plain or as JSON and addresses spell it."""
    spelt = {form.casefold() for word in words for form in _spellings(word)}
    return [
        f"{word} in {place}"
        for place, kept in _everything(environment)
        for word in spelt
        if word in kept.casefold()
    ]


def _spellings(word: str) -> Iterator[str]:
    yield word
    yield json.dumps(word)[1:-1]
    yield quote(word)
    yield quote_plus(word)


def _everything(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for service in _DATABASES:
        with psycopg.connect(environment[f"{service}_OWNER_DATABASE_URL"]) as connection:
            for (table,) in connection.execute(_TABLES).fetchall():
                yield f"{service}.{table}", _rows(connection, table)
    settings = load(KafkaSettings, environment)
    for name in PARTITIONS:
        try:
            yield name, "\n".join(_record(record) for record in records_to_end(settings, name, {}))
        except KafkaError as error:  # it is being dropped, and what it held is not known to be gone
            yield name, f"unreadable: {error}"


def _rows(connection: psycopg.Connection, table: str) -> str:
    """In PostgreSQL's binary format: text and bytea are as they are kept."""
    copy = sql.SQL("COPY {} TO STDOUT WITH (FORMAT binary)").format(sql.Identifier(table))
    with connection.cursor() as cursor, cursor.copy(copy) as rows:
        return b"".join(bytes(part) for part in rows).decode("utf-8", "replace")


def _record(record) -> str:
    headers = b" ".join(value or b"" for _, value in record.headers)
    return b" ".join((record.key or b"", record.value or b"", headers)).decode("utf-8", "replace")
