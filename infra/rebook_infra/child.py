"""Becomes another program that cannot outlive the process that started it.

    python -I -S child.py PARENT_PID SIGNAL USER COMMAND [ARGUMENT...]

The kernel sends SIGNAL when the parent ends, however it ends (prctl(2), PR_SET_PDEATHSIG; Linux only).
Changing the user clears that wish, so both are done here, in this order, and not in the parent between
fork and exec, where a process with threads must not run Python. USER is empty to stay who we are.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import sys

_PR_SET_PDEATHSIG = 1
_NOT_FOUND = 127  # what a shell answers for a command that is not there


def main(arguments: list[str]) -> None:
    parent, signal, user, *command = arguments
    if user:
        _become(user)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal), 0, 0, 0)
    if os.getppid() != int(parent):  # it ended before we asked
        sys.exit(1)
    try:
        os.execvp(command[0], command)  # noqa: S606 - the command comes from the process table
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}" if error.errno else _NOT_FOUND)


def _become(user: str) -> None:
    account = pwd.getpwnam(user)
    os.initgroups(user, account.pw_gid)
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)


if __name__ == "__main__":
    main(sys.argv[1:])
