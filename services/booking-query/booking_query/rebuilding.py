"""Makes the read tables anew from the topics beside the served ones, and puts them in their place."""

from __future__ import annotations

import time
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING

from rebook.assignment import TopicsChanged
from rebook.postgres import connect

from booking_query.comparing import Comparison, by_being_older
from booking_query.refilling import Refill
from booking_query.relations import COUNTS, RELATIONS
from booking_query.second_set import Hindered, SecondSet
from booking_query.sources import telling
from booking_query.swapping import BUSY, held, swap

if TYPE_CHECKING:
    from collections.abc import Callable

    from booking_query.refilling import Show
    from booking_query.settings import RebuildSettings

_NAME = "rebuild"  # of the second set
_SHORT_ENOUGH = 1_000  # events that may be read while the projector is held
_PATIENCE_S = 1.0  # with suspects that do not become fewer
_PAUSE_S = 0.5
_SHOWN_AT_MOST = 5
_WITH_ROWS = tuple(relation for relation in RELATIONS if relation is not COUNTS)


def rebuild(
    settings: RebuildSettings,
    from_topic: str | None,
    *,
    drop_unknown: bool,
    show: Show,
    say: Callable[[str], None],
) -> None:
    """Rebuild and swap; begin again where a topic is made anew meanwhile.

    Raises:
        Hindered: it cannot be done as things are.
        KafkaError: Kafka does not answer. The next rebuild goes on where this one stopped.
    """
    while True:
        try:
            with SecondSet(settings.database_url, _NAME) as second:
                _rebuild(settings, from_topic, second, drop_unknown, show, say)
                return
        except TopicsChanged:
            say("A topic was made anew meanwhile: beginning again.")


def _rebuild(
    settings: RebuildSettings,
    from_topic: str | None,
    second: SecondSet,
    drop_unknown: bool,
    show: Show,
    say: Callable[[str], None],
) -> None:
    told = telling(settings, from_topic, show)
    if second.prepare(told.plan):
        say("Going on where the one before was ended.")
    with Refill(settings, second, told) as refill:
        refill.read(show)
        with show("Making indexes", None) as tell:
            second.make_ready(tell)
        refill.follow()
        refill.take_over()
        older = Comparison(second.connection, second.name, by_being_older, _WITH_ROWS)
        counts = list(older.counts())
        if not drop_unknown:
            _must_not_be_older(older, refill)
        _swap(settings.database_url, second, refill, list(told.live.values()))
        say(f"{', '.join(counts)} are served now")


def _must_not_be_older(older: Comparison, refill: Refill) -> None:
    """See that every served row is there, as new as it is served: what a reader has seen must not go away.

    The served set moves on meanwhile, but never with what the topics do not tell: suspects are soon cleared.
    """
    deadline_s, before = 0.0, 0
    while (suspects := older.look_again() if before else older.look()) != 0:
        if suspects != before:
            deadline_s, before = time.monotonic() + _PATIENCE_S, suspects
        elif time.monotonic() > deadline_s:
            break
        refill.follow()
    if suspects:
        older.keep()
        named = "\n".join(f"  {each.in_short()}" for each in islice(older.differences(), _SHOWN_AT_MOST))
        raise Hindered(
            f"The topics do not tell of {suspects:,} rows that are served, such as\n{named}\n"
            "Is a topic being filled, or has one been cut? Then run it again later, or with --from-topic. If those "
            "rows are wrong, say --drop-unknown."
        )


def _swap(url: str, second: SecondSet, refill: Refill, topic_ids: list[str]) -> None:
    """Read what is left while nothing moves, and let the tables change places, as soon as there is a quiet moment."""
    with closing(connect(url, connect_timeout=3)) as keeper:
        while True:
            refill.follow()
            try:
                with held(keeper, second.name) as cursor:
                    if refill.behind() <= _SHORT_ENOUGH:
                        refill.follow()
                        refill.take_over()
                        swap(cursor, second.name, topic_ids)
                        return
            except BUSY:
                time.sleep(_PAUSE_S)
