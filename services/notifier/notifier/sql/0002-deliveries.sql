-- Bookings as the notifier knows them: the terms frozen at confirmation, and how they stand now.
CREATE TABLE bookings (
    booking_id                uuid        PRIMARY KEY,
    version                   integer     NOT NULL, -- the last event seen
    changed_version           integer     NOT NULL, -- the last one that booked, moved or cancelled it
    status                    text        NOT NULL CHECK (status IN ('confirmed', 'rescheduled', 'cancelled')),
    meeting_type              text        NOT NULL, -- its slug
    title                     text        NOT NULL,
    location                  text        NOT NULL,
    host_name                 text        NOT NULL,
    host_email                text        NOT NULL,
    timezone                  text        NOT NULL,
    team                      text[]      NOT NULL,
    reminders_minutes_before  integer[]   NOT NULL,
    reschedule_cutoff_minutes integer     NOT NULL,
    cancel_cutoff_minutes     integer     NOT NULL,
    customer_name             text        NOT NULL,
    customer_email            text        NOT NULL,
    customer_timezone         text        NOT NULL,
    notes                     text        NOT NULL,
    starts_at                 timestamptz NOT NULL,
    ends_at                   timestamptz NOT NULL,
    calendar_sequence         integer     NOT NULL -- SEQUENCE of the calendar entry: 0, then one more with each change
);

-- What each event that calls for letters said, so that a late letter still tells what it was about.
CREATE TABLE changes (
    booking_id         uuid        NOT NULL REFERENCES bookings,
    version            integer     NOT NULL,
    kind               text        NOT NULL CHECK (kind IN ('confirmed', 'rescheduled', 'cancelled', 'resend-requested')),
    starts_at          timestamptz NOT NULL,
    ends_at            timestamptz NOT NULL,
    previous_starts_at timestamptz, -- of a move
    previous_ends_at   timestamptz,
    actor              text        NOT NULL,
    reason             text        NOT NULL,
    calendar_sequence  integer     NOT NULL,
    happened_at        timestamptz NOT NULL,
    correlation_id     text        NOT NULL,
    PRIMARY KEY (booking_id, version)
);

-- One e-mail to one person. The id is made of event, recipient, letter and (of a reminder) minutes, so the same
-- event never makes a second one. `number` is the order of one person's letters about one booking.
CREATE TABLE deliveries (
    delivery_id    uuid        PRIMARY KEY,
    number         bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    booking_id     uuid        NOT NULL, -- no reference: a lost table is refilled before the bookings are read again
    version        integer     NOT NULL,
    event_id       text        NOT NULL,
    letter         text        NOT NULL,
    recipient      text        NOT NULL,
    minutes_before integer,
    message_id     text        NOT NULL,
    correlation_id text        NOT NULL,
    state          text        NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'sent', 'failed', 'skipped')),
    fell_due_at    timestamptz NOT NULL,
    next_try_at    timestamptz NOT NULL,
    tries          integer     NOT NULL DEFAULT 0, -- refusals that count against the letter
    deferrals      integer     NOT NULL DEFAULT 0, -- troubles of the server while it had this letter; they do not
    outcomes       integer     NOT NULL DEFAULT 0, -- how often its fate was decided; an operator may try again
    reason         text        NOT NULL DEFAULT '' -- of the last refusal, trouble or skip
);
CREATE INDEX deliveries_due ON deliveries (next_try_at, number) WHERE state = 'pending';
CREATE INDEX deliveries_queue ON deliveries (booking_id, recipient, number) WHERE state = 'pending';
CREATE INDEX deliveries_failed ON deliveries (number) WHERE state = 'failed';
ALTER TABLE deliveries SET (autovacuum_vacuum_scale_factor = 0.02);

-- Reminders that have not fallen due; one becomes a delivery when it does.
CREATE TABLE reminders (
    booking_id     uuid        NOT NULL REFERENCES bookings,
    minutes_before integer     NOT NULL,
    version        integer     NOT NULL, -- the event that set the slot
    due_at         timestamptz NOT NULL,
    PRIMARY KEY (booking_id, minutes_before)
);
CREATE INDEX reminders_due ON reminders (due_at);

-- What became of deliveries, on its way to the deliveries topic; kept, so that a lost topic can be refilled.
CREATE TABLE delivery_events (
    position    bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    delivery_id uuid        NOT NULL,
    outcome     integer     NOT NULL, -- counts the outcomes of one delivery, from 1
    state       text        NOT NULL CHECK (state IN ('sent', 'failed', 'skipped')),
    reason      text        NOT NULL,
    happened_at timestamptz NOT NULL,
    is_reported boolean     NOT NULL DEFAULT false, -- whether it is on the topic below
    UNIQUE (delivery_id, outcome)
);
CREATE INDEX delivery_events_unreported ON delivery_events (position) WHERE NOT is_reported;

-- The topic that has been told; a topic made anew has another id and is told everything again.
CREATE TABLE reported_topic (
    is_only  boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    topic_id text    NOT NULL
);

-- What each sender says about itself, for /statusz.
CREATE TABLE senders (
    instance       uuid        PRIMARY KEY,
    seen_at        timestamptz NOT NULL,
    server_is_well boolean     NOT NULL -- whether the mail server let itself be used last
);
