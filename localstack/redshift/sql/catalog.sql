-- The catalog as Redshift shows it: PostgreSQL's relations with Redshift's columns, and the views of its own.
--
-- The views of the schema local_redshift stand in for PostgreSQL's relations of the same name: src/catalog.rs sends
-- statements there. They hide what the judge keeps for itself (its schema, its CHECKs) and show the keys that are
-- recorded. Those of pg_catalog exist in Redshift alone; their columns are those of the chapters of the same name.

SET allow_system_table_mods = on;
SET standard_conforming_strings = on;

-- Redshift: Type compatibility and conversion: an integer is implicitly BOOLEAN, as in WHERE 1.
UPDATE pg_catalog.pg_cast SET castcontext = 'a' WHERE castsource = 'int4'::regtype AND casttarget = 'bool'::regtype;

------------------------------------------------------------------------------------------------
-- What the views read

-- Encodings by number. 0 and 128 have been read from real clusters; the others: INFER.
CREATE FUNCTION pg_catalog.format_encoding(number integer) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN CASE WHEN number = 128 THEN 'none' ELSE (ARRAY['none', 'bytedict', 'delta', 'delta32k', 'mostly8', 'mostly16',
        'mostly32', 'runlength', 'text255', 'text32k', 'lzo', 'zstd', 'az64'])[number + 1] END;
CREATE FUNCTION local_redshift.encoding_number(encoding text) RETURNS smallint
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN coalesce(array_position(ARRAY['raw', 'bytedict', 'delta', 'delta32k', 'mostly8', 'mostly16', 'mostly32',
        'runlength', 'text255', 'text32k', 'lzo', 'zstd', 'az64'], encoding) - 1, 0)::smallint;

-- IDENTITY columns as defaults, as Redshift shows them. Source: the patterns that sqlalchemy-redshift and the
-- administrators' views of amazon-redshift-utils look for.
CREATE VIEW local_redshift.identity_column AS
    SELECT attrelid AS table_oid, attnum,
        format('%s(%s, %s, ''%s,%s''::text)', CASE attidentity WHEN 'a' THEN '"identity"' ELSE 'default_identity' END,
            attrelid, attnum - 1, seqstart, seqincrement) AS definition
    FROM pg_catalog.pg_attribute
    JOIN pg_catalog.pg_depend ON refclassid = 'pg_class'::regclass AND refobjid = attrelid AND refobjsubid = attnum
        AND classid = 'pg_class'::regclass AND deptype = 'i'
    JOIN pg_catalog.pg_sequence ON seqrelid = objid
    WHERE attidentity <> '';

------------------------------------------------------------------------------------------------
-- PostgreSQL's relations

-- Makes local_redshift.RELATION of all columns of `original`, which `source` calls base: some changed, some added.
CREATE FUNCTION local_redshift.stand_in(original regclass, changed jsonb, added text, source text) RETURNS void
    LANGUAGE plpgsql AS $$
DECLARE
    relation name := (SELECT relname FROM pg_class WHERE oid = original);
BEGIN
    EXECUTE (SELECT format('CREATE VIEW local_redshift.%I AS SELECT %s%s FROM %s', relation,
            string_agg(coalesce((changed ->> attname) || ' AS ' || quote_ident(attname), 'base.' || quote_ident(attname)),
                ', ' ORDER BY attnum), added, source)
        FROM pg_attribute WHERE attrelid = original AND attnum > 0 AND NOT attisdropped);
END $$;

-- The same with rows of recorded keys below: `keys` gives their values by column, `keys_added` and `keys_source` the rest.
-- What is not given is 0, false or NULL.
CREATE FUNCTION local_redshift.stand_in_with_keys(original regclass, changed jsonb, added text, source text,
        keys jsonb, keys_added text, keys_source text) RETURNS void
    LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE (SELECT format('CREATE VIEW local_redshift.%I AS SELECT %s%s FROM %s UNION ALL SELECT %s%s FROM %s',
            (SELECT relname FROM pg_class WHERE oid = original),
            string_agg(coalesce((changed ->> attname) || ' AS ' || quote_ident(attname), 'base.' || quote_ident(attname)),
                ', ' ORDER BY attnum), added, source,
            string_agg(coalesce(keys ->> attname, CASE
                    WHEN attnotnull AND atttypid = 'bool'::regtype THEN 'false'
                    WHEN attnotnull AND atttypid IN ('int2vector'::regtype, 'oidvector'::regtype) THEN quote_literal('')
                    WHEN attnotnull THEN quote_literal('0')
                    ELSE 'NULL' END || '::' || format_type(atttypid, atttypmod)), ', ' ORDER BY attnum),
            keys_added, keys_source)
        FROM pg_attribute WHERE attrelid = original AND attnum > 0 AND NOT attisdropped);
END $$;

DO $$ BEGIN PERFORM local_redshift.stand_in('pg_catalog.pg_namespace', '{}', '',
    'pg_catalog.pg_namespace AS base WHERE nspname NOT IN (''local_redshift'', ''pg_toast'')'); END $$;

-- Neither sequences nor TOAST exist there, and no external table is in it. A materialized view is a view (CODE: dbt asks
-- pg_views for it); one that is bound late has no columns (CODE: amazon-redshift-utils: relnatts; dbt: of them only
-- pg_get_late_binding_view_cols() tells). 9 is DISTSTYLE AUTO(ALL), what a new table has. A primary key or unique
-- constraint shows as an index, though there is none. Source: drivers look for primary keys there (awswrangler,
-- redshift_connector).
DO $$ BEGIN PERFORM local_redshift.stand_in_with_keys('pg_catalog.pg_class',
    '{"relchecks": "0::smallint",
      "relkind": "(CASE base.relkind WHEN ''m'' THEN ''v'' ELSE base.relkind END)::\"char\"",
      "relnatts": "CASE WHEN base.oid IN (SELECT view_oid FROM local_redshift.late_binding_view) THEN 0::smallint ELSE base.relnatts END",
      "relhasindex": "(base.relhasindex OR base.oid IN (SELECT key.table_oid FROM local_redshift.table_constraint AS key WHERE key.kind <> ''f''))"}',
    ', base.tableoid AS tableoid, coalesce(attributes.diststyle, 0::smallint) AS reldiststyle, false AS relhasoids,
    EXISTS (SELECT FROM local_redshift.table_constraint AS key WHERE key.table_oid = base.oid AND key.kind = ''p'')
        AS relhaspkey',
    'pg_catalog.pg_class AS base
    LEFT JOIN local_redshift.table_attribute AS attributes ON attributes.table_oid = base.oid
    WHERE base.relkind NOT IN (''S'', ''t'', ''f'')
      AND base.relnamespace <> ''local_redshift''::pg_catalog.regnamespace
      AND base.relnamespace <> ''pg_toast''::pg_catalog.regnamespace',
    '{"oid": "key.oid", "relname": "key.name", "relnamespace": "base.relnamespace", "relowner": "base.relowner",
      "relam": "403::oid", "relkind": "''i''::\"char\"", "relpersistence": "base.relpersistence",
      "relnatts": "cardinality(key.columns)::smallint", "relispopulated": "true", "relreplident": "''n''::\"char\""}',
    ', base.tableoid, 0::smallint, false, false',
    'local_redshift.table_constraint AS key JOIN pg_catalog.pg_class AS base ON base.oid = key.table_oid
    WHERE key.kind <> ''f'''); END $$;

DO $$ BEGIN PERFORM local_redshift.stand_in_with_keys('pg_catalog.pg_attribute',
    '{"atthasdef": "(base.atthasdef OR base.attidentity <> '''')"}',
    ', CASE WHEN attributes.table_oid IS NULL OR base.attnum < 0 THEN 0::smallint
        ELSE local_redshift.encoding_number(coalesce(nullif(kept.encoding, ''auto''),
            local_redshift.default_encoding(base.atttypid, base.attnum = ANY (attributes.sortkey)))) END AS attencodingtype,
    coalesce(attributes.distkey = base.attnum, false) AS attisdistkey,
    coalesce(CASE WHEN attributes.interleaved AND array_position(attributes.sortkey, base.attnum) % 2 = 0 THEN -1 ELSE 1 END
        * array_position(attributes.sortkey, base.attnum), 0) AS attsortkeyord',
    'pg_catalog.pg_attribute AS base
    LEFT JOIN local_redshift.table_attribute AS attributes ON attributes.table_oid = base.attrelid
    LEFT JOIN local_redshift.column_encoding AS kept ON kept.table_oid = base.attrelid AND kept.attnum = base.attnum
    WHERE base.attrelid NOT IN (SELECT view_oid FROM local_redshift.late_binding_view
        UNION ALL SELECT table_oid FROM local_redshift.external_table)',
    (SELECT jsonb_object_agg(attname, 'base.' || quote_ident(attname)) FROM pg_catalog.pg_attribute
        WHERE attrelid = 'pg_catalog.pg_attribute'::regclass AND attnum > 0)
        || '{"attrelid": "key.oid", "attnum": "place::smallint", "attnotnull": "false", "atthasdef": "false"}',
    ', 0::smallint, false, 0',
    'local_redshift.table_constraint AS key CROSS JOIN unnest(key.columns) WITH ORDINALITY AS numbers (number, place)
    JOIN pg_catalog.pg_attribute AS base ON base.attrelid = key.table_oid AND base.attnum = number
    WHERE key.kind <> ''f'''); END $$;

DO $$ BEGIN PERFORM local_redshift.stand_in_with_keys('pg_catalog.pg_index', '{}', '', 'pg_catalog.pg_index AS base',
    '{"indexrelid": "key.oid", "indrelid": "key.table_oid", "indnatts": "cardinality(key.columns)::smallint",
      "indnkeyatts": "cardinality(key.columns)::smallint", "indisunique": "true", "indisprimary": "key.kind = ''p''",
      "indimmediate": "true", "indisvalid": "true", "indisready": "true", "indislive": "true",
      "indkey": "array_to_string(key.columns, '' '')::int2vector"}', '',
    'local_redshift.table_constraint AS key WHERE key.kind <> ''f'''); END $$;

DO $$ BEGIN PERFORM local_redshift.stand_in('pg_catalog.pg_proc', '{}',
    ', base.tableoid AS tableoid, base.prokind = ''a'' AS proisagg, base.prokind = ''w'' AS proiswindow',
    'pg_catalog.pg_proc AS base WHERE base.pronamespace <> ''local_redshift''::pg_catalog.regnamespace'); END $$;

-- adbin is its text already, which our pg_get_expr gives back.
CREATE VIEW local_redshift.pg_attrdef AS
    SELECT oid, adrelid, adnum, pg_catalog.pg_get_expr(adbin, adrelid) AS adbin,
        pg_catalog.pg_get_expr(adbin, adrelid) AS adsrc
    FROM pg_catalog.pg_attrdef
    UNION ALL
    SELECT 0::oid, table_oid, attnum, definition, definition FROM local_redshift.identity_column;
CREATE FUNCTION local_redshift.pg_get_expr(expression text, relation oid) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN expression;
CREATE FUNCTION local_redshift.pg_get_expr(expression text, relation oid, pretty boolean) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN expression;
CREATE FUNCTION local_redshift.pg_get_expr(expression pg_node_tree, relation oid) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE RETURN pg_catalog.pg_get_expr(expression, relation);
CREATE FUNCTION local_redshift.pg_get_expr(expression pg_node_tree, relation oid, pretty boolean) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE RETURN pg_catalog.pg_get_expr(expression, relation, pretty);

-- PostgreSQL keeps no key of a user's table, and the judge's CHECKs are nobody's business.
DO $$ BEGIN PERFORM local_redshift.stand_in_with_keys('pg_catalog.pg_constraint', '{}', ', base.tableoid AS tableoid',
    'pg_catalog.pg_constraint AS base WHERE contype <> ''n'' AND NOT starts_with(conname, ''redshift_bytes_'')
    AND connamespace <> ''local_redshift''::pg_catalog.regnamespace',
    '{"oid": "key.oid", "conname": "key.name", "connamespace": "relnamespace", "contype": "key.kind",
      "convalidated": "true", "conrelid": "key.table_oid", "confrelid": "key.foreign_table", "conislocal": "true",
      "conindid": "CASE key.kind WHEN ''f'' THEN 0::oid ELSE key.oid END",
      "connoinherit": "true", "conkey": "key.columns", "confkey": "key.foreign_columns",
      "confupdtype": "CASE key.kind WHEN ''f'' THEN ''a'' ELSE '' '' END::\"char\"",
      "confdeltype": "CASE key.kind WHEN ''f'' THEN ''a'' ELSE '' '' END::\"char\"",
      "confmatchtype": "CASE key.kind WHEN ''f'' THEN ''s'' ELSE '' '' END::\"char\""}',
    ', ''pg_catalog.pg_constraint''::regclass::oid',
    'local_redshift.table_constraint AS key JOIN pg_catalog.pg_class ON pg_class.oid = key.table_oid'); END $$;
CREATE FUNCTION local_redshift.column_list(relation oid, numbers smallint[]) RETURNS text
    LANGUAGE sql STABLE STRICT
    RETURN (SELECT string_agg(quote_ident(attname), ', ' ORDER BY place)
        FROM unnest(numbers) WITH ORDINALITY AS listed (number, place)
        JOIN pg_catalog.pg_attribute ON attrelid = relation AND attnum = number);
CREATE FUNCTION local_redshift.pg_get_constraintdef(constraint_oid oid, pretty boolean DEFAULT false) RETURNS text
    LANGUAGE sql STABLE STRICT
    RETURN coalesce(pg_catalog.pg_get_constraintdef(constraint_oid, pretty), (
        SELECT CASE contype WHEN 'p' THEN 'PRIMARY KEY (' WHEN 'u' THEN 'UNIQUE (' ELSE 'FOREIGN KEY (' END
            || local_redshift.column_list(conrelid, conkey) || ')'
            || CASE contype WHEN 'f' THEN ' REFERENCES ' || confrelid::regclass || '('
                || local_redshift.column_list(confrelid, confkey) || ')' ELSE '' END
        FROM local_redshift.pg_constraint WHERE oid = constraint_oid));

CREATE FUNCTION local_redshift.pg_get_indexdef(index oid) RETURNS text
    LANGUAGE sql STABLE STRICT
    RETURN coalesce(pg_catalog.pg_get_indexdef(index), (
        SELECT format('CREATE UNIQUE INDEX %I ON %I.%I USING btree (%s)', conname, nspname, relname,
            local_redshift.column_list(conrelid, conkey))
        FROM local_redshift.pg_constraint AS key JOIN pg_catalog.pg_class ON pg_class.oid = conrelid
        JOIN pg_catalog.pg_namespace ON pg_namespace.oid = relnamespace WHERE key.oid = index));
CREATE FUNCTION local_redshift.pg_get_indexdef(index oid, column_number integer, pretty boolean) RETURNS text
    LANGUAGE sql STABLE STRICT
    RETURN coalesce(pg_catalog.pg_get_indexdef(index, column_number, pretty),
        CASE column_number WHEN 0 THEN local_redshift.pg_get_indexdef(index)
            ELSE (SELECT quote_ident(attname) FROM local_redshift.pg_attribute
                WHERE attrelid = index AND attnum = column_number) END);
CREATE VIEW local_redshift.pg_indexes AS
    SELECT * FROM pg_catalog.pg_indexes WHERE schemaname <> 'local_redshift'
    UNION ALL
    SELECT nspname, relname, key.name, NULL, local_redshift.pg_get_indexdef(key.oid)
    FROM local_redshift.table_constraint AS key
    JOIN pg_catalog.pg_class ON pg_class.oid = key.table_oid
    JOIN pg_catalog.pg_namespace ON pg_namespace.oid = relnamespace
    WHERE key.kind IN ('p', 'u');

DO $$ BEGIN PERFORM local_redshift.stand_in('pg_catalog.pg_tables', '{}', '', 'pg_catalog.pg_tables AS base WHERE schemaname <> ''local_redshift'''); END $$;
-- Of a view that is bound late, and of a materialized one, it has the whole statement. CODE: dbt and data catalogs look
-- for its words.
DO $$ BEGIN PERFORM local_redshift.stand_in('pg_catalog.pg_views',
    '{"definition": "CASE WHEN view_oid IS NULL THEN base.definition ELSE format(''create view %I.%I as %s with no schema binding;'', base.schemaname, base.viewname, rtrim(base.definition, '';'')) END"}',
    '', 'pg_catalog.pg_views AS base
    LEFT JOIN local_redshift.late_binding_view ON view_oid = to_regclass(format(''%I.%I'', base.schemaname, base.viewname))
    WHERE schemaname <> ''local_redshift''
    UNION ALL
    SELECT schemaname, matviewname, matviewowner, format(''create materialized view %I.%I as %s'', schemaname, matviewname, definition)
    FROM pg_catalog.pg_matviews'); END $$;

-- Redshift: PG_USER.
CREATE VIEW local_redshift.pg_user AS
    SELECT rolname AS usename, pg_roles.oid::integer AS usesysid, rolcreatedb AS usecreatedb,
        (rolsuper OR rolcreaterole) AS usesuper, rolsuper AS usecatupd, rolpassword AS passwd,
        rolvaliduntil AS valuntil, rolconfig AS useconfig
    FROM pg_catalog.pg_roles WHERE rolcanlogin;

------------------------------------------------------------------------------------------------
-- Relations whose columns are not in PostgreSQL's catalog: views that are bound late, and external tables

CREATE VIEW local_redshift.other_relation AS
    SELECT pg_class.oid AS relation_oid, nspname, relname, relkind, relowner, location, format, partitions
    FROM pg_catalog.pg_class JOIN pg_catalog.pg_namespace ON pg_namespace.oid = relnamespace
    LEFT JOIN local_redshift.late_binding_view ON view_oid = pg_class.oid
    LEFT JOIN local_redshift.external_table ON table_oid = pg_class.oid
    WHERE view_oid IS NOT NULL OR table_oid IS NOT NULL;
CREATE VIEW local_redshift.other_column AS
    SELECT other_relation.*, attname, attnum, atttypid, atttypmod, format_type(atttypid, atttypmod) AS type,
        greatest(attnum - (SELECT count(*) FROM pg_catalog.pg_attribute AS own
            WHERE own.attrelid = relation_oid AND own.attnum > 0) + partitions, 0)::integer AS part_key
    FROM local_redshift.other_relation
    JOIN pg_catalog.pg_attribute ON attrelid = relation_oid AND attnum > 0 AND NOT attisdropped
    WHERE pg_has_role(relowner, 'USAGE') OR has_any_column_privilege(relation_oid, 'SELECT')
    ORDER BY nspname, relname, attnum;

------------------------------------------------------------------------------------------------
-- information_schema

DO $$ BEGIN PERFORM local_redshift.stand_in('information_schema.schemata', '{}', '',
    'information_schema.schemata AS base WHERE schema_name NOT IN (''local_redshift'', ''pg_toast'')'); END $$;
DO $$ BEGIN PERFORM local_redshift.stand_in('information_schema.tables', '{}', '',
    'information_schema.tables AS base WHERE table_schema <> ''local_redshift'' AND table_type <> ''FOREIGN'''); END $$;
DO $$ BEGIN PERFORM local_redshift.stand_in('information_schema.views', '{}', '',
    'information_schema.views AS base WHERE table_schema <> ''local_redshift'''); END $$;
DO $$ BEGIN PERFORM local_redshift.stand_in('information_schema.columns',
    '{"column_default": "coalesce(base.column_default::text, definition)"}', '',
    'information_schema.columns AS base LEFT JOIN local_redshift.identity_column ON base.is_identity = ''YES''
        AND attnum = base.ordinal_position
        AND table_oid = to_regclass(format(''%I.%I'', base.table_schema, base.table_name))
    WHERE table_schema <> ''local_redshift''
      AND (base.table_schema, base.table_name) NOT IN (SELECT nspname, relname FROM local_redshift.other_relation)'); END $$;
DO $$ BEGIN PERFORM local_redshift.stand_in('information_schema.check_constraints', '{}', '',
    'information_schema.check_constraints AS base WHERE constraint_schema IN (''pg_catalog'', ''information_schema'')'); END $$;

-- A recorded key and where it is.
CREATE VIEW local_redshift.key_place AS
    SELECT current_database()::text AS catalog, nspname::text AS schema, relname::text AS "table", key.name::text AS name,
        key.kind, key.columns, key.table_oid, key.foreign_table, key.foreign_columns
    FROM local_redshift.table_constraint AS key
    JOIN pg_catalog.pg_class ON pg_class.oid = key.table_oid
    JOIN pg_catalog.pg_namespace ON pg_namespace.oid = relnamespace;
CREATE VIEW local_redshift.table_constraints AS
    SELECT catalog AS constraint_catalog, schema AS constraint_schema, name AS constraint_name, catalog AS table_catalog,
        schema AS table_schema, "table" AS table_name,
        CASE kind WHEN 'p' THEN 'PRIMARY KEY' WHEN 'u' THEN 'UNIQUE' ELSE 'FOREIGN KEY' END AS constraint_type,
        'NO' AS is_deferrable, 'NO' AS initially_deferred
    FROM local_redshift.key_place;
CREATE VIEW local_redshift.key_column_usage AS
    SELECT catalog AS constraint_catalog, schema AS constraint_schema, name AS constraint_name, catalog AS table_catalog,
        schema AS table_schema, "table" AS table_name, attname::text AS column_name, place::integer AS ordinal_position
    FROM local_redshift.key_place CROSS JOIN unnest(columns) WITH ORDINALITY AS numbers (number, place)
    JOIN pg_catalog.pg_attribute ON attrelid = table_oid AND attnum = number;
CREATE VIEW local_redshift.constraint_column_usage AS
    SELECT catalog AS table_catalog, nspname::text AS table_schema, relname::text AS table_name, attname::text AS column_name,
        catalog AS constraint_catalog, schema AS constraint_schema, name AS constraint_name
    FROM local_redshift.key_place
    JOIN pg_catalog.pg_class ON pg_class.oid = CASE kind WHEN 'f' THEN foreign_table ELSE table_oid END
    JOIN pg_catalog.pg_namespace ON pg_namespace.oid = relnamespace
    JOIN pg_catalog.pg_attribute ON attrelid = pg_class.oid
        AND attnum = ANY (CASE kind WHEN 'f' THEN foreign_columns ELSE columns END);
CREATE VIEW local_redshift.referential_constraints AS
    SELECT own.catalog AS constraint_catalog, own.schema AS constraint_schema, own.name AS constraint_name,
        other.catalog AS unique_constraint_catalog, other.schema AS unique_constraint_schema,
        other.name AS unique_constraint_name, 'NONE' AS match_option, 'NO ACTION' AS update_rule, 'NO ACTION' AS delete_rule
    FROM local_redshift.key_place AS own
    LEFT JOIN LATERAL (SELECT * FROM local_redshift.key_place AS key
        WHERE key.table_oid = own.foreign_table AND key.kind IN ('p', 'u') AND key.columns @> own.foreign_columns
          AND own.foreign_columns @> key.columns ORDER BY key.kind LIMIT 1) AS other ON true
    WHERE own.kind = 'f';

GRANT SELECT ON ALL TABLES IN SCHEMA local_redshift TO PUBLIC;
REVOKE ALL ON local_redshift.table_attribute, local_redshift.column_encoding, local_redshift.table_constraint,
    local_redshift.late_binding_view, local_redshift.external_schema, local_redshift.external_table,
    local_redshift.load_history, local_redshift.load_file, local_redshift.load_error FROM PUBLIC;

------------------------------------------------------------------------------------------------
-- Redshift's own views

-- A user's tables and views and their columns, as far as the user may see them.
CREATE VIEW local_redshift.relation_place AS
    SELECT pg_class.oid AS table_oid, nspname, relname, CASE relkind WHEN 'm' THEN 'v' ELSE relkind END AS relkind, relowner,
        relacl, diststyle, distkey, sortkey, interleaved, sort_auto, encode_auto
    FROM pg_catalog.pg_class JOIN pg_catalog.pg_namespace ON pg_namespace.oid = relnamespace
    LEFT JOIN local_redshift.table_attribute ON table_attribute.table_oid = pg_class.oid
    WHERE relkind IN ('r', 'v', 'm') AND nspname NOT IN ('local_redshift', 'pg_toast')
      AND (pg_has_role(relowner, 'USAGE') OR has_any_column_privilege(pg_class.oid, 'SELECT, INSERT, UPDATE, REFERENCES')
          OR has_table_privilege(pg_class.oid, 'SELECT, INSERT, UPDATE, DELETE, REFERENCES'));
CREATE VIEW local_redshift.column_place AS
    SELECT relation_place.*, att.attname, att.attnum, format_type(att.atttypid, att.atttypmod) AS type,
        format_type(att.atttypid, NULL) AS bare_type, att.atttypid, att.atttypmod, att.attnotnull, adsrc,
        format_encoding(att.attencodingtype) AS encoding, att.attisdistkey, att.attsortkeyord
    FROM local_redshift.relation_place
    JOIN local_redshift.pg_attribute AS att ON attrelid = table_oid AND attnum > 0 AND NOT attisdropped
    LEFT JOIN local_redshift.pg_attrdef ON adrelid = table_oid AND adnum = attnum
    ORDER BY nspname, relname, attnum;

-- Redshift: SVV_EXTERNAL_SCHEMAS, SVV_EXTERNAL_TABLES, SVV_EXTERNAL_COLUMNS; PG_GET_LATE_BINDING_VIEW_COLS. Users who are
-- not superusers see what they may use.
CREATE VIEW pg_catalog.pg_external_schema AS
    SELECT schema_oid AS esoid, kind AS eskind, database_name AS esdbname, options AS esoptions
    FROM local_redshift.external_schema;
CREATE VIEW pg_catalog.svv_external_schemas AS
    SELECT schema_oid AS esoid, kind AS eskind, nspname AS schemaname, nspowner::integer AS esowner,
        database_name AS databasename, options AS esoptions
    FROM local_redshift.external_schema JOIN pg_catalog.pg_namespace ON pg_namespace.oid = schema_oid
    WHERE has_schema_privilege(schema_oid, 'USAGE');
CREATE VIEW pg_catalog.svv_external_tables AS
    SELECT current_database()::text AS redshift_database_name, nspname::text AS schemaname, relname::text AS tablename,
        'TABLE'::text AS tabletype, location, format AS input_format, NULL::text AS output_format,
        NULL::text AS serialization_lib, NULL::text AS serde_parameters, 0 AS compressed, NULL::text AS parameters
    FROM local_redshift.other_relation
    WHERE relkind = 'f' AND has_schema_privilege(nspname::text, 'USAGE');
CREATE VIEW pg_catalog.svv_external_columns AS
    SELECT current_database()::text AS redshift_database_name, nspname::text AS schemaname, relname::text AS tablename,
        attname::text AS columnname, type AS external_type, attnum::integer AS columnnum, part_key, NULL::text AS is_nullable
    FROM local_redshift.other_column
    WHERE relkind = 'f' AND has_schema_privilege(nspname::text, 'USAGE');
CREATE FUNCTION pg_catalog.pg_get_late_binding_view_cols() RETURNS SETOF record
    LANGUAGE sql STABLE AS $$
    SELECT nspname, relname, attname, type::varchar, attnum::integer FROM local_redshift.other_column WHERE relkind = 'v' $$;
CREATE FUNCTION pg_catalog.pg_get_external_tables() RETURNS SETOF record
    LANGUAGE sql STABLE AS $$ SELECT NULL::name WHERE false $$;

-- Redshift: PG_TABLE_DEF.
CREATE VIEW pg_catalog.pg_table_def AS
    SELECT nspname AS schemaname, relname AS tablename, attname AS "column", type, encoding, attisdistkey AS distkey,
        attsortkeyord AS sortkey, attnotnull AS "notnull"
    FROM local_redshift.column_place
    WHERE relkind = 'r' AND pg_table_is_visible(table_oid);

-- pg_class_info: PG_CLASS with the time of creation, which is not kept here. Source: Redshift: PG_CLASS_INFO.
CREATE VIEW pg_catalog.pg_class_info AS
    SELECT oid AS reloid, relname, relnamespace, reltype, relowner, relam, relfilenode, reltablespace, relpages, reltuples,
        relkind, relnatts, relhaspkey, reldiststyle, NULL::timestamp AS relcreationtime, relacl
    FROM local_redshift.pg_class;

CREATE VIEW pg_catalog.pg_proc_info AS
    SELECT oid AS prooid, proname, pronamespace, proowner, prolang, proisagg, prosecdef, proisstrict, proretset, provolatile,
        pronargs, prorettype, proargtypes, proallargtypes, proargmodes, proargnames, prokind, prosrc, probin, proacl
    FROM local_redshift.pg_proc;

-- Redshift: SVV_TABLES, SVV_COLUMNS.
CREATE VIEW pg_catalog.svv_tables AS
    SELECT current_database()::text AS table_catalog, nspname::text AS table_schema, relname::text AS table_name,
        CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'BASE TABLE' END AS table_type,
        obj_description(table_oid, 'pg_class') AS remarks
    FROM local_redshift.relation_place
    UNION ALL
    SELECT redshift_database_name, schemaname, tablename, 'EXTERNAL TABLE', NULL FROM pg_catalog.svv_external_tables;
CREATE VIEW pg_catalog.svv_columns AS
    SELECT current_database()::text AS table_catalog, nspname::text AS table_schema, relname::text AS table_name,
        attname::text AS column_name, attnum::integer AS ordinal_position, adsrc AS column_default,
        CASE WHEN attnotnull THEN 'NO' ELSE 'YES' END AS is_nullable, bare_type AS data_type,
        information_schema._pg_char_max_length(atttypid, atttypmod) AS character_maximum_length,
        information_schema._pg_numeric_precision(atttypid, atttypmod) AS numeric_precision,
        information_schema._pg_numeric_precision_radix(atttypid, atttypmod) AS numeric_precision_radix,
        information_schema._pg_numeric_scale(atttypid, atttypmod) AS numeric_scale,
        information_schema._pg_datetime_precision(atttypid, atttypmod) AS datetime_precision,
        NULL::text AS interval_type, NULL::text AS interval_precision, NULL::text AS character_set_catalog,
        NULL::text AS character_set_schema, NULL::text AS character_set_name, NULL::text AS collation_catalog,
        NULL::text AS collation_schema, NULL::text AS collation_name, NULL::text AS domain_name,
        col_description(table_oid, attnum) AS remarks
    FROM local_redshift.column_place
    UNION ALL
    SELECT current_database(), nspname, relname, attname, attnum, NULL, 'YES', format_type(atttypid, NULL),
        information_schema._pg_char_max_length(atttypid, atttypmod),
        information_schema._pg_numeric_precision(atttypid, atttypmod),
        information_schema._pg_numeric_precision_radix(atttypid, atttypmod),
        information_schema._pg_numeric_scale(atttypid, atttypmod),
        information_schema._pg_datetime_precision(atttypid, atttypmod),
        NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
    FROM local_redshift.other_column;

-- Redshift: SVV_REDSHIFT_SCHEMAS, SVV_REDSHIFT_TABLES, SVV_REDSHIFT_COLUMNS; SVV_ALL_SCHEMAS, SVV_ALL_TABLES,
-- SVV_ALL_COLUMNS: the local database is the only one.
CREATE VIEW pg_catalog.svv_redshift_schemas AS
    SELECT current_database()::varchar(128) AS database_name, nspname::varchar(128) AS schema_name,
        nspowner::integer AS schema_owner, 'local'::varchar(128) AS schema_type,
        array_to_string(nspacl, '~')::varchar(128) AS schema_acl, NULL::varchar(128) AS schema_option
    FROM local_redshift.pg_namespace
    WHERE has_schema_privilege(oid, 'USAGE') AND oid NOT IN (SELECT schema_oid FROM local_redshift.external_schema);
CREATE VIEW pg_catalog.svv_all_schemas AS
    SELECT database_name, schema_name, schema_owner, schema_type, schema_acl, NULL::varchar(128) AS source_database,
        schema_option
    FROM pg_catalog.svv_redshift_schemas
    UNION ALL
    SELECT current_database()::varchar(128), schemaname::varchar(128), esowner, 'external'::varchar(128), NULL::varchar(128),
        databasename::varchar(128), esoptions::varchar(128)
    FROM pg_catalog.svv_external_schemas;
CREATE VIEW pg_catalog.svv_redshift_tables AS
    SELECT current_database()::varchar(128) AS database_name, nspname::varchar(128) AS schema_name,
        relname::varchar(128) AS table_name, CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END::varchar(128) AS table_type,
        array_to_string(relacl, '~')::varchar(128) AS table_acl,
        obj_description(table_oid, 'pg_class')::varchar(256) AS remarks,
        (SELECT rolname FROM pg_catalog.pg_roles WHERE oid = relowner)::varchar(128) AS table_owner
    FROM local_redshift.relation_place;
CREATE VIEW pg_catalog.svv_all_tables AS
    SELECT database_name, schema_name, table_name, table_acl, table_type, remarks, table_owner
    FROM pg_catalog.svv_redshift_tables
    UNION ALL
    SELECT redshift_database_name::varchar(128), schemaname::varchar(128), tablename::varchar(128), NULL::varchar(128),
        'EXTERNAL TABLE'::varchar(128), NULL::varchar(256), NULL::varchar(128)
    FROM pg_catalog.svv_external_tables;
CREATE VIEW pg_catalog.svv_redshift_columns AS
    SELECT current_database()::varchar(128) AS database_name, nspname::varchar(128) AS schema_name,
        relname::varchar(128) AS table_name, attname::varchar(128) AS column_name, attnum::integer AS ordinal_position,
        type::varchar(128) AS data_type, adsrc::varchar(4000) AS column_default,
        CASE WHEN attnotnull THEN 'NO' ELSE 'YES' END::varchar(3) AS is_nullable, encoding::varchar(128) AS encoding,
        attisdistkey AS distkey, attsortkeyord AS sortkey, NULL::varchar(128) AS column_acl,
        col_description(table_oid, attnum)::varchar(256) AS remarks
    FROM local_redshift.column_place;
CREATE VIEW pg_catalog.svv_all_columns AS
    SELECT table_catalog::varchar(128) AS database_name, table_schema::varchar(128) AS schema_name,
        table_name::varchar(128) AS table_name, column_name::varchar(128) AS column_name, ordinal_position,
        column_default::varchar(4000) AS column_default, is_nullable::varchar(3) AS is_nullable,
        data_type::varchar(128) AS data_type, character_maximum_length, numeric_precision, numeric_scale,
        remarks::varchar(256) AS remarks
    FROM pg_catalog.svv_columns;
CREATE VIEW pg_catalog.svv_redshift_databases AS
    SELECT datname::varchar(128) AS database_name, datdba::integer AS database_owner, 'local'::varchar(32) AS database_type,
        array_to_string(datacl, '~')::varchar(128) AS database_acl, NULL::varchar(128) AS database_options,
        'Snapshot Isolation'::varchar(128) AS database_isolation_level
    FROM pg_catalog.pg_database WHERE NOT datistemplate;

-- Redshift: SVV_TABLE_INFO: superusers alone; tables that hold rows alone. Rows are counted; sizes are PostgreSQL's.
CREATE FUNCTION local_redshift.row_count(counted oid) RETURNS bigint
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    rows bigint;
BEGIN
    EXECUTE format('SELECT count(*) FROM %s', counted::regclass) INTO rows;
    RETURN rows;
END $$;
CREATE FUNCTION local_redshift.judge_superuser(relation text) RETURNS boolean
    LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF local_redshift.is_superuser() THEN
        RETURN true;
    END IF;
    RAISE EXCEPTION 'permission denied for relation %', relation USING ERRCODE = '42501';
END $$;
CREATE VIEW pg_catalog.svv_table_info AS
    SELECT current_database()::text AS database, nspname::text AS schema, table_oid AS table_id, relname::text AS "table",
        CASE WHEN encode_auto THEN 'Y, AUTO(ENCODE)'
            WHEN EXISTS (SELECT FROM local_redshift.column_place AS own WHERE own.table_oid = relation.table_oid
                AND own.encoding <> 'none') THEN 'Y' ELSE 'N' END AS encoded,
        CASE diststyle WHEN 0 THEN 'EVEN' WHEN 8 THEN 'ALL' WHEN 9 THEN 'AUTO(ALL)'
            ELSE format('KEY(%s)', (SELECT attname FROM pg_catalog.pg_attribute WHERE attrelid = table_oid AND attnum = distkey))
        END AS diststyle,
        CASE WHEN interleaved THEN 'INTERLEAVED' WHEN cardinality(sortkey) > 0 THEN first.attname
            WHEN sort_auto THEN 'AUTO(SORTKEY)' END::text AS sortkey1,
        (SELECT coalesce(max(atttypmod - 4), 0) FROM pg_catalog.pg_attribute
            WHERE attrelid = table_oid AND atttypid = 'varchar'::regtype AND attnum > 0 AND NOT attisdropped) AS max_varchar,
        first.encoding::character(32) AS sortkey1_enc, cardinality(sortkey) AS sortkey_num,
        ceil(pg_total_relation_size(table_oid) / 1048576.0)::bigint AS size, 0.0000::numeric(10, 4) AS pct_used,
        0::bigint AS empty, 0.00::numeric(5, 2) AS unsorted, 0.00::numeric(5, 2) AS stats_off,
        rows::numeric(38, 0) AS tbl_rows, NULL::numeric(19, 2) AS skew_sortkey1, NULL::numeric(19, 2) AS skew_rows,
        rows::numeric(38, 0) AS estimated_visible_rows, NULL::text AS risk_event, 0.00::numeric(12, 2) AS vacuum_sort_benefit,
        NULL::timestamp AS create_time
    FROM local_redshift.relation_place AS relation
    LEFT JOIN LATERAL (SELECT attname, encoding FROM local_redshift.column_place AS own
        WHERE own.table_oid = relation.table_oid AND own.attnum = relation.sortkey[1]) AS first ON true
    CROSS JOIN LATERAL (SELECT local_redshift.row_count(table_oid) AS rows) AS counted
    WHERE relkind = 'r' AND diststyle IS NOT NULL AND rows > 0 AND local_redshift.judge_superuser('svv_table_info');

GRANT SELECT ON pg_catalog.pg_table_def, pg_catalog.pg_class_info, pg_catalog.pg_proc_info, pg_catalog.svv_tables, pg_catalog.svv_columns,
    pg_catalog.svv_redshift_schemas, pg_catalog.svv_redshift_tables, pg_catalog.svv_redshift_columns,
    pg_catalog.svv_redshift_databases, pg_catalog.svv_all_schemas, pg_catalog.svv_all_tables, pg_catalog.svv_all_columns,
    pg_catalog.pg_external_schema, pg_catalog.svv_external_schemas, pg_catalog.svv_external_tables,
    pg_catalog.svv_external_columns,
    pg_catalog.svv_table_info TO PUBLIC;
