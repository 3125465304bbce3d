-- What makes a PostgreSQL (15 or newer) judge as Amazon Redshift does: functions, casts, load
-- history and event triggers. Run once as a superuser, after types.sql:
--
--     psql -1 -v ON_ERROR_STOP=1 -d template1 -f redshift.sql
--
-- so that every database made after that has it. What SQL cannot judge (the wire, syntax, COPY) is the proxy's.
-- Sources are named as "Redshift: <chapter of the Database Developer Guide>".

SET allow_system_table_mods = on;
SET standard_conforming_strings = on;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_type WHERE oid = 4000 AND typname = 'super')
       OR NOT EXISTS (SELECT FROM pg_catalog.pg_type WHERE oid = 6551 AND typname = 'varbyte') THEN
        RAISE EXCEPTION 'the types SUPER and VARBYTE are missing: types.sql was not run, or failed';
    END IF;
END $$;

-- PostgreSQL 15 revoked this; Redshift is older than that.
GRANT CREATE ON SCHEMA public TO PUBLIC;

CREATE SCHEMA local_redshift;
GRANT USAGE ON SCHEMA local_redshift TO PUBLIC;

------------------------------------------------------------------------------------------------
-- The server's face

CREATE OR REPLACE FUNCTION pg_catalog.version() RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN 'PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC gcc (GCC) 3.4.2 20041017 (Red Hat 3.4.2-6.fc3), Redshift 1.0.0';

-- Redshift: GETDATE function, SYSDATE function. Both are TIMESTAMP in the session's time zone;
-- SYSDATE is the transaction's start, GETDATE the statement's.
CREATE FUNCTION pg_catalog.getdate() RETURNS timestamp
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN date_trunc('second', statement_timestamp())::timestamp;
CREATE FUNCTION pg_catalog.sysdate() RETURNS timestamp
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN transaction_timestamp()::timestamp;

-- Redshift: Authorizing Redshift to access other AWS services on your behalf.
CREATE FUNCTION pg_catalog.default_iam_role() RETURNS varchar
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN 'arn:aws:iam::123456789012:role/local-redshift'::varchar;

------------------------------------------------------------------------------------------------
-- VARBYTE. Redshift: VARBYTE type.

CREATE FUNCTION pg_catalog.varbyte_fit(value varbyte, width integer, explicit boolean) RETURNS varbyte
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    bytes bytea := varbyte_send(value);
BEGIN
    IF width < 1 OR octet_length(bytes) <= width THEN
        RETURN value;
    ELSIF explicit THEN
        RETURN substring(bytes FOR width)::varbyte;
    END IF;
    RAISE EXCEPTION 'value too long for type varbyte(%)', width USING ERRCODE = '22001';
END $$;

CREATE CAST (bytea AS varbyte) WITHOUT FUNCTION AS ASSIGNMENT;
CREATE CAST (varbyte AS bytea) WITHOUT FUNCTION AS ASSIGNMENT;
CREATE CAST (varbyte AS varbyte) WITH FUNCTION pg_catalog.varbyte_fit(varbyte, integer, boolean) AS IMPLICIT;

CREATE FUNCTION pg_catalog.varbyte_from_text(value text) RETURNS varbyte
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN convert_to(value, 'UTF8')::varbyte;
CREATE FUNCTION pg_catalog.varbyte_to_text(value varbyte) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN convert_from(value::bytea, 'UTF8');
CREATE CAST (text AS varbyte) WITH FUNCTION pg_catalog.varbyte_from_text(text) AS ASSIGNMENT;
CREATE CAST (varchar AS varbyte) WITH FUNCTION pg_catalog.varbyte_from_text(text) AS ASSIGNMENT;
CREATE CAST (varbyte AS text) WITH FUNCTION pg_catalog.varbyte_to_text(varbyte);
CREATE CAST (varbyte AS varchar) WITH FUNCTION pg_catalog.varbyte_to_text(varbyte);

CREATE FUNCTION pg_catalog.varbyte_cmp(one varbyte, other varbyte) RETURNS integer
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN byteacmp(one::bytea, other::bytea);
CREATE FUNCTION pg_catalog.varbyte_eq(one varbyte, other varbyte) RETURNS boolean
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN one::bytea = other::bytea;
CREATE FUNCTION pg_catalog.varbyte_ne(one varbyte, other varbyte) RETURNS boolean
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN one::bytea <> other::bytea;
CREATE FUNCTION pg_catalog.varbyte_lt(one varbyte, other varbyte) RETURNS boolean
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN one::bytea < other::bytea;
CREATE FUNCTION pg_catalog.varbyte_le(one varbyte, other varbyte) RETURNS boolean
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN one::bytea <= other::bytea;
CREATE FUNCTION pg_catalog.varbyte_gt(one varbyte, other varbyte) RETURNS boolean
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN one::bytea > other::bytea;
CREATE FUNCTION pg_catalog.varbyte_ge(one varbyte, other varbyte) RETURNS boolean
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN one::bytea >= other::bytea;
CREATE OPERATOR pg_catalog.= (LEFTARG = varbyte, RIGHTARG = varbyte, FUNCTION = pg_catalog.varbyte_eq,
    COMMUTATOR = OPERATOR(pg_catalog.=), NEGATOR = OPERATOR(pg_catalog.<>), MERGES);
CREATE OPERATOR pg_catalog.<> (LEFTARG = varbyte, RIGHTARG = varbyte, FUNCTION = pg_catalog.varbyte_ne,
    COMMUTATOR = OPERATOR(pg_catalog.<>), NEGATOR = OPERATOR(pg_catalog.=));
CREATE OPERATOR pg_catalog.< (LEFTARG = varbyte, RIGHTARG = varbyte, FUNCTION = pg_catalog.varbyte_lt,
    COMMUTATOR = OPERATOR(pg_catalog.>), NEGATOR = OPERATOR(pg_catalog.>=));
CREATE OPERATOR pg_catalog.<= (LEFTARG = varbyte, RIGHTARG = varbyte, FUNCTION = pg_catalog.varbyte_le,
    COMMUTATOR = OPERATOR(pg_catalog.>=), NEGATOR = OPERATOR(pg_catalog.>));
CREATE OPERATOR pg_catalog.> (LEFTARG = varbyte, RIGHTARG = varbyte, FUNCTION = pg_catalog.varbyte_gt,
    COMMUTATOR = OPERATOR(pg_catalog.<), NEGATOR = OPERATOR(pg_catalog.<=));
CREATE OPERATOR pg_catalog.>= (LEFTARG = varbyte, RIGHTARG = varbyte, FUNCTION = pg_catalog.varbyte_ge,
    COMMUTATOR = OPERATOR(pg_catalog.<=), NEGATOR = OPERATOR(pg_catalog.<));
CREATE OPERATOR CLASS pg_catalog.varbyte_ops DEFAULT FOR TYPE varbyte USING btree AS
    OPERATOR 1 pg_catalog.<, OPERATOR 2 pg_catalog.<=, OPERATOR 3 pg_catalog.=,
    OPERATOR 4 pg_catalog.>=, OPERATOR 5 pg_catalog.>,
    FUNCTION 1 pg_catalog.varbyte_cmp(varbyte, varbyte);

CREATE FUNCTION pg_catalog.octet_length(value varbyte) RETURNS integer
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN octet_length(value::bytea);
CREATE FUNCTION pg_catalog.length(value varbyte) RETURNS integer
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN octet_length(value::bytea);

-- Redshift: TO_HEX, FROM_HEX, TO_VARBYTE, FROM_VARBYTE. to_hex of an integer is PostgreSQL's.
CREATE FUNCTION pg_catalog.to_hex(value varbyte) RETURNS varchar
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN encode(value::bytea, 'hex')::varchar;
CREATE FUNCTION pg_catalog.from_hex(value varchar) RETURNS varbyte
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN decode(value, 'hex')::varbyte;
CREATE FUNCTION pg_catalog.to_varbyte(value varchar, format varchar) RETURNS varbyte
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    RETURN CASE lower(format)
        WHEN 'hex' THEN decode(value, 'hex')::varbyte
        WHEN 'base64' THEN decode(value, 'base64')::varbyte
        WHEN 'utf8' THEN convert_to(value, 'UTF8')::varbyte
        WHEN 'utf-8' THEN convert_to(value, 'UTF8')::varbyte
    END;
END $$;
CREATE FUNCTION pg_catalog.from_varbyte(value varbyte, format varchar) RETURNS varchar
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    RETURN CASE lower(format)
        WHEN 'hex' THEN encode(value::bytea, 'hex')
        WHEN 'base64' THEN replace(encode(value::bytea, 'base64'), E'\n', '')
        WHEN 'utf8' THEN convert_from(value::bytea, 'UTF8')
        WHEN 'utf-8' THEN convert_from(value::bytea, 'UTF8')
    END;
END $$;

------------------------------------------------------------------------------------------------
-- SUPER. Redshift: SUPER type; Limitations; JSON_PARSE function.

-- JSON text without its strings, each key left as a colon: brackets, numbers and words remain,
-- so that structure can be judged by plain text functions whatever the strings hold.
CREATE FUNCTION local_redshift.skeleton(value text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN regexp_replace(value, '"(?:[^"\\]|\\.)*"', '', 'g');

CREATE FUNCTION local_redshift.count_keys(skeleton text) RETURNS integer
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN length(skeleton) - length(replace(skeleton, ':', ''));

-- JSON text without the blanks between its tokens. (These patterns stand in SQL bodies, which are
-- read once, here: a PL/pgSQL body is read under the caller's standard_conforming_strings.)
CREATE FUNCTION local_redshift.compact(value text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN regexp_replace(value, '("(?:[^"\\]|\\.)*")|\s+', '\1', 'g');

-- Whether a string of this JSON text may be longer than 65,535 bytes: escapes are counted as written.
-- (jsonb_path_query knows exactly, and takes seconds for a large value.)
CREATE FUNCTION local_redshift.may_hold_long_text(value text) RETURNS boolean
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN EXISTS (
        SELECT FROM unnest(string_to_array(replace(replace(value, '\\', '__'), '\"', '__'), '"')) AS piece
        WHERE octet_length(piece) > 65535);

-- Integers of 64 bits, decimals of at most 38 digits, doubles: what a number in SUPER may be.
-- A number that none of them holds exactly is refused rather than changed.
CREATE FUNCTION local_redshift.super_holds(number text) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    digits text := ltrim(translate(number, '-.', ''), '0');
    scale integer := length(split_part(number, '.', 2));
BEGIN
    IF number !~ '[eE]' AND length(digits) <= 38 AND scale <= 37 THEN
        RETURN true;
    END IF;
    RETURN number::float8::numeric = number::numeric
        OR number::float8::text::numeric = number::numeric;
EXCEPTION WHEN numeric_value_out_of_range OR invalid_text_representation THEN
    RETURN false;
END $$;

-- The reason why SUPER cannot hold this JSON text, whose skeleton is `bare`; NULL if it can.
CREATE FUNCTION local_redshift.super_complaint(value text, bare text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    parsed jsonb;
    brackets text;
    depth integer := 0;
    sign text;
    number text;
BEGIN
    IF octet_length(value) > 16777216 THEN
        RETURN 'SUPER value exceeds the maximum size of 16 MB';
    END IF;
    BEGIN
        parsed := value::jsonb;
    EXCEPTION WHEN OTHERS THEN
        RETURN 'invalid JSON: ' || SQLERRM;
    END;
    -- jsonb keeps the last of equal keys: then it has fewer of them than the text.
    IF local_redshift.count_keys(bare)
       <> local_redshift.count_keys(local_redshift.skeleton(parsed::text)) THEN
        RETURN 'duplicate key in a JSON object';
    END IF;
    IF bare ~ '[0-9][eE]|[0-9][0-9.]{18}' THEN
        FOR number IN SELECT DISTINCT hit[1] FROM regexp_matches(bare, '-?[0-9][0-9.eE+-]*', 'g') AS hit LOOP
            IF NOT local_redshift.super_holds(number) THEN
                RETURN 'a number in the JSON text is out of range for SUPER: ' || left(number, 60);
            END IF;
        END LOOP;
    END IF;
    IF octet_length(value) > 65535 AND local_redshift.may_hold_long_text(value) AND EXISTS (
        SELECT FROM jsonb_path_query(parsed, 'strict $.** ? (@.type() == "string")') AS text_value
        WHERE octet_length(text_value #>> '{}') > 65535) THEN
        RETURN 'String value exceeds the max size of 65535 bytes';
    END IF;
    brackets := regexp_replace(bare, '[^][{}]+', '', 'g');
    IF length(brackets) > 2000 THEN
        FOREACH sign IN ARRAY string_to_array(brackets, NULL) LOOP
            depth := depth + CASE WHEN sign IN ('[', '{') THEN 1 ELSE -1 END;
            IF depth > 1000 THEN
                RETURN 'SUPER value exceeds the maximum nesting depth of 1000';
            END IF;
        END LOOP;
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION pg_catalog.json_parse(value text) RETURNS super
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    bare text := local_redshift.skeleton(value);
    complaint text := local_redshift.super_complaint(value, bare);
BEGIN
    IF complaint IS NOT NULL THEN
        RAISE EXCEPTION 'JSON parsing error' USING ERRCODE = 'XX000', DETAIL = complaint;
    ELSIF bare ~ '[[:space:]]' THEN
        RETURN local_redshift.compact(value)::json::super;
    END IF;
    RETURN value::json::super;
END $$;
CREATE FUNCTION pg_catalog.json_parse(value varbyte) RETURNS super
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN pg_catalog.json_parse(convert_from(value::bytea, 'UTF8'));

CREATE FUNCTION pg_catalog.can_json_parse(value text) RETURNS boolean
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN local_redshift.super_complaint(value, local_redshift.skeleton(value)) IS NULL;
CREATE FUNCTION pg_catalog.can_json_parse(value varbyte) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    RETURN pg_catalog.can_json_parse(convert_from(value::bytea, 'UTF8'));
EXCEPTION WHEN character_not_in_repertoire THEN
    RETURN false;
END $$;

-- Redshift: IS_VALID_JSON function: "a JSON-formatted string", objects alone (arrays have
-- IS_VALID_JSON_ARRAY).
CREATE FUNCTION pg_catalog.is_valid_json(value varchar) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    RETURN json_typeof(value::json) = 'object';
EXCEPTION WHEN OTHERS THEN
    RETURN false;
END $$;
CREATE FUNCTION pg_catalog.is_valid_json_array(value varchar) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    RETURN json_typeof(value::json) = 'array';
EXCEPTION WHEN OTHERS THEN
    RETURN false;
END $$;

CREATE CAST (json AS super) WITHOUT FUNCTION AS ASSIGNMENT;
CREATE CAST (super AS json) WITHOUT FUNCTION AS ASSIGNMENT;

CREATE FUNCTION pg_catalog.json_serialize(value super) RETURNS varchar
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN value::json::text::varchar;
CREATE FUNCTION pg_catalog.json_serialize_to_varbyte(value super) RETURNS varbyte
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN convert_to(value::json::text, 'UTF8')::varbyte;
CREATE FUNCTION pg_catalog.json_typeof(value super) RETURNS varchar
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN json_typeof(value::json)::varchar;
CREATE FUNCTION pg_catalog.json_size(value super) RETURNS integer
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN octet_length(value::json::text);

-- A text put into SUPER without JSON_PARSE stays one string. (An untyped literal is read by the
-- type's input function, so as JSON: there this judge is more lenient than the real server.)
CREATE FUNCTION pg_catalog.super_from_text(value text) RETURNS super
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN to_json(value)::super;
CREATE FUNCTION pg_catalog.super_from_number(value numeric) RETURNS super
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN to_json(value)::super;
CREATE FUNCTION pg_catalog.super_from_boolean(value boolean) RETURNS super
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN to_json(value)::super;
CREATE CAST (text AS super) WITH FUNCTION pg_catalog.super_from_text(text) AS ASSIGNMENT;
CREATE CAST (varchar AS super) WITH FUNCTION pg_catalog.super_from_text(text) AS ASSIGNMENT;
CREATE CAST (numeric AS super) WITH FUNCTION pg_catalog.super_from_number(numeric) AS ASSIGNMENT;
CREATE CAST (boolean AS super) WITH FUNCTION pg_catalog.super_from_boolean(boolean) AS ASSIGNMENT;

-- Redshift: Casting: a scalar leaves SUPER as itself, JSON null as NULL; an object or array needs
-- JSON_SERIALIZE.
CREATE FUNCTION pg_catalog.super_to_text(value super) RETURNS text
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    IF json_typeof(value::json) IN ('object', 'array') THEN
        RAISE EXCEPTION 'cannot cast a SUPER % to character varying', json_typeof(value::json)
            USING ERRCODE = '22P02', HINT = 'JSON_SERIALIZE makes text of it';
    END IF;
    RETURN value::json #>> '{}';
END $$;
CREATE CAST (super AS text) WITH FUNCTION pg_catalog.super_to_text(super);
CREATE CAST (super AS varchar) WITH FUNCTION pg_catalog.super_to_text(super);

CREATE FUNCTION pg_catalog.super_cmp(one super, other super) RETURNS integer
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN jsonb_cmp(one::json::jsonb, other::json::jsonb);
CREATE FUNCTION pg_catalog.super_eq(one super, other super) RETURNS boolean
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN one::json::jsonb = other::json::jsonb;
CREATE FUNCTION pg_catalog.super_ne(one super, other super) RETURNS boolean
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN one::json::jsonb <> other::json::jsonb;
CREATE FUNCTION pg_catalog.super_lt(one super, other super) RETURNS boolean
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN one::json::jsonb < other::json::jsonb;
CREATE FUNCTION pg_catalog.super_le(one super, other super) RETURNS boolean
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN one::json::jsonb <= other::json::jsonb;
CREATE FUNCTION pg_catalog.super_gt(one super, other super) RETURNS boolean
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN one::json::jsonb > other::json::jsonb;
CREATE FUNCTION pg_catalog.super_ge(one super, other super) RETURNS boolean
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN one::json::jsonb >= other::json::jsonb;
CREATE OPERATOR pg_catalog.= (LEFTARG = super, RIGHTARG = super, FUNCTION = pg_catalog.super_eq,
    COMMUTATOR = OPERATOR(pg_catalog.=), NEGATOR = OPERATOR(pg_catalog.<>), MERGES);
CREATE OPERATOR pg_catalog.<> (LEFTARG = super, RIGHTARG = super, FUNCTION = pg_catalog.super_ne,
    COMMUTATOR = OPERATOR(pg_catalog.<>), NEGATOR = OPERATOR(pg_catalog.=));
CREATE OPERATOR pg_catalog.< (LEFTARG = super, RIGHTARG = super, FUNCTION = pg_catalog.super_lt,
    COMMUTATOR = OPERATOR(pg_catalog.>), NEGATOR = OPERATOR(pg_catalog.>=));
CREATE OPERATOR pg_catalog.<= (LEFTARG = super, RIGHTARG = super, FUNCTION = pg_catalog.super_le,
    COMMUTATOR = OPERATOR(pg_catalog.>=), NEGATOR = OPERATOR(pg_catalog.>));
CREATE OPERATOR pg_catalog.> (LEFTARG = super, RIGHTARG = super, FUNCTION = pg_catalog.super_gt,
    COMMUTATOR = OPERATOR(pg_catalog.<), NEGATOR = OPERATOR(pg_catalog.<=));
CREATE OPERATOR pg_catalog.>= (LEFTARG = super, RIGHTARG = super, FUNCTION = pg_catalog.super_ge,
    COMMUTATOR = OPERATOR(pg_catalog.<=), NEGATOR = OPERATOR(pg_catalog.<));
CREATE OPERATOR CLASS pg_catalog.super_ops DEFAULT FOR TYPE super USING btree AS
    OPERATOR 1 pg_catalog.<, OPERATOR 2 pg_catalog.<=, OPERATOR 3 pg_catalog.=,
    OPERATOR 4 pg_catalog.>=, OPERATOR 5 pg_catalog.>,
    FUNCTION 1 pg_catalog.super_cmp(super, super);

------------------------------------------------------------------------------------------------
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

------------------------------------------------------------------------------------------------
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
