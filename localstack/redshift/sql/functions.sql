-- Functions that Redshift has and PostgreSQL has not, or has otherwise; those of VARBYTE and SUPER are in
-- values.sql.

SET allow_system_table_mods = on;
SET standard_conforming_strings = on;

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
