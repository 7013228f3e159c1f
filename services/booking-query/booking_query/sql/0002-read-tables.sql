-- What is shown. Everything here can be dropped and made anew from the topics.
-- `version` is the version of the row's stream: a row takes the next event of its stream and no other.

CREATE EXTENSION IF NOT EXISTS pg_trgm;

CREATE TABLE bookings (
    booking_id                uuid        PRIMARY KEY,
    version                   bigint      NOT NULL,
    status                    text        NOT NULL CHECK (status IN ('confirmed', 'rescheduled', 'cancelled')),
    meeting_type              text        NOT NULL,
    title                     text        NOT NULL,
    location                  text        NOT NULL,
    host                      text        NOT NULL, -- the lower-case address: what identifies a host
    host_name                 text        NOT NULL,
    host_email                text        NOT NULL,
    timezone                  text        NOT NULL,
    duration_minutes          integer     NOT NULL,
    reschedule_cutoff_minutes integer     NOT NULL,
    cancel_cutoff_minutes     integer     NOT NULL,
    starts_at                 timestamptz NOT NULL,
    ends_at                   timestamptz NOT NULL,
    hold_starts_at            timestamptz NOT NULL,
    hold_ends_at              timestamptz NOT NULL,
    customer_name             text        NOT NULL,
    customer_email            text        NOT NULL,
    customer_timezone         text        NOT NULL,
    notes                     text        NOT NULL,
    reschedules               integer     NOT NULL DEFAULT 0,
    created_at                timestamptz NOT NULL,
    updated_at                timestamptz NOT NULL,
    cancelled_at              timestamptz,
    cancel_reason             text,
    searched                  text        NOT NULL
        GENERATED ALWAYS AS (lower(customer_name || chr(10) || customer_email)) STORED
);

-- One index in the order of each filter; "upcoming" and "past" are both walks through the active ones.
CREATE INDEX bookings_by_start ON bookings (starts_at, booking_id);
CREATE INDEX bookings_active ON bookings (starts_at, booking_id) WHERE status <> 'cancelled';
CREATE INDEX bookings_cancelled ON bookings (starts_at, booking_id) WHERE status = 'cancelled';
CREATE INDEX bookings_by_host ON bookings (host, starts_at, booking_id);
CREATE INDEX bookings_by_meeting_type ON bookings (meeting_type, starts_at, booking_id);
CREATE INDEX bookings_by_duration ON bookings (duration_minutes); -- for the longest one
CREATE INDEX bookings_searched ON bookings USING gin (searched gin_trgm_ops);
-- What keeps a host's time from being offered.
CREATE INDEX bookings_holds ON bookings (host, hold_starts_at) INCLUDE (hold_ends_at, booking_id)
    WHERE status <> 'cancelled';

-- How many bookings end on each day (UTC), so that counting does not take longer the more there are. Changes are
-- added up as they come and folded into the sums from time to time, so that writers never wait for one another.
CREATE TABLE booking_counts (
    ends_on      date    NOT NULL,
    is_cancelled boolean NOT NULL,
    bookings     bigint  NOT NULL,
    PRIMARY KEY (ends_on, is_cancelled)
);
CREATE TABLE booking_count_changes (
    ends_on      date    NOT NULL,
    is_cancelled boolean NOT NULL,
    change       bigint  NOT NULL
);

CREATE FUNCTION ends_on(ends_at timestamptz) RETURNS date LANGUAGE sql IMMUTABLE
    RETURN (ends_at AT TIME ZONE 'UTC')::date;

CREATE FUNCTION count_new_bookings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO booking_count_changes
    SELECT ends_on(ends_at), status = 'cancelled', count(*) FROM added GROUP BY 1, 2;
    RETURN NULL;
END $$;
CREATE FUNCTION count_gone_bookings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO booking_count_changes
    SELECT ends_on(ends_at), status = 'cancelled', -count(*) FROM gone GROUP BY 1, 2;
    RETURN NULL;
END $$;
CREATE FUNCTION count_changed_booking() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO booking_count_changes VALUES
        (ends_on(OLD.ends_at), OLD.status = 'cancelled', -1),
        (ends_on(NEW.ends_at), NEW.status = 'cancelled', 1);
    RETURN NULL;
END $$;
CREATE TRIGGER count_new AFTER INSERT ON bookings REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_new_bookings();
CREATE TRIGGER count_gone AFTER DELETE ON bookings REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION count_gone_bookings();
CREATE TRIGGER count_changed AFTER UPDATE OF ends_at, status ON bookings FOR EACH ROW
    WHEN ((OLD.ends_at, OLD.status) IS DISTINCT FROM (NEW.ends_at, NEW.status))
    EXECUTE FUNCTION count_changed_booking();

-- What happened to a booking, its letters included; the latter may come before the booking itself does.
CREATE TABLE booking_history (
    booking_id uuid        NOT NULL,
    event_id   text        NOT NULL, -- ce_id
    at         timestamptz NOT NULL,
    sequence   bigint      NOT NULL, -- in the event's own stream
    type       text        NOT NULL,
    by         text        NOT NULL,
    details    jsonb       NOT NULL,
    PRIMARY KEY (booking_id, event_id)
);

CREATE TABLE meeting_types (
    slug       text        PRIMARY KEY,
    stream_id  uuid        NOT NULL UNIQUE,
    version    bigint      NOT NULL,
    definition json        NOT NULL, -- the last one, of a deleted type too: its bookings still move by it
    deleted_at timestamptz
);

CREATE TABLE team_members (
    member_id  uuid    PRIMARY KEY,
    version    bigint  NOT NULL,
    email      text    NOT NULL,
    generation integer NOT NULL, -- sessions of an earlier one have ended
    removed_at timestamptz
);
CREATE TABLE ended_sessions (
    session_id text        PRIMARY KEY,
    ended_at   timestamptz NOT NULL
);
CREATE TABLE api_tokens (
    token_id   uuid        PRIMARY KEY,
    version    bigint      NOT NULL,
    name       text        NOT NULL,
    sha256     text        NOT NULL UNIQUE,
    member_id  uuid        NOT NULL,
    created_by text        NOT NULL,
    created_at timestamptz NOT NULL,
    revoked_at timestamptz
);
