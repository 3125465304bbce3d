-- Functions that Redshift has and PostgreSQL has not, or has otherwise; those of VARBYTE and SUPER are in
-- values.sql.
--
-- One that PostgreSQL does not have goes into pg_catalog. One that it has otherwise goes into local_redshift
-- under the name by which Redshift labels its column; the proxy sends calls there (src/calls.rs).

SET allow_system_table_mods = on;
SET standard_conforming_strings = on;
SET check_function_bodies = on;

------------------------------------------------------------------------------------------------
-- The clock.

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
-- Dates. Redshift: Date parts for date or timestamp functions.

-- A date part by its full name, whatever abbreviation it was given by.
CREATE FUNCTION local_redshift.part_name(part text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    name text;
BEGIN
    SELECT parts[1] INTO name FROM (VALUES
        ('{millennium,millennia,mil,mils}'::text[]),
        ('{century,centuries,c,cent,cents}'),
        ('{decade,decades,dec,decs}'),
        ('{epoch}'),
        ('{year,years,y,yr,yrs}'),
        ('{quarter,quarters,qtr,qtrs}'),
        ('{month,months,mon,mons}'),
        ('{week,weeks,w}'),
        ('{dow,dayofweek,dw,weekday}'),
        ('{doy,dayofyear,dy,yearday}'),
        ('{day,days,d}'),
        ('{hour,hours,h,hr,hrs}'),
        ('{minute,minutes,m,min,mins}'),
        ('{second,seconds,s,sec,secs}'),
        ('{millisecond,milliseconds,ms,msec,msecs,msecond,mseconds,millisec,millisecs,millisecon}'),
        ('{microsecond,microseconds,us,usec,usecs,usecond,useconds,microsec,microsecs,microsecon}'),
        ('{timezone}'), ('{timezone_hour}'), ('{timezone_minute}')) AS known (parts)
        WHERE lower(part) = ANY (parts);
    IF name IS NULL THEN
        RAISE EXCEPTION 'timestamp units "%" not recognized', part USING ERRCODE = '22023';
    END IF;
    RETURN name;
END $$;

-- Redshift: DATEADD function. The 29th of February and a year give the 1st of March; a month, the 28th of February.
CREATE FUNCTION local_redshift.date_add(part text, number bigint, value timestamp) RETURNS timestamp
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    name text := local_redshift.part_name(part);
    years bigint := number * CASE name WHEN 'year' THEN 1 WHEN 'decade' THEN 10 WHEN 'century' THEN 100
        WHEN 'millennium' THEN 1000 END;
    moved timestamp;
BEGIN
    IF years IS NOT NULL THEN
        moved := value + make_interval(years => years::integer);
        RETURN moved + CASE WHEN extract(day FROM moved) < extract(day FROM value)
            THEN interval '1 day' ELSE interval '0' END;
    END IF;
    RETURN value + CASE name
        WHEN 'quarter' THEN make_interval(months => (number * 3)::integer)
        WHEN 'month' THEN make_interval(months => number::integer)
        WHEN 'week' THEN make_interval(weeks => number::integer)
        WHEN 'day' THEN make_interval(days => number::integer)
        WHEN 'dow' THEN make_interval(days => number::integer)
        WHEN 'doy' THEN make_interval(days => number::integer)
        WHEN 'hour' THEN number * interval '1 hour'
        WHEN 'minute' THEN number * interval '1 minute'
        WHEN 'second' THEN number * interval '1 second'
        WHEN 'epoch' THEN number * interval '1 second'
        WHEN 'millisecond' THEN number * interval '1 millisecond'
        WHEN 'microsecond' THEN number * interval '1 microsecond'
    END;
END $$;
CREATE FUNCTION local_redshift.date_add(part text, number bigint, value timestamptz) RETURNS timestamptz
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    RETURN local_redshift.date_add(part, number, value::timestamp)::timestamptz;
CREATE FUNCTION local_redshift.date_add(part text, number bigint, value date) RETURNS timestamp
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN local_redshift.date_add(part, number, value::timestamp);
CREATE FUNCTION local_redshift.date_add(part text, number bigint, value text) RETURNS timestamp
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    RETURN local_redshift.date_add(part, number, value::timestamp);
CREATE FUNCTION local_redshift.date_add(part text, number bigint, value time) RETURNS time
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN local_redshift.date_add(part, number, '2000-01-01'::date + value)::time;

-- Redshift: DATEDIFF function: the number of boundaries of a part between two instants, not of whole parts.
CREATE FUNCTION local_redshift.date_diff(part text, one timestamp, other timestamp) RETURNS bigint
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    name text := local_redshift.part_name(part);
    years integer := extract(year FROM other)::integer - extract(year FROM one)::integer;
    months integer := years * 12 + extract(month FROM other)::integer - extract(month FROM one)::integer;
    micros numeric := (extract(epoch FROM other) - extract(epoch FROM one)) * 1000000;
BEGIN
    RETURN CASE
        WHEN name = 'year' THEN years
        WHEN name IN ('decade', 'century', 'millennium') THEN
            (extract(year FROM other)::integer - CASE name WHEN 'decade' THEN 0 ELSE 1 END)
                / CASE name WHEN 'decade' THEN 10 WHEN 'century' THEN 100 ELSE 1000 END
            - (extract(year FROM one)::integer - CASE name WHEN 'decade' THEN 0 ELSE 1 END)
                / CASE name WHEN 'decade' THEN 10 WHEN 'century' THEN 100 ELSE 1000 END
        WHEN name = 'quarter' THEN years * 4 + extract(quarter FROM other)::integer - extract(quarter FROM one)::integer
        WHEN name = 'month' THEN months
        -- Weeks begin on Sunday here, though DATE_TRUNC's begin on Monday (INFER: of the guide's examples).
        WHEN name = 'week' THEN
            (other::date - extract(dow FROM other)::integer - (one::date - extract(dow FROM one)::integer)) / 7
        WHEN name IN ('day', 'dow', 'doy') THEN other::date - one::date
        WHEN name = 'microsecond' THEN micros
        WHEN name = 'millisecond' THEN
            floor(extract(epoch FROM other) * 1000) - floor(extract(epoch FROM one) * 1000)
        ELSE floor(extract(epoch FROM other) / seconds) - floor(extract(epoch FROM one) / seconds)
    END::bigint FROM (SELECT CASE name WHEN 'hour' THEN 3600 WHEN 'minute' THEN 60 ELSE 1 END AS seconds) AS unit;
END $$;
CREATE FUNCTION local_redshift.date_diff(part text, one text, other text) RETURNS bigint
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    RETURN local_redshift.date_diff(part, one::timestamp, other::timestamp);
CREATE FUNCTION local_redshift.date_diff(part text, one time, other time) RETURNS bigint
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN local_redshift.date_diff(part, '2000-01-01'::date + one, '2000-01-01'::date + other);
CREATE FUNCTION local_redshift.date_diff(part text, one timestamptz, other timestamptz) RETURNS bigint
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    RETURN local_redshift.date_diff(part, one::timestamp, other::timestamp);
-- A literal takes the type of the other argument.
CREATE FUNCTION local_redshift.date_diff(part text, one text, other timestamp) RETURNS bigint
    LANGUAGE sql STABLE STRICT PARALLEL SAFE RETURN local_redshift.date_diff(part, one::timestamp, other);
CREATE FUNCTION local_redshift.date_diff(part text, one timestamp, other text) RETURNS bigint
    LANGUAGE sql STABLE STRICT PARALLEL SAFE RETURN local_redshift.date_diff(part, one, other::timestamp);
CREATE FUNCTION local_redshift.date_diff(part text, one date, other date) RETURNS bigint
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN local_redshift.date_diff(part, one::timestamp, other::timestamp);

-- Redshift: EXTRACT function: an integer of that part alone; DATE_PART function: a double, seconds with their fraction.
CREATE FUNCTION local_redshift.pgdate_part(part text, value timestamp) RETURNS double precision
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    name text := local_redshift.part_name(part);
BEGIN
    -- The decade that begins in 2000 is the 201st.
    RETURN date_part(name, value) + CASE name WHEN 'decade' THEN 1 ELSE 0 END;
END $$;
CREATE FUNCTION local_redshift.pgdate_part(part text, value timestamptz) RETURNS double precision
    LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE AS $$
DECLARE
    name text := local_redshift.part_name(part);
BEGIN
    RETURN date_part(name, value) + CASE name WHEN 'decade' THEN 1 ELSE 0 END;
END $$;
CREATE FUNCTION local_redshift.pgdate_part(part text, value date) RETURNS double precision
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN local_redshift.pgdate_part(part, value::timestamp);
CREATE FUNCTION local_redshift.pgdate_part(part text, value time) RETURNS double precision
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN date_part(local_redshift.part_name(part), value);
CREATE FUNCTION local_redshift.pgdate_part(part text, value interval) RETURNS double precision
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN date_part(local_redshift.part_name(part), value);
CREATE FUNCTION local_redshift.pgdate_part(part text, value text) RETURNS double precision
    LANGUAGE sql STABLE STRICT PARALLEL SAFE RETURN local_redshift.pgdate_part(part, value::timestamp);

CREATE FUNCTION local_redshift.whole_part(part text, value double precision) RETURNS bigint
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN CASE local_redshift.part_name(part)
        WHEN 'millisecond' THEN floor(value)::bigint % 1000
        WHEN 'microsecond' THEN round(value)::bigint % 1000
        ELSE floor(value)::bigint END;
CREATE FUNCTION local_redshift.date_part(part text, value timestamp) RETURNS bigint
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN local_redshift.whole_part(part, local_redshift.pgdate_part(part, value));
CREATE FUNCTION local_redshift.date_part(part text, value timestamptz) RETURNS bigint
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    RETURN local_redshift.whole_part(part, local_redshift.pgdate_part(part, value));
CREATE FUNCTION local_redshift.date_part(part text, value date) RETURNS bigint
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN local_redshift.whole_part(part, local_redshift.pgdate_part(part, value));
CREATE FUNCTION local_redshift.date_part(part text, value time) RETURNS bigint
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN local_redshift.whole_part(part, local_redshift.pgdate_part(part, value));
CREATE FUNCTION local_redshift.date_part(part text, value interval) RETURNS bigint
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN local_redshift.whole_part(part, local_redshift.pgdate_part(part, value));

-- Redshift: DATE_TRUNC function: a TIMESTAMP of a DATE.
CREATE FUNCTION local_redshift.date_trunc(part text, value timestamp) RETURNS timestamp
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN date_trunc(local_redshift.part_name(part), value);
CREATE FUNCTION local_redshift.date_trunc(part text, value timestamptz) RETURNS timestamptz
    LANGUAGE sql STABLE STRICT PARALLEL SAFE RETURN date_trunc(local_redshift.part_name(part), value);
CREATE FUNCTION local_redshift.date_trunc(part text, value date) RETURNS timestamp
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN date_trunc(local_redshift.part_name(part), value::timestamp);
CREATE FUNCTION local_redshift.date_trunc(part text, value text) RETURNS timestamp
    LANGUAGE sql STABLE STRICT PARALLEL SAFE RETURN date_trunc(local_redshift.part_name(part), value::timestamp);

-- Redshift: TRUNC function (dates); LAST_DAY; NEXT_DAY; ADD_MONTHS; MONTHS_BETWEEN; CONVERT_TIMEZONE functions.
CREATE FUNCTION pg_catalog.trunc(value timestamp) RETURNS date
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN value::date;
CREATE FUNCTION pg_catalog.last_day(value timestamp) RETURNS date
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN (date_trunc('month', value) + interval '1 month' - interval '1 day')::date;
CREATE FUNCTION pg_catalog.next_day(value date, weekday text) RETURNS date
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    wanted integer;
BEGIN
    SELECT at - 1 INTO wanted FROM unnest('{sunday,monday,tuesday,wednesday,thursday,friday,saturday}'::text[])
        WITH ORDINALITY AS day (name, at) WHERE starts_with(name, lower(weekday));
    IF wanted IS NULL THEN
        RAISE EXCEPTION 'Invalid day of week: %', weekday USING ERRCODE = '22023';
    END IF;
    RETURN value + 1 + (wanted - extract(dow FROM value + 1)::integer + 7) % 7;
END $$;
CREATE FUNCTION pg_catalog.add_months(value timestamp, number integer) RETURNS timestamp
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN CASE WHEN value::date = last_day(value::date)
        THEN last_day((value + make_interval(months => number))::date) + value::time
        ELSE value + make_interval(months => number) END;
CREATE FUNCTION pg_catalog.months_between(one timestamp, other timestamp) RETURNS double precision
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN (extract(year FROM one) - extract(year FROM other)) * 12 + extract(month FROM one) - extract(month FROM other)
        + CASE WHEN extract(day FROM one) = extract(day FROM other)
                OR one::date = last_day(one::date) AND other::date = last_day(other::date) THEN 0
            ELSE ((extract(day FROM one) - extract(day FROM other)) * 86400
                + extract(epoch FROM one::time) - extract(epoch FROM other::time)) / (31 * 86400) END;
CREATE FUNCTION pg_catalog.convert_timezone(source text, target text, value timestamp) RETURNS timestamp
    LANGUAGE sql STABLE STRICT PARALLEL SAFE RETURN value AT TIME ZONE source AT TIME ZONE target;
CREATE FUNCTION pg_catalog.convert_timezone(target text, value timestamp) RETURNS timestamp
    LANGUAGE sql STABLE STRICT PARALLEL SAFE RETURN value AT TIME ZONE 'UTC' AT TIME ZONE target;

------------------------------------------------------------------------------------------------
-- Texts. Redshift: String functions; Hash functions.

CREATE FUNCTION pg_catalog.len(value text) RETURNS integer
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN length(value);
CREATE FUNCTION pg_catalog.len(value bpchar) RETURNS integer
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN length(value);
CREATE FUNCTION pg_catalog.charindex(part text, value text) RETURNS integer
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN strpos(value, part);
CREATE FUNCTION pg_catalog.replicate(value text, number integer) RETURNS varchar
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN repeat(value, number)::varchar;
-- Redshift: CONCAT function: of two, and NULL if one of them is.
CREATE FUNCTION local_redshift.concat(one text, other text) RETURNS varchar
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN (one || other)::varchar;
CREATE FUNCTION pg_catalog.strtol(value text, base integer) RETURNS bigint
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    digits text := lower(regexp_replace(value, '^[-+]', ''));
    result numeric := 0;
    digit text;
    at integer;
BEGIN
    IF base NOT BETWEEN 2 AND 36 THEN
        RAISE EXCEPTION 'The base % is out of range', base USING ERRCODE = '22023';
    END IF;
    digits := CASE base WHEN 16 THEN regexp_replace(digits, '^0x', '') ELSE digits END;
    FOREACH digit IN ARRAY string_to_array(digits, NULL) LOOP
        at := strpos('0123456789abcdefghijklmnopqrstuvwxyz', digit) - 1;
        IF at NOT BETWEEN 0 AND base - 1 THEN
            RAISE EXCEPTION 'The input % is not valid to be converted to base %', value, base USING ERRCODE = '22023';
        END IF;
        result := result * base + at;
    END LOOP;
    RETURN CASE WHEN value LIKE '-%' THEN -result ELSE result END;
END $$;
CREATE FUNCTION pg_catalog.sha2(value text, bits integer) RETURNS varchar
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    bytes bytea := convert_to(value, 'UTF8');
BEGIN
    RETURN encode(CASE bits WHEN 0 THEN sha256(bytes) WHEN 224 THEN sha224(bytes) WHEN 256 THEN sha256(bytes)
        WHEN 384 THEN sha384(bytes) WHEN 512 THEN sha512(bytes) END, 'hex');
END $$;
-- Redshift: REGEXP_REPLACE function: all of them; REGEXP_SUBSTR function: nothing found is an empty text.
CREATE FUNCTION local_redshift.regexp_replace(value text, pattern text) RETURNS varchar
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN regexp_replace(value, pattern, '', 'g')::varchar;
CREATE FUNCTION local_redshift.regexp_replace(value text, pattern text, with_text text) RETURNS varchar
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN regexp_replace(value, pattern, regexp_replace(with_text, '\$(\d)', '\\\1', 'g'), 'g')::varchar;
CREATE FUNCTION local_redshift.regexp_replace(value text, pattern text, with_text text, start integer) RETURNS varchar
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN (left(value, start - 1) || local_redshift.regexp_replace(substring(value FROM start), pattern, with_text))::varchar;
CREATE FUNCTION local_redshift.regexp_substr(value text, pattern text, start integer DEFAULT 1, occurrence integer DEFAULT 1,
        parameters text DEFAULT '') RETURNS varchar
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN coalesce(regexp_substr(value, pattern, start, occurrence, replace(parameters, 'e', '')), '')::varchar;

-- A text if it can be cast to a type, else NULL. Redshift: TRY_CAST function.
CREATE FUNCTION local_redshift.castable(value text, type_name text) RETURNS text
    LANGUAGE plpgsql STABLE STRICT AS $$
BEGIN
    EXECUTE 'SELECT CAST($1 AS ' || type_name || ')' USING value;
    RETURN value;
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END $$;

------------------------------------------------------------------------------------------------
-- Aggregates. Redshift: LISTAGG function, MEDIAN function.

CREATE FUNCTION local_redshift.listed(state text, value anynonarray, delimiter text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF value IS NULL THEN
        RETURN state;
    END IF;
    state := CASE WHEN state IS NULL THEN value::text ELSE state || coalesce(delimiter, '') || value::text END;
    IF octet_length(state) > 65535 THEN
        RAISE EXCEPTION 'Result size exceeds LISTAGG limit' USING ERRCODE = 'XX000';
    END IF;
    RETURN state;
END $$;
CREATE FUNCTION local_redshift.listed(state text, value anynonarray) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT local_redshift.listed(state, value, NULL)';
CREATE FUNCTION local_redshift.as_varchar(value text) RETURNS varchar
    LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN value::varchar;
CREATE AGGREGATE local_redshift.listagg(anynonarray, text) (
    SFUNC = local_redshift.listed, STYPE = text, FINALFUNC = local_redshift.as_varchar);
CREATE AGGREGATE local_redshift.listagg(anynonarray) (
    SFUNC = local_redshift.listed, STYPE = text, FINALFUNC = local_redshift.as_varchar);
