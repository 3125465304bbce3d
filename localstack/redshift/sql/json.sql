-- JSON: functions of JSON texts, and of SUPER values.
--
-- Those that PostgreSQL has under the same name for its own types stand in local_redshift; the proxy sends calls
-- there (src/calls.rs).

SET allow_system_table_mods = on;
SET standard_conforming_strings = on;

------------------------------------------------------------------------------------------------
-- JSON texts. Redshift: JSON functions.

CREATE FUNCTION local_redshift.json_or_null(value text) RETURNS json
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    RETURN value::json;
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END $$;
-- What a function does with a text that is no JSON: NULL if that was asked for, else this error.
CREATE FUNCTION local_redshift.json_argument(value text, null_if_invalid boolean) RETURNS json
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    parsed json := local_redshift.json_or_null(value);
BEGIN
    IF parsed IS NULL AND NOT null_if_invalid THEN
        RAISE EXCEPTION 'JSON parsing error' USING ERRCODE = 'XX000',
            DETAIL = 'invalid JSON object ' || left(value, 200);
    END IF;
    RETURN parsed;
END $$;

-- Redshift: IS_VALID_JSON function: "a JSON-formatted string", objects alone (arrays have
-- IS_VALID_JSON_ARRAY).
CREATE FUNCTION pg_catalog.is_valid_json(value varchar) RETURNS boolean
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN coalesce(json_typeof(local_redshift.json_or_null(value)) = 'object', false);
CREATE FUNCTION pg_catalog.is_valid_json_array(value varchar) RETURNS boolean
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN coalesce(json_typeof(local_redshift.json_or_null(value)) = 'array', false);

-- Redshift: JSON_EXTRACT_PATH_TEXT function: up to five steps; what is not there is an empty text.
CREATE FUNCTION local_redshift.text_at(value text, null_if_invalid boolean, VARIADIC path text[]) RETURNS varchar
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    here json := local_redshift.json_argument(value, null_if_invalid);
BEGIN
    IF here IS NULL THEN
        RETURN NULL;
    END IF;
    RETURN coalesce(json_extract_path_text(here, VARIADIC path), '');
END $$;
DO $$
DECLARE
    steps integer;
    arguments text;
    path text;
BEGIN
    FOR steps IN 1..5 LOOP
        SELECT string_agg(format('step%s text', at), ', '), string_agg(format('step%s', at), ', ')
            INTO arguments, path FROM generate_series(1, steps) AS at;
        EXECUTE format('CREATE FUNCTION local_redshift.json_extract_path_text(value text, %s) RETURNS varchar '
            'LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN local_redshift.text_at(value, false, %s)', arguments, path);
        EXECUTE format('CREATE FUNCTION local_redshift.json_extract_path_text(value text, %s, null_if_invalid boolean) RETURNS varchar '
            'LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN local_redshift.text_at(value, null_if_invalid, %s)', arguments, path);
    END LOOP;
END $$;

-- Redshift: JSON_EXTRACT_ARRAY_ELEMENT_TEXT function: from 0; what is not there is an empty text.
CREATE FUNCTION pg_catalog.json_extract_array_element_text(value text, at integer, null_if_invalid boolean DEFAULT false)
    RETURNS varchar LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    parsed json := local_redshift.json_argument(value, null_if_invalid);
BEGIN
    IF parsed IS NULL THEN
        RETURN NULL;
    ELSIF json_typeof(parsed) <> 'array' AND NOT null_if_invalid THEN
        RAISE EXCEPTION 'JSON parsing error' USING ERRCODE = 'XX000', DETAIL = 'invalid JSON array object ' || left(value, 200);
    ELSIF json_typeof(parsed) <> 'array' THEN
        RETURN NULL;
    END IF;
    RETURN CASE WHEN at < 0 THEN '' ELSE coalesce(parsed ->> at, '') END;
END $$;
CREATE FUNCTION local_redshift.json_array_length(value text, null_if_invalid boolean DEFAULT false) RETURNS integer
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    parsed json := local_redshift.json_argument(value, null_if_invalid);
BEGIN
    IF json_typeof(parsed) = 'array' THEN
        RETURN json_array_length(parsed);
    ELSIF null_if_invalid THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'JSON parsing error' USING ERRCODE = 'XX000', DETAIL = 'invalid JSON array object ' || left(value, 200);
END $$;

------------------------------------------------------------------------------------------------
-- SUPER values. Redshift: JSON_SERIALIZE; JSON_SIZE; SUPER type information functions.

-- A result is a VARCHAR, so at most 65,535 bytes; NULL gives the text null.
CREATE FUNCTION pg_catalog.json_serialize(value super) RETURNS varchar
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF octet_length(value::json::text) > 65535 THEN
        RAISE EXCEPTION 'JSON serialization error: the result exceeds the maximum size of VARCHAR (65535 bytes)'
            USING ERRCODE = 'XX000', HINT = 'JSON_SERIALIZE_TO_VARBYTE has more room';
    END IF;
    RETURN coalesce(value::json::text, 'null');
END $$;
CREATE FUNCTION pg_catalog.json_serialize_to_varbyte(value super) RETURNS varbyte
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN convert_to(value::json::text, 'UTF8')::varbyte;
CREATE FUNCTION local_redshift.json_typeof(value super) RETURNS varchar
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN json_typeof(value::json)::varchar;
CREATE FUNCTION pg_catalog.json_size(value super) RETURNS integer
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN octet_length(value::json::text);

CREATE FUNCTION pg_catalog.get_array_length(value super) RETURNS integer
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN CASE json_typeof(value::json) WHEN 'array' THEN json_array_length(value::json) END;
CREATE FUNCTION pg_catalog.is_object(value super) RETURNS boolean
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN json_typeof(value::json) = 'object';
CREATE FUNCTION pg_catalog.is_array(value super) RETURNS boolean
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN json_typeof(value::json) = 'array';
CREATE FUNCTION pg_catalog.is_scalar(value super) RETURNS boolean
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN json_typeof(value::json) NOT IN ('object', 'array');
CREATE FUNCTION pg_catalog.is_boolean(value super) RETURNS boolean
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN json_typeof(value::json) = 'boolean';
CREATE FUNCTION pg_catalog.is_varchar(value super) RETURNS boolean
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN json_typeof(value::json) = 'string';
CREATE FUNCTION pg_catalog.is_char(value super) RETURNS boolean
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN json_typeof(value::json) = 'string' AND octet_length(value::json #>> '{}') = length(value::json #>> '{}');
-- Whether a number is an integer between two limits; one with a point or an exponent is none.
CREATE FUNCTION local_redshift.is_integer_within(value super, lowest bigint, highest bigint) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    RETURN value::json::text ~ '^-?[0-9]+$' AND value::json::text::numeric BETWEEN lowest AND highest;
END $$;
CREATE FUNCTION pg_catalog.is_smallint(value super) RETURNS boolean
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN local_redshift.is_integer_within(value, -32768, 32767);
CREATE FUNCTION pg_catalog.is_integer(value super) RETURNS boolean
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN local_redshift.is_integer_within(value, -2147483648, 2147483647);
CREATE FUNCTION pg_catalog.is_bigint(value super) RETURNS boolean
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN local_redshift.is_integer_within(value, -9223372036854775808, 9223372036854775807);
CREATE FUNCTION pg_catalog.is_decimal(value super) RETURNS boolean
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN json_typeof(value::json) = 'number' AND value::json::text !~ '[eE]'
        AND NOT local_redshift.is_integer_within(value, -9223372036854775808, 9223372036854775807);
CREATE FUNCTION pg_catalog.is_float(value super) RETURNS boolean
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN json_typeof(value::json) = 'number' AND value::json::text ~ '[eE]';

-- Redshift: ARRAY, OBJECT, ARRAY_CONCAT, ARRAY_FLATTEN, SUBARRAY, SPLIT_TO_ARRAY functions. Of ARRAY(a, b)
-- and OBJECT(k, v) the proxy makes calls whose arguments are SUPER already.
CREATE FUNCTION local_redshift.to_super(value text) RETURNS super
    LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN coalesce(to_json(value), 'null'::json)::super;
CREATE FUNCTION local_redshift.to_super(value super) RETURNS super
    LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN coalesce(value::json, 'null'::json)::super;
CREATE FUNCTION local_redshift.to_super(value anynonarray) RETURNS super
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$SELECT coalesce(to_json(value), 'null'::json)::super$$;
CREATE FUNCTION local_redshift."array"(VARIADIC items super[] DEFAULT '{}') RETURNS super
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (SELECT '[' || coalesce(string_agg(item::json::text, ',' ORDER BY at), '') || ']'
        FROM unnest(items) WITH ORDINALITY AS list (item, at))::json::super;
CREATE FUNCTION local_redshift.object(VARIADIC items super[] DEFAULT '{}') RETURNS super
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    made text := '';
    at integer;
BEGIN
    IF cardinality(items) % 2 = 1 THEN
        RAISE EXCEPTION 'object() requires an even number of arguments' USING ERRCODE = '42883';
    END IF;
    FOR at IN 1..cardinality(items) / 2 LOOP
        IF json_typeof(items[2 * at - 1]::json) <> 'string' THEN
            RAISE EXCEPTION 'a key of object() must be a string' USING ERRCODE = '22023';
        END IF;
        made := made || CASE at WHEN 1 THEN '' ELSE ',' END || items[2 * at - 1]::json::text || ':' || items[2 * at]::json::text;
    END LOOP;
    RETURN ('{' || made || '}')::json::super;
END $$;
CREATE FUNCTION pg_catalog.array_concat(one super, other super) RETURNS super
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN CASE WHEN is_array(one) AND is_array(other) THEN
        (SELECT '[' || coalesce(string_agg(item::text, ',' ORDER BY source, at), '') || ']' FROM (
            SELECT 1, item, at FROM json_array_elements(one::json) WITH ORDINALITY AS list (item, at)
            UNION ALL
            SELECT 2, item, at FROM json_array_elements(other::json) WITH ORDINALITY AS list (item, at)) AS both_lists (source, item, at))::json
        END::super;
CREATE FUNCTION pg_catalog.subarray(value super, start integer, number integer) RETURNS super
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN CASE WHEN is_array(value) THEN
        (SELECT '[' || coalesce(string_agg(item::text, ',' ORDER BY at), '') || ']'
            FROM json_array_elements(value::json) WITH ORDINALITY AS list (item, at)
            WHERE at > start AND at <= start + number)::json END::super;
CREATE FUNCTION pg_catalog.split_to_array(value text, delimiter text DEFAULT ',') RETURNS super
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN to_json(string_to_array(value, delimiter))::super;
