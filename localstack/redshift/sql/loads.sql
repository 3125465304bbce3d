-- What is remembered of COPYs, and the system views that tell of it.

SET allow_system_table_mods = on;
SET standard_conforming_strings = on;

-- Loads. Redshift: PG_LAST_COPY_COUNT, PG_LAST_COPY_ID: state of the session that a rollback does
-- not take back. A sequence's currval is exactly that, so each is a sequence's.

CREATE SEQUENCE local_redshift.copy_id MINVALUE 1;
CREATE SEQUENCE local_redshift.copy_count MINVALUE 0;

-- The proxy calls it in the client's session when a load begins: a new query id, a count of none.
CREATE FUNCTION local_redshift.copy_begins() RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    PERFORM setval('local_redshift.copy_count', 0);
    RETURN nextval('local_redshift.copy_id');
END $$;
-- And this when it has ended well.
CREATE FUNCTION local_redshift.copy_ended(records bigint) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog
    AS $$ SELECT setval('local_redshift.copy_count', records) $$;

CREATE FUNCTION pg_catalog.pg_last_copy_count() RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    RETURN currval('local_redshift.copy_count');
EXCEPTION WHEN object_not_in_prerequisite_state THEN
    RETURN 0;
END $$;
CREATE FUNCTION pg_catalog.pg_last_copy_id() RETURNS integer
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    RETURN currval('local_redshift.copy_id')::integer;
EXCEPTION WHEN object_not_in_prerequisite_state THEN
    RETURN -1;
END $$;

-- Redshift: SYS_LOAD_HISTORY. Written by the proxy through a connection of its own.
CREATE TABLE local_redshift.load_history (
    user_id integer, query_id bigint, transaction_id bigint, session_id integer,
    database_name varchar(64), status varchar(10), table_name varchar(128),
    start_time timestamp, end_time timestamp, duration bigint, data_source varchar(1024),
    file_format varchar(20), loaded_rows bigint, loaded_bytes bigint, source_file_count integer,
    source_file_bytes bigint, file_count_scanned integer, file_bytes_scanned bigint,
    error_count bigint, copy_job_id bigint DEFAULT 0);
CREATE TABLE local_redshift.load_error (
    user_id integer, query_id bigint, transaction_id bigint, session_id integer,
    database_name varchar(64), table_id integer, start_time timestamp, file_name varchar(256),
    line_number bigint DEFAULT 0, column_name varchar(127), column_type varchar(10),
    column_length varchar(10), position integer DEFAULT 0, error_code integer,
    error_message varchar(512));

-- Users see their own rows. Redshift: Visibility of data in system tables and views.
CREATE VIEW pg_catalog.sys_load_history AS
    SELECT * FROM local_redshift.load_history
    WHERE user_id = (SELECT usesysid::bigint FROM pg_user WHERE usename = session_user)
       OR (SELECT usesuper FROM pg_user WHERE usename = session_user);
CREATE VIEW pg_catalog.sys_load_error_detail AS
    SELECT * FROM local_redshift.load_error
    WHERE user_id = (SELECT usesysid::bigint FROM pg_user WHERE usename = session_user)
       OR (SELECT usesuper FROM pg_user WHERE usename = session_user);
CREATE VIEW pg_catalog.stl_load_errors AS
    SELECT user_id AS userid, 0 AS slice, table_id AS tbl, start_time AS starttime,
        session_id AS session, query_id::integer AS query, file_name AS filename, line_number,
        column_name AS colname, column_type AS type, column_length AS col_length, position,
        ''::varchar(1024) AS raw_line, ''::varchar(1024) AS raw_field_value,
        error_code AS err_code, error_message::varchar(100) AS err_reason, 0 AS is_partial,
        0::bigint AS start_offset, 0::bigint AS copy_job_id
    FROM pg_catalog.sys_load_error_detail;
GRANT SELECT ON pg_catalog.sys_load_history, pg_catalog.sys_load_error_detail,
    pg_catalog.stl_load_errors TO PUBLIC;
