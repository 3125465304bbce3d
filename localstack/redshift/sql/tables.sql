-- Tables: types and widths judged, keys recorded and never enforced, by event triggers.

SET allow_system_table_mods = on;
SET standard_conforming_strings = on;

-- Tables. Redshift: CREATE TABLE; Character types; Numeric types; Unsupported PostgreSQL data types.

-- Keys are recorded, never enforced. Redshift: Table constraints.
CREATE SEQUENCE local_redshift.constraint_oid START 3000000000;
CREATE TABLE local_redshift.table_constraint (
    oid oid NOT NULL DEFAULT nextval('local_redshift.constraint_oid'),
    table_oid oid NOT NULL, name name NOT NULL, kind "char" NOT NULL, columns smallint[] NOT NULL,
    foreign_table oid NOT NULL DEFAULT 0, foreign_columns smallint[],
    UNIQUE (table_oid, name));

-- What a definition says beside columns and types; a table without a row has Redshift's defaults. `diststyle` is
-- pg_class.reldiststyle: 0 EVEN, 1 KEY, 8 ALL, 9 AUTO(ALL).
CREATE TABLE local_redshift.table_attribute (
    table_oid oid PRIMARY KEY,
    diststyle smallint NOT NULL DEFAULT 9,
    distkey smallint NOT NULL DEFAULT 0,
    sortkey smallint[] NOT NULL DEFAULT '{}',
    interleaved boolean NOT NULL DEFAULT false,
    sort_auto boolean NOT NULL DEFAULT true,
    encode_auto boolean NOT NULL DEFAULT true,
    backup boolean NOT NULL DEFAULT true);
CREATE TABLE local_redshift.column_encoding (
    table_oid oid, attnum smallint, encoding text NOT NULL,
    PRIMARY KEY (table_oid, attnum));

-- What is wrong with a column's type, NULL if nothing.
CREATE FUNCTION local_redshift.type_complaint(type_oid oid, modifier integer) RETURNS text
    LANGUAGE plpgsql STABLE AS $$
DECLARE
    type_name text := format_type(type_oid, NULL);
    width integer := modifier - 4;
    scale integer := (modifier - 4) & 2047;
BEGIN
    -- What PostgreSQL 8.0 had not does not exist; what it had is not supported.
    IF type_oid IN ('json'::regtype, 'jsonb'::regtype, 'jsonpath'::regtype, 'uuid'::regtype, 'xml'::regtype,
        'tsvector'::regtype, 'tsquery'::regtype, 'pg_lsn'::regtype, 'macaddr8'::regtype)
       OR (SELECT typtype IN ('e', 'r', 'm') FROM pg_type WHERE oid = type_oid) THEN
        RETURN format('type "%s" does not exist', type_name);
    ELSIF type_oid NOT IN ('bool'::regtype, 'int2'::regtype, 'int4'::regtype, 'int8'::regtype,
        'float4'::regtype, 'float8'::regtype, 'numeric'::regtype, 'varchar'::regtype,
        'bpchar'::regtype, 'text'::regtype, 'date'::regtype, 'time'::regtype, 'timetz'::regtype,
        'timestamp'::regtype, 'timestamptz'::regtype, 'interval'::regtype, 'oid'::regtype,
        'name'::regtype, '"char"'::regtype, 4000, 6551) THEN
        RETURN format('unsupported type "%s".', type_name);
    ELSIF modifier < 0 THEN
        RETURN NULL;
    ELSIF type_oid = 'varchar'::regtype AND width > 65535 THEN
        RETURN 'length for type varchar cannot exceed 65535';
    ELSIF type_oid = 'bpchar'::regtype AND width > 4096 THEN
        RETURN 'length for type char cannot exceed 4096';
    ELSIF type_oid = 'numeric'::regtype AND width >> 16 > 38 THEN
        RETURN format('DECIMAL precision %s must be between 1 and 38', width >> 16);
    ELSIF type_oid = 'numeric'::regtype AND scale > 37 THEN
        RETURN format('DECIMAL scale %s must be between 0 and 37', scale);
    ELSIF type_oid = 'numeric'::regtype AND scale > width >> 16 THEN
        RETURN format('DECIMAL scale %s must be between 0 and precision %s', scale, width >> 16);
    ELSIF type_oid = 6551 AND modifier > 16777216 THEN
        RETURN 'length for type varbyte cannot exceed 16777216';
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION local_redshift.judge_columns(judged oid) RETURNS void
    LANGUAGE plpgsql AS $$
DECLARE
    this record;
    complaint text;
BEGIN
    FOR this IN SELECT attname, atttypid, atttypmod FROM pg_attribute
        WHERE attrelid = judged AND attnum > 0 AND NOT attisdropped ORDER BY attnum LOOP
        -- A system column of 8.0. PostgreSQL refuses the others itself.
        IF this.attname = 'oid' THEN
            RAISE EXCEPTION 'column name "oid" conflicts with a system column name' USING ERRCODE = '42701';
        END IF;
        complaint := local_redshift.type_complaint(this.atttypid, this.atttypmod);
        IF complaint LIKE 'unsupported%' THEN
            RAISE EXCEPTION 'Column "%.%" has %', (SELECT relname FROM pg_class WHERE oid = judged),
                this.attname, complaint
                USING ERRCODE = '0A000';
        ELSIF complaint LIKE 'type %' THEN
            RAISE EXCEPTION '%', complaint USING ERRCODE = '42704';
        ELSIF complaint IS NOT NULL THEN
            RAISE EXCEPTION '%', complaint USING ERRCODE = '22023';
        END IF;
    END LOOP;
END $$;

-- A cast to VARCHAR(n) cuts by bytes, at the end of a character; an assignment loses blanks alone. Redshift: CAST and
-- CONVERT; Character types. That no character is cut in two: INFER. PostgreSQL's own function is called by its number
-- and cannot be replaced, so the cast is given another.
CREATE FUNCTION local_redshift.fit_bytes(value varchar, width integer, explicit boolean) RETURNS varchar
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    bytes bytea := convert_to(value, 'UTF8');
    kept integer := width;
BEGIN
    WHILE get_byte(bytes, kept) & 192 = 128 LOOP
        kept := kept - 1;
    END LOOP;
    IF explicit OR btrim(convert_from(substring(bytes FROM kept + 1), 'UTF8'), ' ') = '' THEN
        RETURN convert_from(substring(bytes FOR kept), 'UTF8');
    END IF;
    RAISE EXCEPTION 'value too long for type character varying(%)', width USING ERRCODE = '22001';
END $$;
CREATE FUNCTION local_redshift.to_varchar(value varchar, modifier integer, explicit boolean) RETURNS varchar
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN modifier < 4 OR octet_length(value) <= modifier - 4 THEN value
        ELSE local_redshift.fit_bytes(value, modifier - 4, explicit) END;
UPDATE pg_catalog.pg_cast SET castfunc = 'local_redshift.to_varchar'::regproc
    WHERE castsource = 'varchar'::regtype AND casttarget = 'varchar'::regtype;

-- CHAR takes single-byte characters alone. Redshift: Character types.
CREATE FUNCTION local_redshift.is_ascii(value text) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    bytes bytea;
BEGIN
    IF octet_length(value) = char_length(value) THEN
        RETURN true;
    END IF;
    bytes := convert_to(value, 'UTF8');
    FOR at IN 0 .. octet_length(bytes) - 1 LOOP
        IF get_byte(bytes, at) > 127 THEN
            RAISE EXCEPTION '%', 'CHAR string contains invalid ASCII character ' || chr(92)
                || (get_byte(bytes, at) / 64)::text || (get_byte(bytes, at) / 8 % 8)::text || (get_byte(bytes, at) % 8)::text
                USING ERRCODE = 'XX000';
        END IF;
    END LOOP;
    RETURN true;
END $$;

-- VARCHAR(n) and CHAR(n) count bytes: a CHECK that the column and its width give the name of. The
-- proxy words its violation as the real server does.
CREATE FUNCTION local_redshift.check_bytes(table_oid oid) RETURNS void
    LANGUAGE plpgsql AS $$
DECLARE
    clauses text;
BEGIN
    WITH wanted AS (
        SELECT format('redshift_bytes_%s_%s_%s', attnum,
                CASE atttypid WHEN 'bpchar'::regtype THEN 'character' ELSE 'varying' END, atttypmod - 4) AS name,
            CASE atttypid WHEN 'bpchar'::regtype THEN format('local_redshift.is_ascii(%I) AND ', attname) ELSE '' END
                || format('octet_length(%I) <= %s', attname, atttypmod - 4) AS condition
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

-- The encoding of a column for which none was chosen. Redshift: Compression encodings. SUPER: INFER.
CREATE FUNCTION local_redshift.default_encoding(type_oid oid, is_sorted boolean) RETURNS text
    LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN is_sorted THEN 'raw'
        WHEN type_oid IN ('bool'::regtype, 'float4'::regtype, 'float8'::regtype) THEN 'raw'
        WHEN type_oid = 4000 THEN 'zstd'
        WHEN type_oid IN ('varchar'::regtype, 'bpchar'::regtype, 'text'::regtype, 6551) THEN 'lzo'
        WHEN type_oid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'numeric'::regtype, 'date'::regtype,
            'time'::regtype, 'timetz'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype) THEN 'az64'
        ELSE 'raw'
    END $$;

-- Which types take an encoding. Redshift: Compression encodings; for types that its table leaves out (TIME, TIMETZ,
-- SUPER, VARBYTE): INFER.
CREATE FUNCTION local_redshift.encoding_fits(encoding text, type_oid oid) RETURNS boolean
    LANGUAGE sql STABLE AS $$
    SELECT encoding IN ('raw', 'auto') OR type_oid::regtype::text = ANY (CASE encoding
        WHEN 'az64' THEN integers || instants
        WHEN 'bytedict' THEN integers || texts || instants || floats
        WHEN 'delta' THEN integers || ARRAY['date', 'timestamp without time zone']
        WHEN 'delta32k' THEN integers[2:] || ARRAY['date', 'timestamp without time zone']
        WHEN 'lzo' THEN integers || texts || instants || others
        WHEN 'mostly8' THEN integers
        WHEN 'mostly16' THEN integers[2:]
        WHEN 'mostly32' THEN integers[3:]
        WHEN 'runlength' THEN integers || texts || instants || floats || ARRAY['boolean']
        WHEN 'text255' THEN texts[1:1]
        WHEN 'text32k' THEN texts[1:1]
        WHEN 'zstd' THEN integers || texts || instants || floats || others || ARRAY['boolean']
    END)
    FROM (VALUES (
        ARRAY['smallint', 'integer', 'bigint', 'numeric'],
        ARRAY['character varying', 'character'],
        ARRAY['date', 'timestamp without time zone', 'timestamp with time zone',
            'time without time zone', 'time with time zone'],
        ARRAY['real', 'double precision'],
        ARRAY['super', 'varbyte'])) AS groups (integers, texts, instants, floats, others) $$;

-- The number of a column that is named in an attribute or a key.
CREATE FUNCTION local_redshift.column_number(of oid, wanted text) RETURNS smallint
    LANGUAGE plpgsql STABLE AS $$
DECLARE
    number smallint;
BEGIN
    SELECT attnum INTO number FROM pg_attribute
        WHERE attrelid = of AND attname = wanted AND attnum > 0 AND NOT attisdropped;
    IF number IS NULL THEN
        RAISE EXCEPTION 'column "%" named in key does not exist', wanted USING ERRCODE = '42703';
    END IF;
    RETURN number;
END $$;

CREATE FUNCTION local_redshift.column_numbers(of oid, wanted jsonb) RETURNS smallint[]
    LANGUAGE sql STABLE AS $$
    SELECT array_agg(local_redshift.column_number(of, name) ORDER BY place)
    FROM jsonb_array_elements_text(wanted) WITH ORDINALITY AS names (name, place) $$;

-- A column that a table may be distributed or sorted by. Redshift: Limitations of SUPER.
CREATE FUNCTION local_redshift.key_column(of oid, wanted text, what text) RETURNS smallint
    LANGUAGE plpgsql STABLE AS $$
DECLARE
    number smallint := local_redshift.column_number(of, wanted);
    type_oid oid := (SELECT atttypid FROM pg_attribute WHERE attrelid = of AND attnum = number);
BEGIN
    IF type_oid IN (4000, 6551) THEN
        RAISE EXCEPTION 'column "%" of type % cannot be a %', wanted, format_type(type_oid, NULL), what
            USING ERRCODE = '0A000';
    END IF;
    RETURN number;
END $$;

-- The table of a name in a statement, its new table left out: the first on the client's path.
CREATE FUNCTION local_redshift.table_named(parts jsonb, path name[], except_for oid) RETURNS oid
    LANGUAGE plpgsql STABLE AS $$
DECLARE
    found oid;
    wanted text := parts ->> -1;
BEGIN
    SELECT pg_class.oid INTO found
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE relname = wanted AND pg_class.oid <> except_for AND relkind IN ('r', 'v', 'p')
      AND CASE WHEN jsonb_array_length(parts) > 1 THEN nspname = parts ->> -2 ELSE nspname = ANY (path) END
    ORDER BY array_position(path, nspname) LIMIT 1;
    IF found IS NULL THEN
        RAISE EXCEPTION 'relation "%" does not exist', (
            SELECT string_agg(part, '.' ORDER BY place)
            FROM jsonb_array_elements_text(parts) WITH ORDINALITY AS names (part, place))
            USING ERRCODE = '42P01';
    END IF;
    RETURN found;
END $$;

-- Records a key of a definition's comment.
CREATE FUNCTION local_redshift.record_key(of oid, key jsonb, path name[]) RETURNS void
    LANGUAGE plpgsql AS $$
DECLARE
    kind "char" := key ->> 'kind';
    numbers smallint[] := local_redshift.column_numbers(of, key -> 'columns');
    table_name text := (SELECT relname FROM pg_class WHERE oid = of);
    nullable text;
    referred oid := 0;
    referred_numbers smallint[];
    new_name text := key ->> 'name';
BEGIN
    IF kind = 'p' THEN
        IF EXISTS (SELECT FROM local_redshift.table_constraint AS other WHERE other.table_oid = of AND other.kind = 'p') THEN
            RAISE EXCEPTION 'multiple primary keys for table "%" are not allowed', table_name USING ERRCODE = '42P16';
        END IF;
        -- Redshift: ALTER TABLE: a primary key cannot be added to a column that takes NULL.
        SELECT attname INTO nullable FROM pg_attribute
            WHERE attrelid = of AND attnum = ANY (numbers) AND NOT attnotnull ORDER BY attnum LIMIT 1;
        IF nullable IS NOT NULL THEN
            RAISE EXCEPTION 'ALTER TABLE ADD PRIMARY KEY: column "%" is nullable', nullable USING ERRCODE = '42P16';
        END IF;
    ELSIF kind = 'f' THEN
        referred := local_redshift.table_named(key -> 'table', path, 0);
        IF jsonb_array_length(key -> 'references') > 0 THEN
            referred_numbers := local_redshift.column_numbers(referred, key -> 'references');
        ELSE
            SELECT columns INTO referred_numbers FROM local_redshift.table_constraint AS other
                WHERE other.table_oid = referred AND other.kind = 'p';
            IF referred_numbers IS NULL THEN
                RAISE EXCEPTION 'there is no primary key for referenced table "%"',
                    (SELECT relname FROM pg_class WHERE oid = referred) USING ERRCODE = '42704';
            END IF;
        END IF;
        IF cardinality(numbers) <> cardinality(referred_numbers) THEN
            RAISE EXCEPTION 'number of referencing and referenced columns for foreign key disagree' USING ERRCODE = '42830';
        ELSIF NOT EXISTS (SELECT FROM local_redshift.table_constraint AS other
            WHERE other.table_oid = referred AND other.kind IN ('p', 'u')
              AND other.columns @> referred_numbers AND referred_numbers @> other.columns) THEN
            RAISE EXCEPTION 'there is no unique constraint matching given keys for referenced table "%"',
                (SELECT relname FROM pg_class WHERE oid = referred) USING ERRCODE = '42830';
        END IF;
    END IF;
    IF new_name IS NULL THEN
        new_name := CASE kind
            WHEN 'p' THEN table_name || '_pkey'
            ELSE table_name || '_' || (key -> 'columns' ->> 0) || CASE kind WHEN 'u' THEN '_key' ELSE '_fkey' END
        END;
        SELECT left(new_name, 60) || coalesce(suffix::text, '') INTO new_name
        FROM unnest(NULL::integer || ARRAY(SELECT generate_series(1, 100))) WITH ORDINALITY AS tries (suffix, place)
        WHERE NOT EXISTS (SELECT FROM local_redshift.table_constraint AS other
            WHERE other.table_oid = of AND other.name = left(new_name, 60) || coalesce(suffix::text, ''))
        ORDER BY place LIMIT 1;
    ELSIF EXISTS (SELECT FROM local_redshift.table_constraint AS other WHERE other.table_oid = of AND other.name = new_name) THEN
        RAISE EXCEPTION 'constraint "%" for relation "%" already exists', new_name, table_name USING ERRCODE = '42710';
    END IF;
    INSERT INTO local_redshift.table_constraint (table_oid, name, kind, columns, foreign_table, foreign_columns)
        VALUES (of, new_name, kind, numbers, referred, referred_numbers);
END $$;

-- Keys that PostgreSQL has just made are recorded and dropped there.
CREATE FUNCTION local_redshift.record_keys(of oid) RETURNS void
    LANGUAGE plpgsql AS $$
DECLARE
    clauses text;
BEGIN
    INSERT INTO local_redshift.table_constraint (table_oid, name, kind, columns)
        SELECT conrelid, conname, contype, conkey FROM pg_constraint
        WHERE conrelid = of AND contype IN ('p', 'u') ORDER BY contype, conname;
    SELECT string_agg(format('DROP CONSTRAINT %I', conname), ', ') INTO clauses FROM pg_constraint
        WHERE conrelid = of AND contype IN ('p', 'u', 'f');
    IF clauses IS NOT NULL THEN
        EXECUTE format('ALTER TABLE %s %s', of::regclass, clauses);
    END IF;
END $$;

-- Redshift: ALTER TABLE, ALTER COLUMN TYPE. A check's name tells the width from before. The words of the sizes and
-- encodings have been read from real clusters.
CREATE FUNCTION local_redshift.judge_widening(altered oid, altered_column text) RETURNS void
    LANGUAGE plpgsql AS $$
DECLARE
    this record;
BEGIN
    SELECT attname, atthasdef, atttypid, atttypmod - 4 AS width,
        relname AS table_name,
        (SELECT split_part(conname, '_', 5)::integer FROM pg_constraint
            WHERE conrelid = altered AND starts_with(conname, format('redshift_bytes_%s_varying_', attnum))) AS width_before,
        (SELECT encoding FROM local_redshift.column_encoding AS kept
            WHERE kept.table_oid = altered AND kept.attnum = pg_attribute.attnum) AS encoding,
        EXISTS (SELECT FROM local_redshift.table_constraint AS key
            WHERE key.table_oid = altered AND attnum = ANY (key.columns)
               OR key.foreign_table = altered AND attnum = ANY (key.foreign_columns)) AS is_key
    INTO this FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    WHERE attrelid = altered AND attname = altered_column AND NOT attisdropped;
    IF this.width_before IS NULL THEN
        RAISE EXCEPTION 'cannot alter column "%" of relation "%", target data type must be character varying',
            altered_column, this.table_name USING ERRCODE = '0A000';
    ELSIF this.width = this.width_before THEN
        RAISE EXCEPTION 'cannot alter column "%" of relation "%", target column size should be different',
            altered_column, this.table_name USING ERRCODE = '0A000';
    ELSIF this.encoding IN ('bytedict', 'runlength', 'text255', 'text32k') THEN
        RAISE EXCEPTION 'cannot alter column "%" of relation "%" with encode type "%"',
            altered_column, this.table_name, this.encoding USING ERRCODE = '0A000';
    ELSIF this.atthasdef AND this.width < this.width_before THEN
        RAISE EXCEPTION 'cannot decrease a VARCHAR column size with default value' USING ERRCODE = '0A000';
    ELSIF this.atthasdef THEN
        RAISE EXCEPTION 'cannot alter type of column "%": it has a default value', altered_column
            USING ERRCODE = '0A000';
    ELSIF this.is_key THEN
        RAISE EXCEPTION 'cannot alter type of column "%": it is part of a key', altered_column
            USING ERRCODE = '0A000';
    END IF;
END $$;

-- A new table like another has its attributes. Redshift: CREATE TABLE, LIKE.
CREATE FUNCTION local_redshift.inherit_attributes(of oid, parent oid) RETURNS void
    LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO local_redshift.table_attribute
        SELECT of, attributes.diststyle,
            coalesce((SELECT child.attnum FROM pg_attribute AS own JOIN pg_attribute AS child USING (attname)
                WHERE own.attrelid = parent AND own.attnum = attributes.distkey AND child.attrelid = of), 0),
            ARRAY(SELECT child.attnum FROM unnest(attributes.sortkey) WITH ORDINALITY AS numbers (number, place)
                JOIN pg_attribute AS own ON own.attrelid = parent AND own.attnum = number
                JOIN pg_attribute AS child ON child.attrelid = of AND child.attname = own.attname
                ORDER BY place),
            attributes.interleaved, attributes.sort_auto, attributes.encode_auto, attributes.backup
        FROM local_redshift.table_attribute AS attributes WHERE table_oid = parent;
    INSERT INTO local_redshift.column_encoding
        SELECT of, child.attnum, kept.encoding
        FROM local_redshift.column_encoding AS kept
        JOIN pg_attribute AS own ON own.attrelid = kept.table_oid AND own.attnum = kept.attnum
        JOIN pg_attribute AS child ON child.attrelid = of AND child.attname = own.attname
        WHERE kept.table_oid = parent;
END $$;

-- Sets what a comment says of distribution, sort key and encodings.
CREATE FUNCTION local_redshift.set_attributes(of oid, said jsonb) RETURNS void
    LANGUAGE plpgsql AS $$
DECLARE
    this record;
    sort_style text := said -> 'sortkey' ->> 'style';
BEGIN
    INSERT INTO local_redshift.table_attribute (table_oid) VALUES (of) ON CONFLICT DO NOTHING;
    UPDATE local_redshift.table_attribute SET
        diststyle = CASE
            WHEN said ? 'distkey' THEN 1
            WHEN said ->> 'diststyle' = 'even' THEN 0
            WHEN said ->> 'diststyle' = 'all' THEN 8
            WHEN said ->> 'diststyle' = 'auto' THEN 9
            ELSE diststyle
        END,
        distkey = CASE
            WHEN said ? 'distkey' THEN local_redshift.key_column(of, said ->> 'distkey', 'distribution key')
            WHEN said ? 'diststyle' THEN 0
            ELSE distkey
        END,
        sortkey = CASE
            WHEN sort_style IS NULL THEN sortkey
            ELSE ARRAY(SELECT local_redshift.key_column(of, name, 'sort key')
                FROM jsonb_array_elements_text(said -> 'sortkey' -> 'columns') WITH ORDINALITY AS names (name, place)
                ORDER BY place)
        END,
        interleaved = CASE WHEN sort_style IS NULL THEN interleaved ELSE sort_style = 'interleaved' END,
        sort_auto = CASE WHEN sort_style IS NULL THEN sort_auto ELSE sort_style = 'auto' END,
        encode_auto = CASE WHEN said ? 'encode_auto' THEN true WHEN said ? 'encodings' THEN false ELSE encode_auto END,
        backup = backup AND NOT said ? 'no_backup'
    WHERE table_oid = of;
    IF said ? 'encode_auto' THEN
        DELETE FROM local_redshift.column_encoding WHERE table_oid = of;
    END IF;
    FOR this IN SELECT encoding.value ->> 'encoding' AS encoding, attnum, attname, atttypid
        FROM jsonb_array_elements(said -> 'encodings') AS encoding
        LEFT JOIN pg_attribute ON attrelid = of AND attname = encoding.value ->> 'column' AND NOT attisdropped LOOP
        IF this.attnum IS NULL THEN
            RAISE EXCEPTION 'column of ENCODE does not exist' USING ERRCODE = '42703';
        ELSIF NOT local_redshift.encoding_fits(this.encoding, this.atttypid) THEN
            RAISE EXCEPTION 'invalid encoding type specified for column "%"', this.attname USING ERRCODE = '0A000';
        END IF;
        INSERT INTO local_redshift.column_encoding VALUES (of, this.attnum, this.encoding)
            ON CONFLICT (table_oid, attnum) DO UPDATE SET encoding = excluded.encoding;
    END LOOP;
END $$;

-- Columns of a query's texts have a width. Redshift: CREATE TABLE AS; that it is the widest: INFER.
CREATE FUNCTION local_redshift.give_widths(of oid) RETURNS void
    LANGUAGE plpgsql AS $$
DECLARE
    clauses text;
BEGIN
    SELECT string_agg(format('ALTER COLUMN %I TYPE varchar(65535)', attname), ', ') INTO clauses FROM pg_attribute
        WHERE attrelid = of AND attnum > 0 AND NOT attisdropped
          AND (atttypid = 'text'::regtype OR atttypid = 'varchar'::regtype AND atttypmod < 0);
    IF clauses IS NOT NULL THEN
        EXECUTE format('ALTER TABLE %s %s', of::regclass, clauses);
    END IF;
END $$;

-- Everything that a definition or a change of a table is held to. `said` is the comment of src/attributes.rs.
CREATE FUNCTION local_redshift.judge_table(judged oid, said jsonb, path name[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    key jsonb;
BEGIN
    IF said ? 'widened' THEN
        PERFORM local_redshift.judge_widening(judged, said ->> 'widened');
    END IF;
    PERFORM local_redshift.judge_columns(judged);
    PERFORM local_redshift.record_keys(judged);
    IF said ? 'like' THEN
        PERFORM local_redshift.inherit_attributes(judged, local_redshift.table_named(said -> 'like', path, judged));
    END IF;
    IF said ?| ARRAY['diststyle', 'distkey', 'sortkey', 'encode_auto', 'encodings', 'no_backup'] THEN
        PERFORM local_redshift.set_attributes(judged, said);
    END IF;
    FOR key IN SELECT value FROM jsonb_array_elements(said -> 'keys') LOOP
        PERFORM local_redshift.record_key(judged, key, path);
    END LOOP;
    IF said ? 'dropped' THEN
        DELETE FROM local_redshift.table_constraint WHERE table_oid = judged AND name = said ->> 'dropped';
        IF NOT FOUND THEN
            RAISE EXCEPTION 'constraint "%" does not exist', said ->> 'dropped' USING ERRCODE = '42704';
        END IF;
    END IF;
    INSERT INTO local_redshift.table_attribute (table_oid) VALUES (judged) ON CONFLICT DO NOTHING;
    PERFORM local_redshift.give_widths(judged);
    PERFORM local_redshift.check_bytes(judged);
END $$;

-- Runs as the client, for whose path unqualified names are. Tables are changed by us in the course of it, which
-- fires it again.
CREATE FUNCTION local_redshift.table_defined() RETURNS event_trigger
    LANGUAGE plpgsql AS $$
DECLARE
    judged pg_catalog.oid;
    said pg_catalog.text := pg_catalog.split_part(pg_catalog.current_query(), '/*local_redshift ', -1);
    path pg_catalog.name[] := pg_catalog.current_schemas(true);
BEGIN
    IF pg_catalog.current_setting('local_redshift.defining', true) OPERATOR(pg_catalog.=) 'on' THEN
        RETURN;
    END IF;
    said := CASE WHEN said OPERATOR(pg_catalog.=) pg_catalog.current_query() THEN '{}'
        ELSE pg_catalog.left(said, -2) END;
    PERFORM pg_catalog.set_config('local_redshift.defining', 'on', true);
    FOR judged IN SELECT DISTINCT command.objid FROM pg_catalog.pg_event_trigger_ddl_commands() AS command
        JOIN pg_catalog.pg_class ON pg_class.oid OPERATOR(pg_catalog.=) command.objid
        WHERE command.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
          AND pg_class.relkind OPERATOR(pg_catalog.=) 'r'
          AND pg_class.relnamespace OPERATOR(pg_catalog.<>) 'local_redshift'::pg_catalog.regnamespace LOOP
        PERFORM local_redshift.judge_table(judged, said::pg_catalog.jsonb, path);
    END LOOP;
    PERFORM pg_catalog.set_config('local_redshift.defining', 'off', true);
END $$;

-- Columns of keys stay, and a table that another's foreign key names stays unless CASCADE is said. Redshift: ALTER
-- TABLE, DROP COLUMN; DROP TABLE.
CREATE FUNCTION local_redshift.table_dropped() RETURNS event_trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    this record;
    cascades boolean := current_query() ~* '(^|[^a-z0-9_])cascade([^a-z0-9_]|$)';
BEGIN
    FOR this IN SELECT gone.objid AS table_oid, gone.objsubid AS number, gone.address_names[3] AS name, attributes.*
        FROM pg_event_trigger_dropped_objects() AS gone
        JOIN local_redshift.table_attribute AS attributes ON attributes.table_oid = gone.objid
        WHERE gone.classid = 'pg_class'::regclass AND gone.objsubid > 0 LOOP
        IF this.number = this.distkey THEN
            RAISE EXCEPTION 'cannot drop distkey column "%"', this.name USING ERRCODE = '0A000';
        ELSIF this.number = ANY (this.sortkey) THEN
            RAISE EXCEPTION 'cannot drop sortkey column "%"', this.name USING ERRCODE = '0A000';
        END IF;
    END LOOP;
    FOR this IN SELECT key.oid, key.name, (SELECT relname FROM pg_class WHERE pg_class.oid = key.table_oid) AS other, gone.object_name
        FROM pg_event_trigger_dropped_objects() AS gone
        JOIN local_redshift.table_constraint AS key ON key.foreign_table = gone.objid
        WHERE gone.classid = 'pg_class'::regclass AND gone.objsubid = 0 AND key.table_oid <> gone.objid
          AND NOT EXISTS (SELECT FROM pg_event_trigger_dropped_objects() AS also
              WHERE also.classid = 'pg_class'::regclass AND also.objid = key.table_oid AND also.objsubid = 0) LOOP
        IF NOT cascades THEN
            RAISE EXCEPTION 'cannot drop table % because other objects depend on it', this.object_name
                USING ERRCODE = '2BP01',
                DETAIL = format('constraint %s on table %s depends on table %s', this.name, this.other, this.object_name),
                HINT = 'Use DROP ... CASCADE to drop the dependent objects too.';
        END IF;
        DELETE FROM local_redshift.table_constraint WHERE oid = this.oid;
    END LOOP;
    DELETE FROM local_redshift.table_constraint AS key USING pg_event_trigger_dropped_objects() AS gone
        WHERE gone.classid = 'pg_class'::regclass AND (
            key.table_oid = gone.objid AND (gone.objsubid = 0 OR gone.objsubid = ANY (key.columns))
            OR key.foreign_table = gone.objid AND (gone.objsubid = 0 OR gone.objsubid = ANY (key.foreign_columns)));
    DELETE FROM local_redshift.table_attribute AS attributes USING pg_event_trigger_dropped_objects() AS gone
        WHERE gone.classid = 'pg_class'::regclass AND attributes.table_oid = gone.objid AND gone.objsubid = 0;
    DELETE FROM local_redshift.column_encoding AS kept USING pg_event_trigger_dropped_objects() AS gone
        WHERE gone.classid = 'pg_class'::regclass AND kept.table_oid = gone.objid AND gone.objsubid IN (0, kept.attnum);
END $$;

CREATE EVENT TRIGGER local_redshift_table_defined ON ddl_command_end
    WHEN TAG IN ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'ALTER TABLE')
    EXECUTE FUNCTION local_redshift.table_defined();
CREATE EVENT TRIGGER local_redshift_table_dropped ON sql_drop
    WHEN TAG IN ('ALTER TABLE', 'DROP TABLE', 'DROP SCHEMA', 'DROP OWNED')
    EXECUTE FUNCTION local_redshift.table_dropped();
