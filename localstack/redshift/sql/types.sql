-- Types whose OIDs drivers know by heart: SUPER is 4000, VARBYTE is 6551.
--
-- PostgreSQL lets an OID be chosen in binary-upgrade mode alone, and that mode exists in the
-- single-user server. Run once, before the server is first started, as the owner of the data
-- directory:
--
--     postgres --single -b -O -j -D DATA template1 < types.sql
--
-- (-b: binary-upgrade mode; -O: system catalogs may be changed; -j: a statement ends at a
-- semicolon followed by an empty line, so no empty line may stand inside one.) The single-user
-- server exits with 0 whatever happened; redshift.sql checks that the types are there.
--
-- SUPER is stored as JSON text: the wire shows it as text in both formats, as the real server
-- does, and numbers and the order of keys stay as written. VARBYTE(n) is stored as bytea is;
-- its type modifier is n itself.

SELECT binary_upgrade_set_next_pg_type_oid(4000);

CREATE TYPE pg_catalog.super;

CREATE FUNCTION pg_catalog.super_in(cstring) RETURNS super LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'json_in';

CREATE FUNCTION pg_catalog.super_out(super) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'json_out';

CREATE FUNCTION pg_catalog.super_recv(internal) RETURNS super LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'json_recv';

CREATE FUNCTION pg_catalog.super_send(super) RETURNS bytea LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'json_send';

SELECT binary_upgrade_set_next_array_pg_type_oid(4001);

CREATE TYPE pg_catalog.super (INPUT = super_in, OUTPUT = super_out, RECEIVE = super_recv, SEND = super_send, INTERNALLENGTH = VARIABLE, ALIGNMENT = int4, STORAGE = extended, CATEGORY = 'U');

SELECT binary_upgrade_set_next_pg_type_oid(6551);

CREATE TYPE pg_catalog.varbyte;

CREATE FUNCTION pg_catalog.varbyte_in(cstring) RETURNS varbyte LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'byteain';

CREATE FUNCTION pg_catalog.varbyte_out(varbyte) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'byteaout';

CREATE FUNCTION pg_catalog.varbyte_recv(internal) RETURNS varbyte LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'bytearecv';

CREATE FUNCTION pg_catalog.varbyte_send(varbyte) RETURNS bytea LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'byteasend';

CREATE FUNCTION pg_catalog.varbyte_typmod_in(cstring[]) RETURNS integer LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'bittypmodin';

CREATE FUNCTION pg_catalog.varbyte_typmod_out(integer) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'bittypmodout';

SELECT binary_upgrade_set_next_array_pg_type_oid(6550);

CREATE TYPE pg_catalog.varbyte (INPUT = varbyte_in, OUTPUT = varbyte_out, RECEIVE = varbyte_recv, SEND = varbyte_send, TYPMOD_IN = varbyte_typmod_in, TYPMOD_OUT = varbyte_typmod_out, INTERNALLENGTH = VARIABLE, ALIGNMENT = int4, STORAGE = extended, CATEGORY = 'U');

