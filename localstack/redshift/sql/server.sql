-- The server's face: what it calls itself, its clock, what everybody may do.
--
-- With the files beside it this makes a PostgreSQL (15 or newer) judge as Amazon Redshift does. The order in
-- which they are run is that of `SQL` in src/lib.rs; each is run once, by a superuser, in a database that the
-- others are made from. What SQL cannot judge (the wire, syntax, COPY) is the proxy's. Sources are named as
-- "Redshift: <chapter of the Database Developer Guide>".

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

CREATE OR REPLACE FUNCTION pg_catalog.version() RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN 'PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC gcc (GCC) 3.4.2 20041017 (Red Hat 3.4.2-6.fc3), Redshift 1.0.0';
