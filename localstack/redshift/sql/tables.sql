-- Tables: types and widths judged, keys recorded and never enforced, by event triggers.

SET allow_system_table_mods = on;
SET standard_conforming_strings = on;

-- Tables. Redshift: CREATE TABLE; Character types; Numeric types; Unsupported PostgreSQL data types.

-- Keys are recorded, never enforced. Redshift: Table constraints.
CREATE TABLE local_redshift.table_constraint (
    table_oid oid, name name, kind "char", columns smallint[], definition text);
GRANT SELECT ON local_redshift.table_constraint TO PUBLIC;

-- What is wrong with a column's type, NULL if nothing.
CREATE FUNCTION local_redshift.type_complaint(type_oid oid, modifier integer) RETURNS text
    LANGUAGE plpgsql STABLE AS $$
DECLARE
    type_name text := format_type(type_oid, NULL);
    width integer := modifier - 4;
BEGIN
    IF type_oid NOT IN ('bool'::regtype, 'int2'::regtype, 'int4'::regtype, 'int8'::regtype,
        'float4'::regtype, 'float8'::regtype, 'numeric'::regtype, 'varchar'::regtype,
        'bpchar'::regtype, 'text'::regtype, 'date'::regtype, 'time'::regtype, 'timetz'::regtype,
        'timestamp'::regtype, 'timestamptz'::regtype, 'interval'::regtype, 'oid'::regtype,
        'name'::regtype, '"char"'::regtype, 4000, 6551) THEN
        RETURN format('unsupported type "%s"', type_name);
    ELSIF modifier < 0 THEN
        RETURN NULL;
    ELSIF type_oid = 'varchar'::regtype AND width > 65535 THEN
        RETURN 'length for type varchar cannot exceed 65535';
    ELSIF type_oid = 'bpchar'::regtype AND width > 4096 THEN
        RETURN 'length for type char cannot exceed 4096';
    ELSIF type_oid = 'numeric'::regtype AND width >> 16 > 38 THEN
        RETURN format('DECIMAL precision %s must be between 1 and 38', width >> 16);
    ELSIF type_oid = 'numeric'::regtype AND (width & 65535) > 37 THEN
        RETURN format('DECIMAL scale %s must be between 0 and 37', width & 65535);
    ELSIF type_oid = 6551 AND modifier > 16777216 THEN
        RETURN 'length for type varbyte cannot exceed 16777216';
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION local_redshift.judge_columns(table_oid oid) RETURNS void
    LANGUAGE plpgsql AS $$
DECLARE
    this record;
    complaint text;
BEGIN
    FOR this IN SELECT attname, atttypid, atttypmod FROM pg_attribute
        WHERE attrelid = table_oid AND attnum > 0 AND NOT attisdropped LOOP
        complaint := local_redshift.type_complaint(this.atttypid, this.atttypmod);
        IF complaint LIKE 'unsupported%' THEN
            RAISE EXCEPTION 'Column "%.%" has %', (SELECT relname FROM pg_class WHERE oid = table_oid),
                this.attname, complaint
                USING ERRCODE = '0A000';
        ELSIF complaint IS NOT NULL THEN
            RAISE EXCEPTION '%', complaint USING ERRCODE = '22023';
        END IF;
    END LOOP;
END $$;

-- VARCHAR(n) and CHAR(n) count bytes: a CHECK that the column and its width give the name of. The
-- proxy words its violation as the real server does.
CREATE FUNCTION local_redshift.check_bytes(table_oid oid) RETURNS void
    LANGUAGE plpgsql AS $$
DECLARE
    this record;
    clauses text;
BEGIN
    WITH wanted AS (
        SELECT format('redshift_bytes_%s_%s_%s', attnum,
                CASE atttypid WHEN 'bpchar'::regtype THEN 'character' ELSE 'varying' END, atttypmod - 4) AS name,
            format('octet_length(%I) <= %s', attname, atttypmod - 4) AS condition
        FROM pg_attribute
        WHERE attrelid = table_oid AND attnum > 0 AND NOT attisdropped AND atttypmod > 4
          AND atttypid IN ('varchar'::regtype, 'bpchar'::regtype)
    ), present AS (
        SELECT conname AS name FROM pg_constraint
        WHERE conrelid = table_oid AND contype = 'c' AND starts_with(conname, 'redshift_bytes_')
    ), change AS (
        SELECT format('DROP CONSTRAINT %I', name) AS clause FROM present
        WHERE name NOT IN (SELECT wanted.name FROM wanted)
        UNION ALL
        SELECT format('ADD CONSTRAINT %I CHECK (%s)', name, condition) FROM wanted
        WHERE name NOT IN (SELECT present.name FROM present)
    )
    SELECT string_agg(clause, ', ') INTO clauses FROM change;
    IF clauses IS NOT NULL THEN
        EXECUTE format('ALTER TABLE %s %s', table_oid::regclass, clauses);
    END IF;
END $$;

-- Redshift: ALTER TABLE, ALTER COLUMN TYPE: not for columns with a default or of a key. A width that
-- is no longer the one its check was made for has just been altered.
CREATE FUNCTION local_redshift.judge_widening(altered oid) RETURNS void
    LANGUAGE plpgsql AS $$
DECLARE
    this record;
BEGIN
    FOR this IN SELECT attname, atthasdef, EXISTS (
            SELECT FROM local_redshift.table_constraint
            WHERE table_constraint.table_oid = altered AND attnum = ANY (columns)) AS is_key
        FROM pg_attribute, pg_constraint
        WHERE attrelid = altered AND conrelid = altered AND attnum > 0 AND NOT attisdropped
          AND starts_with(conname, format('redshift_bytes_%s_', attnum))
          AND split_part(conname, '_', 5) <> (atttypmod - 4)::text LOOP
        IF this.atthasdef THEN
            RAISE EXCEPTION 'cannot alter type of column "%": it has a default value', this.attname
                USING ERRCODE = '0A000';
        ELSIF this.is_key THEN
            RAISE EXCEPTION 'cannot alter type of column "%": it is part of a key', this.attname
                USING ERRCODE = '0A000';
        END IF;
    END LOOP;
END $$;

CREATE FUNCTION local_redshift.record_keys(table_oid oid) RETURNS void
    LANGUAGE plpgsql AS $$
DECLARE
    clauses text;
BEGIN
    INSERT INTO local_redshift.table_constraint
        SELECT conrelid, conname, contype, conkey, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE conrelid = table_oid AND contype IN ('p', 'u', 'f');
    -- One statement: each fires the event trigger, and so this function, again.
    SELECT string_agg(format('DROP CONSTRAINT %I', conname), ', ') INTO clauses FROM pg_constraint
        WHERE conrelid = table_oid AND contype IN ('p', 'u', 'f');
    IF clauses IS NOT NULL THEN
        EXECUTE format('ALTER TABLE %s %s', table_oid::regclass, clauses);
    END IF;
END $$;

CREATE FUNCTION local_redshift.table_defined() RETURNS event_trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    table_oid oid;
BEGIN
    FOR table_oid IN SELECT DISTINCT command.objid FROM pg_event_trigger_ddl_commands() AS command
        JOIN pg_class ON pg_class.oid = command.objid
        WHERE command.classid = 'pg_class'::regclass AND pg_class.relkind = 'r'
          AND pg_class.relnamespace <> 'local_redshift'::regnamespace LOOP
        PERFORM local_redshift.judge_columns(table_oid);
        PERFORM local_redshift.judge_widening(table_oid);
        PERFORM local_redshift.record_keys(table_oid);
        PERFORM local_redshift.check_bytes(table_oid);
    END LOOP;
END $$;

CREATE FUNCTION local_redshift.table_dropped() RETURNS event_trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    DELETE FROM local_redshift.table_constraint
    WHERE table_oid IN (SELECT objid FROM pg_event_trigger_dropped_objects()
        WHERE classid = 'pg_class'::regclass AND objsubid = 0);
END $$;

CREATE EVENT TRIGGER local_redshift_table_defined ON ddl_command_end
    WHEN TAG IN ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'ALTER TABLE')
    EXECUTE FUNCTION local_redshift.table_defined();
CREATE EVENT TRIGGER local_redshift_table_dropped ON sql_drop
    WHEN TAG IN ('DROP TABLE', 'DROP SCHEMA', 'DROP OWNED')
    EXECUTE FUNCTION local_redshift.table_dropped();
