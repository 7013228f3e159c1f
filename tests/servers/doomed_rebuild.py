"""A program that rebuilds read tables and is killed at a statement; its settings are in the environment.

It reads a number from each line of standard input and forks a child, so that Python starts once only. The child
rebuilds and dies in that statement, before it where the number is negative, never where it is 0. It answers with a
line: the exit code, and how many statements there were.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import nullcontext
from itertools import count
from typing import Any

from booking_query import rebuilding
from booking_query.settings import RebuildSettings
from psycopg2 import extensions
from rebook import postgres
from rebook.settings import load


def main() -> None:
    settings = load(RebuildSettings)
    for line in sys.stdin:
        read_end, write_end = os.pipe()
        if not (child := os.fork()):
            rebuild(settings, int(line), write_end)
        os.close(write_end)
        with os.fdopen(read_end) as said:
            statements = said.read()
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), statements or 0, flush=True)


def rebuild(settings: RebuildSettings, doomed: int, told: int) -> None:
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # for log lines; standard output is for answers
    numbers = count(1)

    class Cursor(postgres._Cursor):
        def execute(self, query: Any, vars: Any = None) -> None:  # noqa: A002
            if next(numbers) == abs(doomed):
                send_and_die(self, query, vars) if doomed > 0 else os.kill(os.getpid(), signal.SIGKILL)
            super().execute(query, vars)

    postgres._Cursor = Cursor  # type: ignore[misc]
    rebuilding.rebuild(settings, None, drop_unknown=False, show=nothing_shown, say=lambda _: None)
    os.write(told, str(next(numbers) - 1).encode())
    os._exit(0)


def send_and_die(cursor: extensions.cursor, query: Any, values: Any) -> None:
    """Die while the server is at work on a statement, or has just done it."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, 0.0005)
    extensions.cursor.execute(cursor, query, values)
    os.kill(os.getpid(), signal.SIGKILL)


def nothing_shown(_: str, __: int | None) -> Any:
    return nullcontext(lambda _: None)


if __name__ == "__main__":
    main()
