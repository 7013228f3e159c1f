"""What all aggregates share: names that outlive their classes, and the correlation id that every event carries.

Each class says its stored name itself (`TOPIC`, registered by the library), so moving one orphans no stream.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from uuid import UUID

from eventsourcing.domain import AggregateCreated, AggregateEvent, BaseAggregate, CanMutateAggregate

if TYPE_CHECKING:
    from typing import Self

NAMESPACE = UUID("5f1c1b0e-6d2b-4bb0-9d7e-7f6f0c2f5f4a")  # of ids made from names: slugs, addresses

correlation_id: ContextVar[str] = ContextVar("correlation_id", default="none")


class StreamEvent(AggregateEvent):
    """One fact about one stream, with the correlation id of the request that caused it."""

    correlation_id: str


class StreamBegun(StreamEvent, AggregateCreated):
    """The first event of a stream."""


class Stream(BaseAggregate[UUID]):
    """An aggregate: the events of one id, and what they add up to."""

    class Event(StreamEvent):
        """What every event of the stream is."""

    @classmethod
    def begin(cls, event_class: type[Any], **facts: Any) -> Self:
        """Start a stream with its first event."""
        return cls._create(event_class, correlation_id=correlation_id.get(), **facts)

    def trigger_event(self, event_class: type[CanMutateAggregate[UUID]], **kwargs: Any) -> None:
        super().trigger_event(event_class, correlation_id=correlation_id.get(), **kwargs)
