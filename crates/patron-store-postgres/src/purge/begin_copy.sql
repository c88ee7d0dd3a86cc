-- Begins a copy of the table @table@: an empty table of the same shape, into which whatever is written to the original
-- from here on is written too. Nobody writes meanwhile, since the table is locked.

DO $begin$
DECLARE
    original CONSTANT regclass := '@table@';
    -- How both are found by whoever writes, whatever that one's search path is.
    home     CONSTANT text := (SELECT relnamespace::regnamespace::text FROM pg_class WHERE oid = original);
    copy     CONSTANT text := home || '.patron_copy_of_@table@';
    owner    CONSTANT oid := (SELECT relowner FROM pg_class WHERE oid = original);
    one      record;
    columns  text;
    new_row  text;
    old_key  text;
    new_key  text;
    is_old   text;
    is_new   text;
BEGIN
    IF NOT pg_has_role(owner, 'USAGE') THEN
        RAISE EXCEPTION 'must be owner of table @table@' USING ERRCODE = 'insufficient_privilege';
    END IF;

    PERFORM set_config('default_tablespace', coalesce(
        (SELECT s.spcname::text FROM pg_class AS c JOIN pg_tablespace AS s ON s.oid = c.reltablespace WHERE c.oid = original),
        ''), true);
    EXECUTE format('CREATE TABLE %s (LIKE %s.@table@ INCLUDING ALL EXCLUDING INDEXES)', copy, home);

    -- What LIKE leaves out.
    FOR one IN
        SELECT unnest(reloptions) AS option FROM pg_class WHERE oid = original
        UNION ALL
        SELECT 'toast.' || unnest(t.reloptions) FROM pg_class AS c JOIN pg_class AS t ON t.oid = c.reltoastrelid
            WHERE c.oid = original
    LOOP
        EXECUTE format('ALTER TABLE %s SET (%s)', copy, one.option);
    END LOOP;
    FOR one IN
        SELECT attname, attstattarget FROM pg_attribute
        WHERE attrelid = original AND attnum > 0 AND NOT attisdropped AND attstattarget >= 0
    LOOP
        EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET STATISTICS %s', copy, one.attname, one.attstattarget);
    END LOOP;
    FOR one IN
        SELECT attname, unnest(attoptions) AS option FROM pg_attribute
        WHERE attrelid = original AND attnum > 0 AND NOT attisdropped
    LOOP
        EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET (%s)', copy, one.attname, one.option);
    END LOOP;
    EXECUTE format('COMMENT ON TABLE %s IS %L', copy,
        'Patron copies @table@, and this is going to take its place: nothing of customers that were erased is in it.');
    IF owner <> current_user::regrole THEN
        EXECUTE format('ALTER TABLE %s OWNER TO %s', copy, owner::regrole);
    END IF;

    -- Each index is named for the one whose name it gets in the end.
    FOR one IN
        SELECT i.indexrelid AS number, i.indisunique, pg_get_indexdef(i.indexrelid) AS definition,
            pg_get_constraintdef(k.oid) AS constraint_definition, coalesce(s.spcname::text, '') AS place
        FROM pg_index AS i
        JOIN pg_class AS c ON c.oid = i.indexrelid
        LEFT JOIN pg_constraint AS k
            ON k.conindid = i.indexrelid AND k.conrelid = original AND k.contype IN ('p', 'u', 'x')
        LEFT JOIN pg_tablespace AS s ON s.oid = c.reltablespace
        WHERE i.indrelid = original AND i.indisvalid
    LOOP
        PERFORM set_config('default_tablespace', one.place, true);
        IF one.constraint_definition IS NOT NULL THEN
            EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I %s', copy, 'patron_copy_' || one.number, one.constraint_definition);
        ELSE
            EXECUTE format('CREATE %s INDEX %I ON %s%s',
                CASE WHEN one.indisunique THEN 'UNIQUE' ELSE '' END, 'patron_copy_' || one.number, copy,
                substr(one.definition, strpos(one.definition, ' USING ')));
        END IF;
    END LOOP;

    -- Whoever may do what with the original may do it with the copy, and nobody else.
    FOR one IN
        SELECT DISTINCT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END AS name
        FROM pg_class, aclexplode(relacl) WHERE oid = copy::regclass AND grantee <> owner
    LOOP
        EXECUTE format('REVOKE ALL ON %s FROM %s', copy, one.name);
    END LOOP;
    FOR one IN
        SELECT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END AS name, privilege_type,
            CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END AS grantable
        FROM pg_class, aclexplode(relacl) WHERE oid = original AND grantee <> owner
    LOOP
        EXECUTE format('GRANT %s ON %s TO %s%s', one.privilege_type, copy, one.name, one.grantable);
    END LOOP;

    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum),
        string_agg('NEW.' || quote_ident(attname), ', ' ORDER BY attnum)
        INTO columns, new_row
        FROM pg_attribute WHERE attrelid = original AND attnum > 0 AND NOT attisdropped;
    SELECT string_agg('OLD.' || quote_ident(a.attname), ', '), string_agg('NEW.' || quote_ident(a.attname), ', '),
        string_agg(format('%1$I = OLD.%1$I', a.attname), ' AND '),
        string_agg(format('%1$I = NEW.%1$I', a.attname), ' AND ')
        INTO old_key, new_key, is_old, is_new
        FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
        WHERE i.indrelid = original AND i.indisprimary;

    -- * Whoever deletes waits until no rows are being copied, since one of them could come after its deletion.
    -- * A row that is written while it is copied is found by any of its unique keys, and written over. (That it is not
    --   found again is possible only for transactions that see an earlier moment.)
    -- * A copy that somebody has dropped, or moved to another schema, keeps nobody from writing.
    -- * The function works with its owner's rights, and so for this table only.
    EXECUTE format($function$
        CREATE FUNCTION %1$s.patron_copy_of_@table@() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
            SET search_path = pg_catalog, pg_temp AS $body$
        BEGIN
            IF to_regclass(%9$L) IS NULL THEN
                RETURN NULL;
            END IF;
            IF TG_RELID IS DISTINCT FROM to_regclass(%2$L)::oid THEN
                RAISE EXCEPTION 'this is for another table' USING ERRCODE = 'insufficient_privilege';
            END IF;
            IF TG_OP = 'TRUNCATE' THEN
                TRUNCATE %1$s.patron_copy_of_@table@;
                RETURN NULL;
            END IF;
            IF TG_OP = 'DELETE' OR (TG_OP = 'UPDATE' AND (%5$s) IS DISTINCT FROM (%6$s)) THEN
                PERFORM pg_advisory_xact_lock_shared(@lock@);
                DELETE FROM %1$s.patron_copy_of_@table@ WHERE %7$s;
                IF NOT FOUND AND current_setting('transaction_isolation') <> 'read committed' THEN
                    RAISE EXCEPTION 'could not serialize access while @table@ is copied'
                        USING ERRCODE = 'serialization_failure';
                END IF;
            END IF;
            IF TG_OP <> 'DELETE' THEN
                INSERT INTO %1$s.patron_copy_of_@table@ (%3$s) VALUES (%4$s) ON CONFLICT DO NOTHING;
                IF NOT FOUND THEN
                    UPDATE %1$s.patron_copy_of_@table@ SET (%3$s) = ROW (%4$s) WHERE %8$s;
                    IF NOT FOUND THEN
                        RAISE EXCEPTION 'could not serialize access while @table@ is copied'
                            USING ERRCODE = 'serialization_failure';
                    END IF;
                END IF;
            END IF;
            RETURN NULL;
        END $body$
        $function$, home, home || '.@table@', columns, new_row, old_key, new_key, is_old, is_new, copy);
    FOR one IN
        SELECT DISTINCT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END AS name
        FROM pg_proc, aclexplode(coalesce(proacl, acldefault('f', proowner)))
        WHERE oid = (copy || '()')::regprocedure AND grantee <> proowner
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s() FROM %s', copy, one.name);
    END LOOP;
    IF owner <> current_user::regrole THEN
        EXECUTE format('ALTER FUNCTION %s() OWNER TO %s', copy, owner::regrole);
    END IF;
    EXECUTE format('CREATE TRIGGER patron_copy_rows AFTER INSERT OR UPDATE OR DELETE ON %s.@table@ '
        'FOR EACH ROW EXECUTE FUNCTION %s()', home, copy);
    EXECUTE format('CREATE TRIGGER patron_copy_truncate AFTER TRUNCATE ON %s.@table@ '
        'FOR EACH STATEMENT EXECUTE FUNCTION %s()', home, copy);
    -- Whoever replicates into this database writes to the copy as well.
    EXECUTE format('ALTER TABLE %s.@table@ ENABLE ALWAYS TRIGGER patron_copy_rows', home);
    EXECUTE format('ALTER TABLE %s.@table@ ENABLE ALWAYS TRIGGER patron_copy_truncate', home);
END $begin$
