"""Runs the gateway under gunicorn, with a log that shows routes and never a manage token or a query string."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger
from rebook import logs
from rebook.serving import HEADER_MAX_BYTES
from rebook.settings import BadSettings, load

from rebook_infra.gateway import Gateway, GatewaySettings

if TYPE_CHECKING:
    import logging
    from collections.abc import Mapping

_SECRETS = re.compile(r"(manage(?:/|%2f))[^/\s'\"]+|(\?)[^\s'\"]+", re.IGNORECASE)


class _Server(BaseApplication):  # type: ignore[misc]
    """gunicorn, told by us and by no file or environment variable of its own."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        own: Mapping[str, Any] = {
            "bind": f"{self._settings.listen_host}:{self._settings.listen_port}",
            "proc_name": "rebook gateway",
            "worker_class": "gthread",
            "workers": 2,
            "threads": 32,
            "keepalive": 30,
            "graceful_timeout": 1,
            "forwarded_allow_ips": "",  # nobody in front of us is trusted to say who the client is
            "limit_request_field_size": HEADER_MAX_BYTES,
            "loglevel": "error",
            "control_socket_disable": True,
            "logger_class": "rebook_infra.gateway_server._QuietLogger",
        }
        for name, value in own.items():
            self.cfg.set(name, value)

    def load(self) -> Gateway:
        logs.configure("gateway")
        return Gateway(self._settings)


class _QuietLogger(Logger):  # type: ignore[misc]
    """gunicorn quotes requests in its complaints; a manage token or a query string must not get out that way."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.addFilter(_without_secrets)


def _without_secrets(record: logging.LogRecord) -> bool:
    message = record.getMessage()
    record.msg, record.args = _SECRETS.sub(r"\1\2…", message), None
    return True


def main() -> int:
    try:
        settings = load(GatewaySettings)
    except BadSettings as error:
        sys.stderr.write(f"gateway: {error}\n")
        return 2
    _Server(settings).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
