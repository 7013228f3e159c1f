"""Archives as JSON lines: a head that says what follows, an end that says that it was all, one object a line between.

They hold personal data: only their maker may read them, and one is never written over another file.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Any, TextIO

from rebook.problems import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode  # as the store's own transcoder


class NoArchive(Refused):
    """The lines are not a whole archive, or there is no room for it."""


@contextlib.contextmanager
def new_file(file: Path) -> Iterator[TextIO]:
    """A file to write an archive to; nothing is left of it where that fails.

    Raises:
        NoArchive: there is a file of that name.
    """
    try:
        descriptor = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        raise NoArchive(f"{file} is there already.") from None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            yield out
    except BaseException:
        file.unlink()
        raise


@contextlib.contextmanager
def damage_told(*refused: type[Exception]) -> Iterator[None]:
    """Tell in a sentence that a line is not what it has to be; `refused` is how the database says so.

    Raises:
        NoArchive: it is not.
    """
    damage: tuple[type[Exception], ...] = (KeyError, TypeError, ValueError, *refused)
    try:
        yield
    except damage as error:
        raise NoArchive(f"The archive is damaged: {str(error).splitlines()[0]}") from None


def parsed(lines: Iterable[str], wanted: str, what: str) -> Iterator[dict[str, Any]]:
    """The head of an archive of the format `wanted`, then its lines up to the one that says that it was all.

    Raises:
        NoArchive: this is another format, or not all of it.
    """
    is_head = True
    for line in lines:
        try:
            found = json.loads(line)
        except ValueError:
            raise NoArchive("The archive is damaged: not every line is JSON.") from None
        if is_head and (not isinstance(found, dict) or found.get("format") != wanted):
            raise NoArchive(f"This is no archive of {what} ({wanted}).")
        if "end" in found:
            return
        yield found
        is_head = False
    raise NoArchive("The archive ends early.")
