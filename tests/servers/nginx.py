"""nginx with infra/nginx.conf, as docker-compose.yml runs it, on a port of this machine."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from rebook_infra.supervisor import Process

from servers.programs import program

if TYPE_CHECKING:
    from collections.abc import Mapping

TEMPLATE = Path(__file__).parents[2] / "infra" / "nginx.conf"
NOBODY = "192.0.2.1/32"  # an address of documentation (RFC 5737): whoever asks is not it

_MAIN = """
daemon off;
worker_processes 2;
pid {home}/nginx.pid;
error_log stderr crit;
{user}
events {{ worker_connections 512; }}
http {{
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    include {home}/gateway.conf;
}}
"""


def nginx(
    home: Path,
    port: int,
    services: Mapping[str, str],
    public_url: str,
    trusts: str = NOBODY,
    limits: str = "1",
) -> Process:
    """A process that listens on `port` before the services at these addresses (by `command`, `query`, `notifier`)."""
    filled_in = {
        "PUBLIC_URL": public_url,
        "GATEWAY_LISTEN": f"127.0.0.1:{port}",
        "GATEWAY_TRUSTS": trusts,
        "GATEWAY_LIMITS": limits,
        "GATEWAY_RESOLVER": "127.0.0.1",
        **{f"GATEWAY_{name.upper()}": address for name, address in services.items()},
    }
    (home / "gateway.conf").write_text(filled(TEMPLATE.read_text(), filled_in))
    user = "user root;" if os.geteuid() == 0 else ""  # its workers have to reach `home`
    (home / "nginx.conf").write_text(_MAIN.format(home=home, user=user))
    command = (
        program("nginx", "/usr/sbin/nginx"),
        "-e",
        "stderr",
        "-p",
        str(home),
        "-c",
        str(home / "nginx.conf"),
    )
    return Process("nginx", command, dict(os.environ))


def filled(template: str, values: Mapping[str, str]) -> str:
    """What the image's start makes of the template: `${NAME}` of the names that it is given, nothing else.

    Raises:
        KeyError: the template has a name in capitals that was not given.
    """
    return re.sub(r"\$\{([A-Z_]+)\}", lambda found: values[found.group(1)], template)
