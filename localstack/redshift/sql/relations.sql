-- Relations that are no tables of the database: views that are bound late, materialized views, what is external.
--
-- A view bound late is PostgreSQL's view without its dependencies. An external table is a foreign table that nobody
-- reads; an external schema is a schema that is on a list. What a statement says of them comes as the comment of
-- src/attributes.rs; how they show is catalog.sql's.

SET allow_system_table_mods = on;
SET standard_conforming_strings = on;

-- Redshift: CREATE VIEW, WITH NO SCHEMA BINDING.
CREATE TABLE local_redshift.late_binding_view (view_oid oid PRIMARY KEY);

-- Redshift: CREATE EXTERNAL SCHEMA; SVV_EXTERNAL_SCHEMAS: `kind` is its eskind.
CREATE TABLE local_redshift.external_schema (
    schema_oid oid PRIMARY KEY, kind smallint NOT NULL, database_name text NOT NULL, options text);

-- Redshift: CREATE EXTERNAL TABLE. The columns that the table is partitioned by are its last.
CREATE TABLE local_redshift.external_table (
    table_oid oid PRIMARY KEY, location text NOT NULL, format text NOT NULL, partitions integer NOT NULL);
CREATE FOREIGN DATA WRAPPER local_redshift_external;
CREATE SERVER local_redshift_external FOREIGN DATA WRAPPER local_redshift_external;
GRANT USAGE ON FOREIGN SERVER local_redshift_external TO PUBLIC;

-- Nothing that the view shows depends on it, or it on that. Redshift: CREATE VIEW.
CREATE FUNCTION local_redshift.bind_late(bound oid) RETURNS void
    LANGUAGE sql
    BEGIN ATOMIC
        INSERT INTO local_redshift.late_binding_view VALUES (bound) ON CONFLICT DO NOTHING;
        DELETE FROM pg_catalog.pg_depend
            WHERE classid = 'pg_catalog.pg_rewrite'::regclass AND deptype = 'n' AND refobjid <> bound
              AND objid IN (SELECT oid FROM pg_catalog.pg_rewrite WHERE ev_class = bound);
    END;

-- Holds a new relation against the kind of its schema. The words for local objects have been quoted in public; the
-- others: INFER.
CREATE FUNCTION local_redshift.judge_place(judged oid) RETURNS void
    LANGUAGE plpgsql AS $$
DECLARE
    this record;
BEGIN
    SELECT relkind = 'f' AS is_external, nspname, schema_oid IS NOT NULL AS in_external INTO this
        FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
        LEFT JOIN local_redshift.external_schema ON schema_oid = relnamespace
        WHERE pg_class.oid = judged;
    IF this.in_external AND NOT this.is_external THEN
        RAISE EXCEPTION 'Operations on local objects in external schema are not enabled.' USING ERRCODE = '0A000';
    ELSIF this.is_external AND NOT this.in_external THEN
        RAISE EXCEPTION 'schema "%" is not an external schema', this.nspname USING ERRCODE = '0A000';
    END IF;
END $$;

CREATE FUNCTION local_redshift.judge_relation(class oid, judged oid, said jsonb) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    IF class = 'pg_namespace'::regclass THEN
        INSERT INTO local_redshift.external_schema
            SELECT judged, (said #>> '{external_schema,kind}')::smallint, said #>> '{external_schema,database}',
                said #>> '{external_schema,options}'
            WHERE said ? 'external_schema';
        RETURN;
    END IF;
    PERFORM local_redshift.judge_place(judged);
    DELETE FROM local_redshift.late_binding_view WHERE view_oid = judged;
    IF said ? 'late_binding' THEN
        PERFORM local_redshift.bind_late(judged);
    END IF;
    IF said ? 'external_table' THEN
        INSERT INTO local_redshift.external_table VALUES (judged, said #>> '{external_table,location}',
            said #>> '{external_table,format}', (said #>> '{external_table,partitions}')::integer);
    END IF;
END $$;

-- Runs as the client, as table_defined does.
CREATE FUNCTION local_redshift.relation_defined() RETURNS event_trigger
    LANGUAGE plpgsql AS $$
DECLARE
    this pg_catalog.record;
    said pg_catalog.text := pg_catalog.split_part(pg_catalog.current_query(), '/*local_redshift ', -1);
BEGIN
    said := CASE WHEN said OPERATOR(pg_catalog.=) pg_catalog.current_query() THEN '{}'
        ELSE pg_catalog.left(said, -2) END;
    FOR this IN SELECT DISTINCT command.classid, command.objid
        FROM pg_catalog.pg_event_trigger_ddl_commands() AS command
        WHERE command.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
           OR command.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass LOOP
        PERFORM local_redshift.judge_relation(this.classid, this.objid, said::pg_catalog.jsonb);
    END LOOP;
END $$;

CREATE FUNCTION local_redshift.relation_dropped() RETURNS event_trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    DELETE FROM local_redshift.late_binding_view USING pg_event_trigger_dropped_objects() AS gone
        WHERE gone.classid = 'pg_class'::regclass AND view_oid = gone.objid;
    DELETE FROM local_redshift.external_table USING pg_event_trigger_dropped_objects() AS gone
        WHERE gone.classid = 'pg_class'::regclass AND table_oid = gone.objid;
    DELETE FROM local_redshift.external_schema USING pg_event_trigger_dropped_objects() AS gone
        WHERE gone.classid = 'pg_namespace'::regclass AND schema_oid = gone.objid;
END $$;

CREATE EVENT TRIGGER local_redshift_relation_defined ON ddl_command_end
    WHEN TAG IN ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'CREATE VIEW', 'CREATE MATERIALIZED VIEW',
        'CREATE FOREIGN TABLE', 'CREATE SCHEMA')
    EXECUTE FUNCTION local_redshift.relation_defined();
CREATE EVENT TRIGGER local_redshift_relation_dropped ON sql_drop
    WHEN TAG IN ('DROP VIEW', 'DROP MATERIALIZED VIEW', 'DROP FOREIGN TABLE', 'DROP TABLE', 'DROP SCHEMA', 'DROP OWNED')
    EXECUTE FUNCTION local_redshift.relation_dropped();
