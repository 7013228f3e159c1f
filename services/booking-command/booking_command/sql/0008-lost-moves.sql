-- A booking that has a hold again, right after its own was deleted, was moved by somebody else meanwhile: the time is
-- not taken, this change is decided anew.
CREATE OR REPLACE FUNCTION take_hold(holder uuid, of_host text, starts_at timestamptz, ends_at timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM slot_holds WHERE booking_id = holder;
    INSERT INTO slot_holds VALUES (holder, of_host, tstzrange(starts_at, ends_at)) ON CONFLICT DO NOTHING;
    IF FOUND THEN
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM slot_holds WHERE booking_id = holder) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'unique_violation', CONSTRAINT = 'slot_holds_pkey', MESSAGE = 'moved meanwhile';
    END IF;
    RAISE EXCEPTION USING
        ERRCODE = 'exclusion_violation', CONSTRAINT = 'slot_holds_never_overlap', MESSAGE = 'slot taken';
END $$;
