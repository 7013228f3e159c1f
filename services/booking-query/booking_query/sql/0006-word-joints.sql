-- For whole names: where two words meet, by the last three letters of one and the first three of the next. Whatever
-- contains the words side by side has all their joints, and few rows have any one of them.

CREATE FUNCTION word_joints(text) RETURNS text[] LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    words  text[] := string_to_array($1, ' ');
    joints text[] := '{}';
BEGIN
    FOR place IN 2..cardinality(words) LOOP
        IF length(words[place - 1]) >= 3 AND length(words[place]) >= 3 THEN
            joints := joints || (right(words[place - 1], 3) || ' ' || left(words[place], 3));
        END IF;
    END LOOP;
    RETURN joints;
END $$;

-- One or two entries a row are not worth a list of what is still to be entered, which every search would read through.
CREATE INDEX bookings_joints ON bookings USING gin (word_joints(searched)) WITH (fastupdate = off);
