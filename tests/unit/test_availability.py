"""Slots right through clock changes, and what is shown is what is accepted."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from rebook.availability import Schedule, Slot, Span
from rebook.moments import zone, zone_names

BERLIN = Schedule(
    zone=zone("Europe/Berlin"),
    weekly_hours={},
    date_overrides={},
    duration=timedelta(minutes=30),
    step=timedelta(minutes=30),
    buffer_before=timedelta(),
    buffer_after=timedelta(),
    minimum_notice=timedelta(),
    horizon=timedelta(days=3650),
)
LONG_BEFORE = datetime(2029, 1, 1, tzinfo=UTC)
EVERY_DAY = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def hours(first: int, last: int) -> dict[str, list[Span]]:
    return {day: [Span(first * 3600, last * 3600)] for day in EVERY_DAY}


def starts(schedule: Schedule, day: date, taken: list[Slot] | None = None) -> list[str]:
    offered = schedule.slots(day, day, schedule.zone, now=LONG_BEFORE, taken=taken or [], team=False)
    return [f"{slot.starts_at.astimezone(schedule.zone):%H:%M%z}" for slot in offered.get(day, [])]


def test_an_opening_that_the_clock_jumps_over_opens_at_the_moment_of_the_change():
    spring = replace(BERLIN, weekly_hours={"sun": [Span(2 * 3600 + 1800, 4 * 3600)]})
    assert starts(spring, date(2030, 3, 31)) == ["03:00+0200", "03:30+0200"]


def test_hours_that_happen_twice_open_at_the_first_and_close_at_the_last_occurrence():
    autumn = replace(BERLIN, weekly_hours={"sun": [Span(2 * 3600, 3 * 3600)]})
    assert starts(autumn, date(2030, 10, 27)) == ["02:00+0200", "02:30+0200", "02:00+0100", "02:30+0100"]


def test_a_day_that_closes_at_24_ends_with_the_day():
    late = replace(BERLIN, weekly_hours={"mon": [Span(23 * 3600, 24 * 3600)], "tue": [Span(0, 1800)]})
    assert starts(late, date(2030, 11, 4)) == ["23:00+0100", "23:30+0100"]


def test_an_override_stands_in_the_place_of_the_days_hours():
    closed = replace(BERLIN, weekly_hours=hours(9, 10), date_overrides={date(2030, 12, 24): []})
    assert starts(closed, date(2030, 12, 24)) == []
    assert starts(closed, date(2030, 12, 23)) == ["09:00+0100", "09:30+0100"]


def test_buffers_keep_their_distance_from_what_is_taken():
    buffered = replace(BERLIN, weekly_hours=hours(9, 12), buffer_before=timedelta(minutes=15))
    taken = [Slot(datetime(2030, 11, 4, 9, tzinfo=UTC), datetime(2030, 11, 4, 9, 30, tzinfo=UTC))]
    assert starts(buffered, date(2030, 11, 4), taken) == [
        "09:00+0100",
        "09:30+0100",
        "11:00+0100",
        "11:30+0100",
    ]


def test_days_are_those_of_the_zone_that_was_asked_for():
    early = replace(BERLIN, weekly_hours=hours(0, 1))
    shown = early.slots(
        date(2030, 11, 4), date(2030, 11, 4), zone("America/New_York"), now=LONG_BEFORE, taken=[], team=False
    )
    assert [slot.starts_at.hour for slot in shown[date(2030, 11, 4)]] == [23, 23]


zones = st.sampled_from(sorted(zone_names()))
minutes = st.integers(5, 120).map(lambda count: timedelta(minutes=count))


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    first = draw(st.integers(0, 22))
    return replace(
        BERLIN,
        zone=zone(draw(zones)),
        weekly_hours=hours(first, draw(st.integers(first + 1, 24))),
        duration=draw(minutes),
        step=draw(minutes),
    )


def obvious_starts(schedule: Schedule, day: date) -> set[datetime]:
    """Every minute of the day, asked one by one whether it is open and on the step."""
    span = schedule.weekly_hours["mon"][0]
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=15)
    moments = [midnight + timedelta(minutes=count) for count in range(60 * 54)]

    def is_open(moment: datetime) -> bool:
        local = moment.astimezone(schedule.zone)
        seconds = local.hour * 3600 + local.minute * 60
        return local.date() == day and span.opens <= seconds < span.closes

    # A time that happens twice and closes in between is one opening, from its first to its last moment.
    opened = [moment for moment in moments if is_open(moment)]
    if not opened:
        return set()
    first, end = opened[0], opened[-1] + timedelta(minutes=1)
    found, start = set(), first
    while start + schedule.duration <= end:
        found.add(start)
        start += schedule.step
    return found


@settings(max_examples=300, deadline=None)
@given(schedules(), st.dates(date(2030, 1, 1), date(2031, 12, 31)))
def test_the_slots_of_any_day_are_those_of_an_obvious_model_and_each_is_accepted(
    schedule: Schedule, day: date
):
    offered = schedule.slots(day, day, schedule.zone, now=LONG_BEFORE, taken=[], team=False)
    found = {slot.starts_at for slot in offered.get(day, [])}
    assert found == {
        start for start in obvious_starts(schedule, day) if start.astimezone(schedule.zone).date() == day
    }
    assert all(schedule.lies_in_hours(start) for start in found)
    assert not any(schedule.lies_in_hours(start + timedelta(seconds=1)) for start in found)
