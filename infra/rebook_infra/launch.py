"""Checks what can be checked before anything starts, and says in one sentence what is in the way."""

from __future__ import annotations

import asyncio
import os
import sys

from rebook.settings import BadSettings, load

from rebook_infra.data_dir import CannotStart, DataDir
from rebook_infra.narrator import Narrator
from rebook_infra.ports import NoFreePort, is_free
from rebook_infra.stack import Stack
from rebook_infra.stack_settings import StackSettings, without_chosen

_CANNOT_START = 2


def main() -> int:
    try:
        _run()
    except (BadSettings, CannotStart, NoFreePort) as error:
        sys.stderr.write(f"rebook: {error}\n")
        return _CANNOT_START
    return 0


def _run() -> None:
    given = without_chosen(os.environ)
    settings = load(StackSettings, given)
    if settings.smtp_host and not settings.smtp_port:
        raise BadSettings("SMTP_PORT is not set, and SMTP_HOST needs it")
    data = DataDir.claim(settings.data_dir)
    if not is_free(settings.listen_host, settings.gateway_port):
        raise CannotStart(f"Port {settings.gateway_port} is in use; choose another one with REBOOK_PORT.")
    asyncio.run(Stack(settings, given, data, Narrator()).run())
