"""The topics that are this service's to fill: made where they are missing, dropped where they hold what must go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog
from rebook import stale_topics
from rebook.kafka import BOOKINGS, MEETING_TYPES, TEAM, drop_topic, ensure_topic, topic_ids

from booking_command import erasure

if TYPE_CHECKING:
    import psycopg
    from kafka import KafkaAdminClient

    from booking_command.contract import Contract
    from booking_command.lease import Lease
    from booking_command.settings import RelaySettings

log = structlog.get_logger()

OWNED = (BOOKINGS, MEETING_TYPES, TEAM)

_BEGIN_ANEW = "UPDATE relay_cursors SET position = 0 WHERE topic = %s"  # as the backlog is told from now on


class OwnedTopics:
    """As the active relay sees them.

    Attributes:
        names: the topics, by their names without the prefix.
        ids: their ids; a topic that is made anew gets another one.
    """

    def __init__(
        self,
        settings: RelaySettings,
        client: KafkaAdminClient,
        connection: psycopg.Connection[Any],
        lease: Lease,
    ) -> None:
        self.names = {name: settings.topic(name) for name in OWNED}
        self.ids: dict[str, str] = {}
        self._settings = settings
        self._client = client
        self._connection = connection
        self._lease = lease

    def ensure(self) -> None:
        """Make those that are missing."""
        for name in OWNED:
            ensure_topic(self._client, self._settings, name)
        self.ids = self._ids_now()

    def have_changed(self) -> bool:
        """Whether one was lost or made anew."""
        return self._ids_now() != self.ids

    def drop_what_is_no_more(self, contract: Contract) -> None:
        """Drop topics that hold a history from before the store was restored.

        An empty one may go too, after a crash half-way. A topic that this store knows nothing of is another store's
        only where this one began as the copy of another.
        """
        histories = self._lease.histories()
        for topic in self.names.values():
            history = histories.get(topic)
            if history == contract.store_id or not (history or contract.was_restored):
                continue
            self._lease.renew()
            if topic_ids(self._client, [topic]):
                log.info("topic holds a history that is no more", topic=topic)
                drop_topic(self._client, topic)

    def drop_stale(self) -> bool:
        """Drop what holds what was erased, unless somebody is erasing; whether it is gone."""
        with self._connection.transaction(), self._connection.cursor() as cursor:
            is_gone = erasure.is_over(self._connection) and stale_topics.drop_noted(
                cursor, self._client, self._settings, BOOKINGS
            )
            if is_gone:
                cursor.execute(_BEGIN_ANEW, (self.names[BOOKINGS],))
        return is_gone

    def _ids_now(self) -> dict[str, str]:
        return topic_ids(self._client, list(self.names.values()))
