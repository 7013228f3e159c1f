"""The directory that a stack lives in: one stack at a time, keys made once, addresses for other terminals."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shlex
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_KEY_BYTES = 32


class CannotStart(Exception):  # noqa: N818 - reads as a sentence where it is caught
    """The stack cannot start; the message is one sentence for the person who started it."""


@dataclass(frozen=True)
class DataDir:
    """Paths below one directory, which is private but for what PostgreSQL's own user must reach."""

    path: Path
    lock: IO[str]  # held for as long as the stack runs

    @classmethod
    def claim(cls, path: Path) -> DataDir:
        """Make the directory where needed and take it for ourselves.

        Raises:
            CannotStart: it is not ours to write, or another stack is running in it.
        """
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = (path / "lock").open("a+")
        except OSError as error:
            raise CannotStart(f"{path} cannot be used for data: {error.strerror}.") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            lock.close()
            raise CannotStart(
                f"Another stack (process {owner}) is running in {path}; stop it, or choose another REBOOK_DATA_DIR."
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        return cls(path, lock)

    def secret(self, name: str, size_bytes: int = _KEY_BYTES) -> str:
        """A random secret that stays the same for the life of the directory, or until `forget`."""
        kept = self._read()
        if name not in kept:
            kept[name] = secrets.token_hex(size_bytes)
            self._write(kept)
        return kept[name]

    def forget(self, name: str) -> None:
        """Keep this secret no longer."""
        self._write({other: value for other, value in self._read().items() if other != name})

    def is_noted(self, fact: str) -> bool:
        """Whether `note` has been called with this fact before, in this run or an earlier one."""
        return fact in self._read()

    def note(self, fact: str) -> None:
        self._write(self._read() | {fact: "yes"})

    def write_env(self, variables: Mapping[str, str]) -> None:
        """Leave the stack's variables for `. .local/env` in another terminal."""
        lines = [f"export {name}={shlex.quote(value)}\n" for name, value in sorted(variables.items())]
        self._replace("env", "".join(lines))

    def _read(self) -> dict[str, str]:
        file = self.path / "secrets.json"
        kept: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
        return kept

    def _write(self, kept: dict[str, str]) -> None:
        self._replace("secrets.json", json.dumps(kept, indent=1))

    def _replace(self, name: str, content: str) -> None:
        """Write a file that only we can read, all of it or nothing."""
        new = self.path / f"{name}.new"
        with os.fdopen(os.open(new, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.path / name)
