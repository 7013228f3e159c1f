-- With PostgreSQL's usual hundred samples of what is searched, letters that one of them has are taken to be in a
-- hundredth of all rows: so many that it reads the list from its beginning until it has a page of them. Where there
-- were no more than a few, that was the whole list.
ALTER TABLE bookings ALTER COLUMN searched SET STATISTICS 1000;
ANALYZE bookings (searched);
