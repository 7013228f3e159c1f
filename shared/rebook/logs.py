"""One JSON line per unit of work on standard output: a constant event, facts in fields.

Customers' names and addresses and manage tokens are never logged; `correlation_id` ties the lines of one
request or event together.
"""

from __future__ import annotations

import logging
import sys

import structlog


def configure(service: str) -> None:
    """Send structlog's and the standard library's warnings to standard output as JSON lines."""
    stamp: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _service(service),
    ]
    structlog.configure(
        processors=[*stamp, structlog.processors.format_exc_info, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *stamp],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # dozens of lines a second while a broker is away


def _service(name: str) -> structlog.typing.Processor:
    def add(_: object, __: str, fields: structlog.typing.EventDict) -> structlog.typing.EventDict:
        fields["service"] = name
        return fields

    return add
