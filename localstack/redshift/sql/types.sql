-- Types whose OIDs drivers know by heart: SUPER is 4000, VARBYTE is 6551.
--
-- Run once in a database, in one transaction, before the other files.
--
-- CREATE TYPE takes whatever OID is free. A shell type is a row and nothing else yet, so a superuser
-- who may change system tables gives it the OID while nothing refers to it; an array type is given
-- its own as soon as it is made. (pg_upgrade's way of choosing OIDs exists in servers started for it
-- alone.) OIDs below 12000 count as the system's own: the types cannot be dropped.
--
-- SUPER is stored as JSON text: the wire shows it as text in both formats, as the real server
-- does, and numbers and the order of keys stay as written. VARBYTE(n) is stored as bytea is;
-- its type modifier is n itself.

SET allow_system_table_mods = on;
-- The functions come before the types they are for, which is worth a notice each.
SET client_min_messages = warning;

CREATE TYPE pg_catalog.super;
CREATE TYPE pg_catalog.varbyte;

-- Who owns the types refers to them already (pg_shdepend), unless it is the user who made the server.
UPDATE pg_catalog.pg_shdepend AS shared
    SET objid = CASE typname WHEN 'super' THEN 4000 ELSE 6551 END
    FROM pg_catalog.pg_type
    WHERE shared.classid = 'pg_catalog.pg_type'::regclass AND shared.objid = pg_type.oid
      AND shared.dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
      AND pg_type.typnamespace = 'pg_catalog'::regnamespace AND typname IN ('super', 'varbyte');
UPDATE pg_catalog.pg_type
    SET oid = CASE typname WHEN 'super' THEN 4000 ELSE 6551 END
    WHERE typnamespace = 'pg_catalog'::regnamespace AND typname IN ('super', 'varbyte');

-- Its body is replaced in values.sql, which is why it takes all that an input function is given.
CREATE FUNCTION pg_catalog.super_in(cstring, oid, integer) RETURNS super LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'json_in';
CREATE FUNCTION pg_catalog.super_out(super) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'json_out';
CREATE FUNCTION pg_catalog.super_recv(internal) RETURNS super LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'json_recv';
CREATE FUNCTION pg_catalog.super_send(super) RETURNS bytea LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'json_send';
CREATE TYPE pg_catalog.super (INPUT = super_in, OUTPUT = super_out, RECEIVE = super_recv, SEND = super_send,
    INTERNALLENGTH = VARIABLE, ALIGNMENT = int4, STORAGE = extended, CATEGORY = 'U');

CREATE FUNCTION pg_catalog.varbyte_in(cstring) RETURNS varbyte LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'byteain';
CREATE FUNCTION pg_catalog.varbyte_out(varbyte) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'byteaout';
CREATE FUNCTION pg_catalog.varbyte_recv(internal) RETURNS varbyte LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'bytearecv';
CREATE FUNCTION pg_catalog.varbyte_send(varbyte) RETURNS bytea LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'byteasend';
CREATE FUNCTION pg_catalog.varbyte_typmod_in(cstring[]) RETURNS integer LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'bittypmodin';
CREATE FUNCTION pg_catalog.varbyte_typmod_out(integer) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'bittypmodout';
CREATE TYPE pg_catalog.varbyte (INPUT = varbyte_in, OUTPUT = varbyte_out, RECEIVE = varbyte_recv, SEND = varbyte_send,
    TYPMOD_IN = varbyte_typmod_in, TYPMOD_OUT = varbyte_typmod_out,
    INTERNALLENGTH = VARIABLE, ALIGNMENT = int4, STORAGE = extended, CATEGORY = 'U');

UPDATE pg_catalog.pg_depend AS reference
    SET objid = CASE typname WHEN '_super' THEN 4001 ELSE 6550 END
    FROM pg_catalog.pg_type
    WHERE reference.classid = 'pg_catalog.pg_type'::regclass AND reference.objid = pg_type.oid
      AND pg_type.typnamespace = 'pg_catalog'::regnamespace AND typname IN ('_super', '_varbyte');
UPDATE pg_catalog.pg_type
    SET oid = CASE typname WHEN '_super' THEN 4001 ELSE 6550 END
    WHERE typnamespace = 'pg_catalog'::regnamespace AND typname IN ('_super', '_varbyte');
UPDATE pg_catalog.pg_type
    SET typarray = CASE typname WHEN 'super' THEN 4001 ELSE 6550 END
    WHERE oid IN (4000, 6551);

RESET client_min_messages;
RESET allow_system_table_mods;
