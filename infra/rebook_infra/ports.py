"""Ports that are free now and that nobody is given by chance later."""

from __future__ import annotations

import random
import socket

# Below the ports that systems hand out to outgoing connections (Linux from 32,768, macOS from 49,152):
# else one of our own connections could sit on the port of a process that is about to start again.
_RANGE = range(15_000, 32_000)
_ATTEMPTS = 200

_claimed: set[int] = set()  # by this process, for servers that may not listen yet


class NoFreePort(Exception):  # noqa: N818 - reads as a sentence where it is caught
    """Nothing free was found, which means that something else is wrong with this machine's network."""


def free_port() -> int:
    """A port of the loopback interface that nothing listens on, and that this process gave to nobody before."""
    for port in random.sample(_RANGE, _ATTEMPTS):
        if port not in _claimed and is_free("127.0.0.1", port):
            claim(port)
            return port
    raise NoFreePort(f"None of {_ATTEMPTS} ports tried on 127.0.0.1 was free.")


def claim(port: int) -> None:
    """Keep a port that somebody else chose from being given to another."""
    _claimed.add(port)


def is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: TIME_WAIT is no obstacle
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
