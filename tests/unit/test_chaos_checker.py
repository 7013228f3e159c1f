"""The checker of `make chaos` finds nothing where all is well, and every kind of corruption where it is not."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from chaos.checker import check
from chaos.history import ACKNOWLEDGED, CANCEL, READ, REFUSED, WRITES
from chaos.nemesis import Happened
from chaos.specimen import specimen
from rebook.topics import BOOKINGS, DELIVERIES

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaos.history import Call
    from chaos.seen import Seen
    from rebook.cloudevents import Event

SEEDS = range(5)


def found(calls: list[Call], seen: Seen, happened: tuple[Happened, ...] = ()) -> set[str]:
    """The rules that something breaks."""
    return {verdict.rule for verdict in check(calls, seen, happened) if verdict.findings}


def some(things: list[Any], chance: random.Random, fits: Callable[[Any], bool] = lambda _: True) -> int:
    """The index of one that fits."""
    return chance.choice([index for index, thing in enumerate(things) if fits(thing)])


def is_last(seen: Seen, event: Event) -> bool:
    return event.sequence == max(one.sequence for one in seen.store if one.subject == event.subject)


def with_data(event: Event, **changes: Any) -> Event:
    return replace(event, data={**event.data, **changes})


def lose_an_acknowledged_event(calls: list[Call], seen: Seen, chance: random.Random) -> None:
    told = {call.correlation_id for call in calls if call.outcome == ACKNOWLEDGED}
    del seen.store[
        some(seen.store, chance, lambda event: event.correlation_id in told and is_last(seen, event))
    ]


def answer_another_time(calls: list[Call], seen: Seen, chance: random.Random) -> None:
    index = some(calls, chance, lambda call: call.kind in WRITES and call.outcome == ACKNOWLEDGED)
    calls[index] = replace(calls[index], answer={**calls[index].answer, "starts_at": "2031-01-01T00:00:00Z"})


def answer_another_position(calls: list[Call], seen: Seen, chance: random.Random) -> None:
    index = some(calls, chance, lambda call: call.kind in WRITES and call.outcome == ACKNOWLEDGED)
    calls[index] = replace(calls[index], answer={**calls[index].answer, "position": 99})


def acknowledge_what_was_never_done(calls: list[Call], seen: Seen, chance: random.Random) -> None:
    index = some(calls, chance, lambda call: call.kind == CANCEL and call.outcome == ACKNOWLEDGED)
    answer = next(call.answer for call in calls if call.outcome == ACKNOWLEDGED and call.kind != READ)
    calls[index] = replace(calls[index], correlation_id="nobody's", answer=answer)


def do_it_twice(calls: list[Call], seen: Seen, chance: random.Random) -> None:
    event = chance.choice([event for event in seen.store if event.sequence > 1])
    index = some(seen.store, chance, lambda one: one.subject == event.subject and one != event)
    seen.store[index] = replace(seen.store[index], correlation_id=event.correlation_id)


def do_what_was_refused(calls: list[Call], seen: Seen, chance: random.Random) -> None:
    refused = chance.choice([call for call in calls if call.outcome == REFUSED])
    index = some(seen.store, chance)
    seen.store[index] = replace(seen.store[index], correlation_id=refused.correlation_id)


def answer_with_an_error(calls: list[Call], seen: Seen, chance: random.Random) -> None:
    index = some(calls, chance)
    calls[index] = replace(calls[index], status=chance.choice((500, 404, 422, 401)))


def refuse_for_an_untrue_reason(calls: list[Call], seen: Seen, chance: random.Random) -> None:
    index = some(calls, chance, lambda call: call.code == "slot-taken")
    asked = {**calls[index].asked, "booking_id": seen.store[2].subject}
    code = chance.choice(("stale-version", "booking-cancelled"))
    calls[index] = replace(calls[index], asked=asked, answer={"code": code})


def let_a_stale_change_through(calls: list[Call], seen: Seen, chance: random.Random) -> None:
    index = some(calls, chance, lambda call: call.kind in WRITES and call.outcome == ACKNOWLEDGED)
    stale = calls[index].answer["version"] + chance.choice((-2, 1))
    calls[index] = replace(calls[index], asked={**calls[index].asked, "if_match": stale})


def store_another_time(calls: list[Call], seen: Seen, chance: random.Random) -> None:
    index = some(seen.store, chance, lambda event: "starts_at" in event.data)
    seen.store[index] = with_data(seen.store[index], starts_at="2031-01-01T00:00:00Z")


def store_for_somebody_else(calls: list[Call], seen: Seen, chance: random.Random) -> None:
    index = some(seen.store, chance, lambda event: "customer" in event.data)
    seen.store[index] = with_data(seen.store[index], customer={"email": "eve@example.org"})


def store_what_nobody_asked(calls: list[Call], seen: Seen, chance: random.Random) -> None:
    index = some(seen.store, chance)
    seen.store[index] = replace(seen.store[index], correlation_id="nobody's")


def leave_a_gap(calls: list[Call], seen: Seen, chance: random.Random) -> None:
    index = some(seen.store, chance, lambda event: event.sequence > 1)
    seen.store[index] = replace(seen.store[index], sequence=seen.store[index].sequence + 1)


def give_a_position_twice(calls: list[Call], seen: Seen, chance: random.Random) -> None:
    index = some(seen.store[1:], chance) + 1
    seen.store[index] = replace(seen.store[index], position=seen.store[index - 1].position)


def book_a_host_twice(calls: list[Call], seen: Seen, chance: random.Random) -> None:
    """The second booking begins while the first is still where it was."""
    move = some(seen.store, chance, lambda event: event.type == "rebook.BookingRescheduled.v1")
    first = next(event for event in seen.store if event.subject == seen.store[move].subject)
    same = {name: first.data[name] for name in ("starts_at", "ends_at", "hold")}
    seen.store[move] = with_data(seen.store[move], **same)


def lose_a_hold(calls: list[Call], seen: Seen, chance: random.Random) -> None:
    del seen.holds[some(seen.holds, chance)]


def keep_a_hold(calls: list[Call], seen: Seen, chance: random.Random) -> None:
    cancelled = next(event for event in seen.store if event.type == "rebook.BookingCancelled.v1")
    seen.holds.append(seen.holds[0]._replace(booking_id=cancelled.subject))


def lose_a_key(calls: list[Call], seen: Seen, chance: random.Random) -> None:
    del seen.keys[chance.choice(list(seen.keys))]


def keep_a_key_without_its_event(calls: list[Call], seen: Seen, chance: random.Random) -> None:
    seen.keys["another"] = (seen.store[0].subject, 99)


def show_the_past(calls: list[Call], seen: Seen, chance: random.Random) -> None:
    index = some(calls, chance, lambda call: call.kind == READ)
    calls[index] = replace(calls[index], answer={**calls[index].answer, "version": 0})


def show_what_never_was(calls: list[Call], seen: Seen, chance: random.Random) -> None:
    index = some(calls, chance, lambda call: call.kind == READ)
    calls[index] = replace(calls[index], answer={**calls[index].answer, "status": "cancelled"})


def lose_a_record(calls: list[Call], seen: Seen, chance: random.Random) -> None:
    del seen.topics[BOOKINGS][some(seen.topics[BOOKINGS], chance)]


def publish_another_time(calls: list[Call], seen: Seen, chance: random.Random) -> None:
    records = seen.topics[BOOKINGS]
    index = some(records, chance)
    records[index] = with_data(records[index], starts_at="2031-01-01T00:00:00Z")


def publish_what_is_not_stored(calls: list[Call], seen: Seen, chance: random.Random) -> None:
    records = seen.topics[BOOKINGS]
    records.append(replace(chance.choice(records), id="another:1"))


def publish_out_of_order(calls: list[Call], seen: Seen, chance: random.Random) -> None:
    seen.topics[BOOKINGS].reverse()


def fall_behind(calls: list[Call], seen: Seen, chance: random.Random) -> None:
    shown = seen.bookings[chance.choice(list(seen.bookings))]
    shown[chance.choice(("version", "status", "starts_at", "reschedules"))] = "before"


def show_no_booking(calls: list[Call], seen: Seen, chance: random.Random) -> None:
    del seen.bookings[chance.choice(list(seen.bookings))]


def show_another_booking(calls: list[Call], seen: Seen, chance: random.Random) -> None:
    seen.bookings["another"] = chance.choice(list(seen.bookings.values()))


def miscount(calls: list[Call], seen: Seen, chance: random.Random) -> None:
    seen.counts[chance.choice(list(seen.counts))] += 1


def forget_what_happened(calls: list[Call], seen: Seen, chance: random.Random) -> None:
    history = seen.bookings[chance.choice(list(seen.bookings))]["history"]
    del history[some(history, chance)]


def park(calls: list[Call], seen: Seen, chance: random.Random) -> None:
    seen.status[chance.choice(("query", "notifier"))][chance.choice(("parked_streams", "dead_letters"))] = 1


def decide_no_letter(calls: list[Call], seen: Seen, chance: random.Random) -> None:
    told = seen.topics[DELIVERIES]
    del told[some(told, chance, lambda event: event.data["letter"] != "reminder")]


def decide_an_uncalled_letter(calls: list[Call], seen: Seen, chance: random.Random) -> None:
    told = seen.topics[DELIVERIES]
    index = some(told, chance, lambda event: event.data["letter"] != "reminder")
    told.append(with_data(told[index], recipient="eve@example.org"))


def mail_nothing(calls: list[Call], seen: Seen, chance: random.Random) -> None:
    del seen.mails[some(seen.mails, chance)]


def mail_somebody_else(calls: list[Call], seen: Seen, chance: random.Random) -> None:
    index = some(seen.mails, chance)
    seen.mails[index] = seen.mails[index]._replace(recipient="eve@example.org")


def mail_what_nobody_decided(calls: list[Call], seen: Seen, chance: random.Random) -> None:
    seen.mails.append(seen.mails[some(seen.mails, chance)]._replace(message_id="<another@example.org>"))


def skip_the_last_word(calls: list[Call], seen: Seen, chance: random.Random) -> None:
    told = seen.topics[DELIVERIES]
    index = some(told, chance, lambda event: event.data["letter"] == "cancelled")
    told[index] = replace(told[index], type="rebook.EmailSkipped.v1")


def mail_twice(calls: list[Call], seen: Seen, chance: random.Random) -> None:
    seen.mails.append(seen.mails[some(seen.mails, chance)]._replace(arrived_s=99.0))


def mail_out_of_order(calls: list[Call], seen: Seen, chance: random.Random) -> None:
    seen.mails[:] = [mail._replace(arrived_s=-mail.arrived_s) for mail in seen.mails]


def forget_a_reminder(calls: list[Call], seen: Seen, chance: random.Random) -> None:
    told = seen.topics[DELIVERIES]
    del told[some(told, chance, lambda event: event.data["letter"] == "reminder")]


def remind_of_nothing(calls: list[Call], seen: Seen, chance: random.Random) -> None:
    told = seen.topics[DELIVERIES]
    index = some(told, chance, lambda event: event.data["letter"] == "reminder")
    told[index] = with_data(told[index], event_id="another:1")


CORRUPTIONS = {
    lose_an_acknowledged_event: "every acknowledged write is in the store, as it was answered",
    answer_another_time: "every acknowledged write is in the store, as it was answered",
    answer_another_position: "every acknowledged write is in the store, as it was answered",
    acknowledge_what_was_never_done: "every acknowledged act changed what it was asked to change, once",
    do_it_twice: "every acknowledged act changed what it was asked to change, once",
    do_what_was_refused: "nothing that was refused is in the store",
    answer_with_an_error: "refusals are true",
    refuse_for_an_untrue_reason: "refusals are true",
    let_a_stale_change_through: "If-Match let a change through at that very version only",
    store_another_time: "what is stored is what was asked for, and nothing else is",
    store_for_somebody_else: "what is stored is what was asked for, and nothing else is",
    store_what_nobody_asked: "what is stored is what was asked for, and nothing else is",
    leave_a_gap: "versions have no gaps, positions no repeats",
    give_a_position_twice: "versions have no gaps, positions no repeats",
    lose_a_hold: "holds and Idempotency-Keys were stored with their events, or not at all",
    keep_a_hold: "holds and Idempotency-Keys were stored with their events, or not at all",
    lose_a_key: "holds and Idempotency-Keys were stored with their events, or not at all",
    keep_a_key_without_its_event: "holds and Idempotency-Keys were stored with their events, or not at all",
    book_a_host_twice: "one winner for each time of a host, at every moment",
    show_the_past: "nobody read a version older than the one they were told of",
    show_what_never_was: "nobody read a version older than the one they were told of",
    lose_a_record: "every event of the store is on its topic, as it is, and nothing else is",
    publish_another_time: "every event of the store is on its topic, as it is, and nothing else is",
    publish_what_is_not_stored: "every event of the store is on its topic, as it is, and nothing else is",
    publish_out_of_order: "the events of one stream are on their topic in order",
    fall_behind: "the queries show every booking as its events make it, and no other",
    show_no_booking: "the queries show every booking as its events make it, and no other",
    show_another_booking: "the queries show every booking as its events make it, and no other",
    miscount: "the queries show every booking as its events make it, and no other",
    forget_what_happened: "a booking's history is its events and what became of its letters",
    park: "nothing is parked, and no letter is a dead one",
    decide_no_letter: "every letter that an event calls for was decided upon, once",
    decide_an_uncalled_letter: "every letter that an event calls for was decided upon, once",
    mail_nothing: "every letter that is said to be sent was sent, and none that is not",
    mail_somebody_else: "every letter that is said to be sent was sent, and none that is not",
    mail_what_nobody_decided: "every letter that is said to be sent was sent, and none that is not",
    skip_the_last_word: "a letter was left out only where a later one says more",
    mail_twice: "no letter came twice, but where its being taken could not be learnt",
    mail_out_of_order: "one person's letters about one booking came in the order of events",
    forget_a_reminder: "reminders came once, of the slot that stood, and none was forgotten",
    remind_of_nothing: "reminders came once, of the slot that stood, and none was forgotten",
}


def test_the_checker_finds_nothing_in_what_a_history_implies():
    made = specimen()
    assert found(made.calls, made.seen()) == set()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("corrupt", CORRUPTIONS, ids=lambda corrupt: corrupt.__name__)
def test_the_checker_finds_every_kind_of_corruption(corrupt: Any, seed: int):
    made = specimen()
    calls, seen = made.calls, made.seen()
    corrupt(calls, seen, random.Random(seed))
    assert CORRUPTIONS[corrupt] in found(calls, seen)


def test_every_rule_of_the_checker_is_broken_by_some_corruption():
    made = specimen()
    assert {verdict.rule for verdict in check(made.calls, made.seen())} == set(CORRUPTIONS.values())


def test_a_letter_may_come_twice_only_while_something_kept_the_worker_from_learning_that_it_was_taken():
    made = specimen()
    seen = made.seen()
    mail_twice(made.calls, seen, random.Random(1))
    assert found(made.calls, seen, (Happened("killed", "notifier-worker", 0.0, 1.0),)) == set()
    assert found(made.calls, seen, (Happened("killed", "gateway", 0.0, 1.0),)) == {CORRUPTIONS[mail_twice]}


def test_a_letter_may_come_twice_where_the_mail_server_took_it_without_saying_so():
    made = specimen()
    seen = made.seen()
    mail_twice(made.calls, seen, random.Random(1))
    seen.unanswered.append(seen.mails[-1].message_id)
    assert found(made.calls, seen) == set()


def test_a_letter_that_was_taken_without_a_word_may_be_left_out_later():
    made = specimen()
    seen = made.seen()
    index = some(
        seen.topics[DELIVERIES], random.Random(1), lambda event: event.data["letter"] == "confirmation"
    )
    taken = seen.topics[DELIVERIES][index]
    seen.topics[DELIVERIES][index] = replace(taken, type="rebook.EmailSkipped.v1")
    rule = CORRUPTIONS[mail_nothing]
    assert rule in found(made.calls, seen)
    seen.unanswered.append(taken.data["message_id"])
    assert rule not in found(made.calls, seen)


def test_copies_may_come_early_where_everything_comes_again_in_order():
    made = specimen()
    seen = made.seen()
    in_order = list(seen.topics[BOOKINGS])
    publish_out_of_order(made.calls, seen, random.Random(1))
    seen.topics[BOOKINGS] += in_order
    assert found(made.calls, seen) == set()
