-- Takes away what there is of a copy of the table @table@. Nobody gets at the table meanwhile.
DO $drop$
DECLARE
    home CONSTANT text := (SELECT relnamespace::regnamespace::text FROM pg_class WHERE oid = '@table@'::regclass);
BEGIN
    EXECUTE format('DROP TRIGGER IF EXISTS patron_copy_rows ON %s.@table@', home);
    EXECUTE format('DROP TRIGGER IF EXISTS patron_copy_truncate ON %s.@table@', home);
    EXECUTE format('DROP FUNCTION IF EXISTS %s.patron_copy_of_@table@()', home);
    EXECUTE format('DROP TABLE IF EXISTS %s.patron_copy_of_@table@', home);
END $drop$
