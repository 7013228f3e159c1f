-- The event store: the truth of Rebook. Nothing is updated here, but for the erasure of personal data.

CREATE EXTENSION IF NOT EXISTS btree_gist;

-- A store's identity: part of every event's source. A restored copy gets a new one.
CREATE TABLE store (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    store_id uuid NOT NULL DEFAULT gen_random_uuid()
);
INSERT INTO store DEFAULT VALUES;

CREATE TABLE stored_events (
    originator_id uuid NOT NULL,
    originator_version bigint NOT NULL,
    topic text NOT NULL,
    state bytea NOT NULL,
    notification_id bigint GENERATED ALWAYS AS IDENTITY,
    CONSTRAINT stored_events_pkey PRIMARY KEY (originator_id, originator_version)
);
CREATE UNIQUE INDEX stored_events_position ON stored_events (notification_id);

-- Floor lock: before a writer draws ids, it locks, shared and until its transaction ends, the last id that was
-- drawn by anyone. A reader that takes the sequence's last value and then the smallest such lock knows that
-- nothing can still appear at or below the lesser of the two. The keys have the first byte 0x52 to themselves.
CREATE FUNCTION take_floor_lock() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(
        (x'52'::bigint << 56) | (SELECT last_value FROM stored_events_notification_id_seq)
    );
    RETURN NULL;
END $$;
CREATE TRIGGER floor_lock BEFORE INSERT ON stored_events
    FOR EACH STATEMENT EXECUTE FUNCTION take_floor_lock();

-- A host is never double-booked: two holds of one host never overlap.
CREATE TABLE slot_holds (
    booking_id uuid PRIMARY KEY,
    host text NOT NULL,
    during tstzrange NOT NULL,
    CONSTRAINT slot_holds_never_overlap EXCLUDE USING gist (host WITH =, during WITH &&)
);
CREATE INDEX slot_holds_by_end ON slot_holds (upper(during));

-- Gives a booking its hold in place of any it had. ON CONFLICT waits for a rival's transaction without the
-- deadlocks of racing plain INSERTs; the loser is told by the constraint's name.
CREATE FUNCTION take_hold(holder uuid, of_host text, starts_at timestamptz, ends_at timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM slot_holds WHERE booking_id = holder;
    INSERT INTO slot_holds VALUES (holder, of_host, tstzrange(starts_at, ends_at)) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'exclusion_violation', CONSTRAINT = 'slot_holds_never_overlap', MESSAGE = 'slot taken';
    END IF;
END $$;

-- What was answered to a command that came with an Idempotency-Key; written with the command's events.
CREATE TABLE idempotency_keys (
    scope text NOT NULL, -- whose key: a team member's id, or `public`
    key text NOT NULL,
    fingerprint bytea NOT NULL, -- SHA-256 of method, path and body
    booking_id uuid NOT NULL,
    version bigint NOT NULL,
    status text NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
