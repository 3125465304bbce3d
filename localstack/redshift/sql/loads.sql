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

-- Written by the proxy through a connection of its own, so that a rollback does not take it back.
CREATE TABLE local_redshift.load_history (
    user_id integer, query_id bigint, transaction_id bigint, session_id integer,
    database_name varchar(64), status varchar(10), table_name varchar(128),
    start_time timestamp, end_time timestamp, duration bigint, data_source varchar(1024),
    file_format varchar(20), loaded_rows bigint, loaded_bytes bigint, source_file_count integer,
    source_file_bytes bigint, error_count bigint, statement varchar(4000));
CREATE TABLE local_redshift.load_file (
    user_id integer, query_id bigint, file_name varchar(256), bytes bigint, rows bigint,
    file_format varchar(20), start_time timestamp, end_time timestamp);
CREATE TABLE local_redshift.load_error (
    user_id integer, query_id bigint, transaction_id bigint, session_id integer,
    database_name varchar(64), table_id integer, start_time timestamp, file_name varchar(256),
    line_number bigint DEFAULT 0, column_name varchar(127), column_type varchar(10),
    column_length varchar(10), position integer DEFAULT 0, error_code integer,
    error_message varchar(512), raw_line varchar(1024) DEFAULT '', raw_field_value varchar(1024) DEFAULT '');

-- The administrator of the cluster, who may make users: a superuser in Redshift's sense.
CREATE FUNCTION local_redshift.is_superuser() RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog
    AS $$ SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = session_user $$;

-- Users see their own rows, superusers all. Redshift: Visibility of data in system tables and views.
CREATE FUNCTION local_redshift.sees(user_id integer) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL RESTRICTED
    RETURN user_id = (SELECT oid::bigint FROM pg_roles WHERE rolname = session_user) OR local_redshift.is_superuser();

-- Tables of the cluster's nodes: a workgroup has them for nobody. Source: read from a workgroup, 42501.
CREATE FUNCTION local_redshift.judge_flavor(relation text) RETURNS boolean
    LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF current_setting('local_redshift.flavor', true) IS DISTINCT FROM 'serverless' THEN
        RETURN true;
    END IF;
    RAISE EXCEPTION 'permission denied for relation %', relation USING ERRCODE = '42501';
END $$;

-- Redshift: SYS_LOAD_HISTORY, SYS_LOAD_DETAIL, SYS_LOAD_ERROR_DETAIL.
CREATE VIEW pg_catalog.sys_load_history AS
    SELECT user_id, query_id, transaction_id, session_id, database_name::text, status::text, table_name::text, start_time,
        end_time, duration, data_source::text, file_format::text, loaded_rows, loaded_bytes, source_file_count,
        source_file_bytes, source_file_count AS file_count_scanned, source_file_bytes AS file_bytes_scanned, error_count,
        0::bigint AS copy_job_id
    FROM local_redshift.load_history WHERE local_redshift.sees(user_id);
CREATE VIEW pg_catalog.sys_load_detail AS
    SELECT user_id, query_id::integer AS query_id, file_name::character(256) AS file_name,
        least(bytes, 2147483647)::integer AS bytes_scanned, least(rows, 2147483647)::integer AS lines_scanned,
        end_time AS record_time, 1 AS splits_scanned, start_time, end_time, NULL::character(256) AS file_etag,
        NULL::timestamp AS file_last_modified
    FROM local_redshift.load_file WHERE local_redshift.sees(user_id);
CREATE VIEW pg_catalog.sys_load_error_detail AS
    SELECT user_id, query_id, transaction_id, session_id, database_name::character(64) AS database_name, table_id, start_time,
        file_name::character(256) AS file_name, line_number, column_name::character(127) AS column_name,
        column_type::character(10) AS column_type, column_length::character(10) AS column_length, position, error_code,
        error_message::character(512) AS error_message
    FROM local_redshift.load_error WHERE local_redshift.sees(user_id);

-- Redshift: STL_LOAD_ERRORS, STL_LOADERROR_DETAIL, STL_LOAD_COMMITS. One slice, 0, has done it all. A row of
-- STL_LOAD_COMMITS tells that a file was read, not that anything was committed. No row of STL_LOADERROR_DETAIL:
-- the fields before the one at fault are not kept.
CREATE VIEW pg_catalog.stl_load_errors AS
    SELECT user_id AS userid, 0 AS slice, table_id AS tbl, start_time AS starttime, session_id AS session,
        query_id::integer AS query, file_name::character(256) AS filename, line_number,
        column_name::character(127) AS colname, column_type::character(10) AS type,
        column_length::character(10) AS col_length, position, raw_line::character(1024) AS raw_line,
        raw_field_value::character(1024) AS raw_field_value,
        error_code AS err_code, substring(error_message FOR 100)::character(100) AS err_reason, 0 AS is_partial,
        0::bigint AS start_offset, 0::bigint AS copy_job_id
    FROM local_redshift.load_error
    WHERE local_redshift.judge_flavor('stl_load_errors') AND local_redshift.sees(user_id);
CREATE VIEW pg_catalog.stl_loaderror_detail AS
    SELECT NULL::integer AS userid, NULL::integer AS slice, NULL::integer AS session, NULL::integer AS query,
        NULL::character(256) AS filename, NULL::bigint AS line_number, NULL::integer AS field,
        NULL::character(1024) AS colname, NULL::character(1024) AS value, NULL::integer AS is_null,
        NULL::character(10) AS type, NULL::character(10) AS col_length
    FROM (SELECT local_redshift.judge_flavor('stl_loaderror_detail') AS is_there) AS judged WHERE NOT is_there;
CREATE VIEW pg_catalog.stl_load_commits AS
    SELECT user_id AS userid, query_id::integer AS query, 0 AS slice, file_name::character(256) AS name,
        file_name::character(256) AS filename, 0 AS byte_offset, least(rows, 2147483647)::integer AS lines_scanned,
        0 AS errors, end_time AS curtime, 1 AS status, CASE file_format WHEN 'json' THEN 'JSON' ELSE 'Parquet' END::character(16) AS file_format, 0 AS is_partial,
        0::bigint AS start_offset, 0::bigint AS copy_job_id
    FROM local_redshift.load_file
    WHERE local_redshift.judge_flavor('stl_load_commits') AND local_redshift.sees(user_id);

-- Redshift: SYS_QUERY_HISTORY, STL_QUERY. Of queries, COPYs alone are remembered here.
CREATE VIEW pg_catalog.sys_query_history AS
    SELECT user_id, query_id, 'default'::character(320) AS query_label, transaction_id, session_id,
        database_name::character(128) AS database_name, 'COPY'::character(32) AS query_type,
        CASE status WHEN 'completed' THEN 'success' ELSE 'failed' END::character(10) AS status, false AS result_cache_hit,
        start_time, end_time, duration AS elapsed_time, 0::bigint AS queue_time, duration AS execution_time,
        (SELECT error_message FROM local_redshift.load_error AS error WHERE error.query_id = load_history.query_id
            LIMIT 1)::character(512) AS error_message,
        0::bigint AS returned_rows, 0::bigint AS returned_bytes, statement::character(4000) AS query_text,
        split_part(version(), ', ', 3)::character(256) AS redshift_version
    FROM local_redshift.load_history WHERE local_redshift.sees(user_id);
CREATE VIEW pg_catalog.stl_query AS
    SELECT user_id AS userid, query_id::integer AS query, 'default'::character(320) AS label, transaction_id AS xid,
        session_id AS pid, database_name::character(32) AS database, statement::character(4000) AS querytxt,
        start_time AS starttime, end_time AS endtime, (status <> 'completed')::integer AS aborted, 0 AS insert_pristine,
        0 AS concurrency_scaling_status
    FROM local_redshift.load_history
    WHERE local_redshift.judge_flavor('stl_query') AND local_redshift.sees(user_id);

-- Redshift: STV_SLICES, STV_SESSIONS, STV_RECENTS, SVV_TRANSACTIONS. Two slices of one node; sessions and locks are
-- PostgreSQL's.
CREATE VIEW pg_catalog.stv_slices AS
    SELECT 0 AS node, slice, slice AS localslice, 'D'::character(1) AS type
    FROM generate_series(0, 1) AS slice WHERE local_redshift.judge_flavor('stv_slices');
CREATE VIEW pg_catalog.stv_sessions AS
    SELECT backend_start AT TIME ZONE 'UTC' AS starttime, pid AS process, usename::character(50) AS user_name,
        datname::character(50) AS db_name, 0 AS timeout_sec
    FROM pg_catalog.pg_stat_activity
    WHERE backend_type = 'client backend' AND local_redshift.judge_flavor('stv_sessions')
      AND local_redshift.sees(usesysid::bigint::integer);
CREATE VIEW pg_catalog.stv_recents AS
    SELECT usesysid::bigint::integer AS userid, CASE state WHEN 'active' THEN 'Running' ELSE 'Done' END::character(20) AS status,
        query_start AT TIME ZONE 'UTC' AS starttime,
        (extract(epoch FROM clock_timestamp() - query_start) * 1000000)::integer AS duration,
        usename::character(50) AS user_name, datname::character(50) AS db_name,
        split_part(query, ' /*local_redshift ', 1)::character(600) AS query, pid
    FROM pg_catalog.pg_stat_activity
    WHERE backend_type = 'client backend' AND local_redshift.judge_flavor('stv_recents')
      AND local_redshift.sees(usesysid::bigint::integer);
CREATE VIEW pg_catalog.svv_transactions AS
    SELECT usename::text AS txn_owner, datname::text AS txn_db, activity.backend_xid::text::bigint AS xid, activity.pid, xact_start AT TIME ZONE 'UTC' AS txn_start,
        mode AS lock_mode, CASE locktype WHEN 'relation' THEN 'relation' ELSE 'transactionid' END AS lockable_object_type,
        relation::bigint::integer AS relation, granted
    FROM pg_catalog.pg_locks JOIN pg_catalog.pg_stat_activity AS activity USING (pid)
    WHERE locktype IN ('relation', 'transactionid') AND xact_start IS NOT NULL
      AND coalesce(pg_locks.database, activity.datid) = activity.datid
      AND local_redshift.sees(activity.usesysid::bigint::integer);

GRANT SELECT ON pg_catalog.sys_load_history, pg_catalog.sys_load_detail, pg_catalog.sys_load_error_detail,
    pg_catalog.sys_query_history, pg_catalog.stl_load_errors, pg_catalog.stl_loaderror_detail,
    pg_catalog.stl_load_commits, pg_catalog.stl_query, pg_catalog.stv_slices, pg_catalog.stv_sessions,
    pg_catalog.stv_recents, pg_catalog.svv_transactions TO PUBLIC;
