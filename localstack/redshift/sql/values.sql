-- The types that PostgreSQL does not have: VARBYTE and SUPER with their casts, operators and functions.

SET allow_system_table_mods = on;
SET standard_conforming_strings = on;

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
    -- Of the cluster, so the same throughout a session: what is immutable may ask for it.
    limit_bytes integer := coalesce(nullif(current_setting('local_redshift.super_bytes', true), ''), '16777216');
BEGIN
    IF octet_length(value) > limit_bytes THEN
        RETURN CASE limit_bytes WHEN 16777216 THEN 'SUPER value exceeds the maximum size of 16 MB'
            ELSE format('SUPER value exceeds the maximum of %s bytes', limit_bytes) END;
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

CREATE CAST (json AS super) WITHOUT FUNCTION AS ASSIGNMENT;
CREATE CAST (super AS json) WITHOUT FUNCTION AS ASSIGNMENT;

-- A text put into SUPER without JSON_PARSE stays one string, an untyped literal too. So SUPER's input function
-- is SQL, which PostgreSQL has no statement for. (A session that restores a dump sets local_redshift.super_input to
-- json; COPY's binary rows come another way.)
UPDATE pg_catalog.pg_proc
    SET prolang = (SELECT oid FROM pg_catalog.pg_language WHERE lanname = 'sql'),
        prosrc = $$SELECT CASE pg_catalog.current_setting('local_redshift.super_input', true)
            WHEN 'json' THEN pg_catalog.json_in($1)::pg_catalog.super
            ELSE pg_catalog.to_json(pg_catalog.textin($1))::pg_catalog.super END$$
    WHERE oid = 'pg_catalog.super_in(cstring, oid, integer)'::pg_catalog.regprocedure;
CREATE FUNCTION pg_catalog.super_from_text(value text) RETURNS super
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN to_json(value)::super;
CREATE CAST (text AS super) WITH FUNCTION pg_catalog.super_from_text(text) AS ASSIGNMENT;
CREATE CAST (varchar AS super) WITH FUNCTION pg_catalog.super_from_text(text) AS ASSIGNMENT;
DO $$
DECLARE
    source text;
BEGIN
    FOREACH source IN ARRAY '{smallint,integer,bigint,numeric,real,double precision,boolean}'::text[] LOOP
        EXECUTE format('CREATE FUNCTION pg_catalog.super_from_value(value %s) RETURNS super '
            'LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN to_json(value)::super', source);
        EXECUTE format('CREATE CAST (%1$s AS super) WITH FUNCTION pg_catalog.super_from_value(%1$s) AS ASSIGNMENT', source);
    END LOOP;
END $$;

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
