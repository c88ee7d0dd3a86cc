-- Puts the copy of the table @table@ in its place. Nobody else gets at either, since both are locked.
DO $swap$
DECLARE
    original CONSTANT regclass := '@table@';
    home     CONSTANT text := (SELECT relnamespace::regnamespace::text FROM pg_class WHERE oid = original);
    comment  CONSTANT text := obj_description(original, 'pg_class');
    names    CONSTANT text[] := ARRAY(
        SELECT ARRAY['patron_copy_' || c.oid, c.relname::text]
        FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
        WHERE i.indrelid = original AND i.indisvalid);
    pair     text[];
BEGIN
    EXECUTE format('DROP TABLE %s.@table@', home);
    EXECUTE format('DROP FUNCTION %s.patron_copy_of_@table@()', home);
    EXECUTE format('ALTER TABLE %s.patron_copy_of_@table@ RENAME TO @table@', home);
    EXECUTE format('COMMENT ON TABLE %s.@table@ IS %L', home, comment);
    FOREACH pair SLICE 1 IN ARRAY names LOOP
        EXECUTE format('ALTER INDEX %s.%I RENAME TO %I', home, pair[1], pair[2]);
    END LOOP;
END $swap$
