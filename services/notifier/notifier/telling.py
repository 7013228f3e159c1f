"""What operators are told of each letter: a log line and the metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog
from prometheus_client import Counter, Histogram

from notifier.deliveries import PENDING, SENT

if TYPE_CHECKING:
    from notifier.queue import Due, Outcome

log = structlog.get_logger()

_DECIDED = Counter("deliveries_decided_total", "Letters sent, failed or skipped", ["letter", "state"])
_PUT_OFF = Counter("deliveries_put_off_total", "Tries that ended without a decision", ["letter"])
_DELAY = Histogram(
    "delivery_delay_seconds",
    "From what called for a letter to a mail server taking it",
    ["letter"],
    buckets=(0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 20, 60, 600, 3600),
)


def tell(outcome: Outcome) -> None:
    """Count and log what became of a letter."""
    name = outcome.due.letter.name
    if outcome.state == PENDING:
        _PUT_OFF.labels(name).inc()
        log.warning("email put off", reason=outcome.reason, until=str(outcome.at), **facts(outcome.due))
        return
    _DECIDED.labels(name, outcome.state).inc()
    if outcome.state == SENT:
        _DELAY.labels(name).observe(max(0.0, (outcome.at - outcome.due.letter.fell_due_at).total_seconds()))
    log.info(f"email {outcome.state}", reason=outcome.reason, **facts(outcome.due))


def facts(due: Due) -> dict[str, Any]:
    """What a log line may say about a letter: ids, no names, no addresses."""
    return {
        "letter": due.letter.name,
        "delivery_id": str(due.letter.delivery_id),
        "booking_id": str(due.letter.booking.booking_id),
        "correlation_id": due.letter.correlation_id,
    }
