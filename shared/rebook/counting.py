"""Where rate limits are counted: each process for itself, or in a Redis that all of them share."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import structlog
from limits.storage import RedisStorage
from redis import RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

IN_MEMORY = "memory://"
_PATIENCE_S = 0.5  # a request waits no longer for being counted; the address may say otherwise

log = structlog.get_logger()


class SharedCounts(RedisStorage):
    """Counts in a Redis. While it is away nothing is counted, so that nobody is refused for it.

    Takes the place of the library's own storage under these schemes, by being defined.
    """

    STORAGE_SCHEME = ["redis", "rediss"]  # noqa: RUF012 - as the library has it

    def __init__(self, uri: str, **_: Any) -> None:
        super().__init__(uri, socket_timeout=_PATIENCE_S, socket_connect_timeout=_PATIENCE_S)
        self.storage.set_retry(Retry(NoBackoff(), 1))  # on a new connection

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        try:
            return super().incr(key, expiry, amount)
        except RedisError as error:
            return _uncounted(error)

    def get(self, key: str) -> int:
        try:
            return super().get(key)
        except RedisError as error:
            return _uncounted(error)


def _uncounted(error: RedisError) -> int:
    log.warning("rate limits are not counted", error=type(error).__name__)
    return 0


def counted_in(value: str) -> str:
    """A place where rate limits can be counted."""
    if value != IN_MEMORY and not _is_redis(value):
        raise ValueError(
            f"must be {IN_MEMORY} or the address of a Redis such as redis://redis.example.org:6379/0"
        )
    return value


def _is_redis(address: str) -> bool:
    try:
        SharedCounts(address)  # connects when it is asked
    except ValueError:
        return False
    return urlsplit(address).scheme in SharedCounts.STORAGE_SCHEME
