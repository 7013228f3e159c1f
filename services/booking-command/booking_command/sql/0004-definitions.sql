-- Refuses to store what was decided by a definition that is not the newest of its stream.
CREATE FUNCTION must_be_newest(stream uuid, version bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM stored_events WHERE originator_id = stream AND originator_version = version + 1) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'definition_is_newest',
            MESSAGE = 'decided by an outdated definition';
    END IF;
END $$;
