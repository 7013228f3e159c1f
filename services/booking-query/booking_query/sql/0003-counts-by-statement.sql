-- Bookings are changed many at a time: their counts too, by the statement and not by the row.

DROP TRIGGER count_changed ON bookings;
DROP FUNCTION count_changed_booking();

CREATE FUNCTION count_changed_bookings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO booking_count_changes
    SELECT ends_on, is_cancelled, sum(change) FROM (
        SELECT ends_on(ends_at) AS ends_on, status = 'cancelled' AS is_cancelled, -1 AS change FROM gone
        UNION ALL SELECT ends_on(ends_at), status = 'cancelled', 1 FROM added
    ) AS changes GROUP BY 1, 2 HAVING sum(change) <> 0;
    RETURN NULL;
END $$;
CREATE TRIGGER count_changed AFTER UPDATE ON bookings REFERENCING OLD TABLE AS gone NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_changed_bookings();
