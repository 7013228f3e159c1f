"""What every console command does the same way: sentences instead of tracebacks, and a clean stop."""

from __future__ import annotations

import signal
import threading
from typing import Any

import click

from rebook.problems import Refused
from rebook.settings import BadSettings


def sentences(*lost_database: type[Exception]) -> type[click.Group]:
    """A group of commands that tells what people can mend in one sentence, the loss of its database too."""

    class Sentences(click.Group):
        def invoke(self, ctx: click.Context) -> Any:
            try:
                return super().invoke(ctx)
            except BadSettings as error:
                raise _Usage(f"Settings: {error}.") from None
            except lost_database as error:
                raise click.ClickException(
                    f"The database cannot be reached: {str(error).splitlines()[0]}"
                ) from None
            except Refused as refusal:
                raise click.ClickException(refusal.detail) from None

    return Sentences


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set, for a worker to end in its own time."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


class _Usage(click.ClickException):
    exit_code = 2  # for what the caller got wrong
