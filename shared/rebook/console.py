"""What every console command does the same way: sentences instead of tracebacks, and a clean stop."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from rebook.problems import Refused
from rebook.settings import BadSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.progress import Task


def sentences(*lost_database: type[Exception]) -> type[click.Group]:
    """A group of commands that tells what people can mend in one sentence, the loss of its database too."""

    class Sentences(click.Group):
        def invoke(self, ctx: click.Context) -> Any:
            try:
                return super().invoke(ctx)
            except BadSettings as error:
                raise _Usage(f"Settings: {error}.") from None
            except lost_database as error:
                raise click.ClickException(_trouble(error)) from None
            except Refused as refusal:
                raise click.ClickException(refusal.detail) from None

    return Sentences


def _trouble(error: Exception) -> str:
    """A database that gave up on a statement was reached: its error has a code, named so by psycopg or psycopg2."""
    raised = error.__cause__ or error
    was_reached = getattr(raised, "sqlstate", None) or getattr(raised, "pgcode", None)
    what = "could not do this" if was_reached else "cannot be reached"
    return f"The database {what}: {str(error).splitlines()[0]}"


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set, for a worker to end in its own time."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


@contextlib.contextmanager
def progress(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show long work on a terminal's standard error (done, rate, time left); yields what tells that more is done."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
        task = shown.add_task(what, total=total)
        yield lambda more: shown.advance(task, more)


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f}/s" if task.speed else "")


class _Usage(click.ClickException):
    exit_code = 2  # for what the caller got wrong
