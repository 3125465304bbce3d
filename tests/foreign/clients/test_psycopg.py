"""psycopg 2 and 3: the protocols, COPY, notices, types, errors, cursors."""

import io
import json
import os
from datetime import date, datetime, timezone
from decimal import Decimal
from urllib.parse import urlparse

import boto3
import psycopg
import psycopg2
import psycopg2.extras
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

CLIENT = f"psycopg {psycopg2.__version__.split()[0]} and {psycopg.__version__}"


def connect_2():
    return psycopg2.connect("")


def connect_3():
    # A real cluster calls its encoding UNICODE unless one is asked for, which psycopg 3 does not know.
    return psycopg.connect("", client_encoding="utf8")


def notices(connection):
    """What the server says beside its answers, from now on."""
    if isinstance(connection, psycopg.Connection):
        said = []
        connection.add_notice_handler(lambda notice: said.append(f"{notice.severity}:  {notice.message_primary}"))
        return said
    return connection.notices


@pytest.fixture(params=[connect_2, connect_3], ids=["psycopg 2", "psycopg 3"])
def connection(request, schema):
    with request.param() as connection:
        connection.cursor().execute(f"SET search_path TO {schema}")
        connection.commit()
        yield connection
    connection.close()


def put(url, table):
    """Writes a table as Parquet to s3://bucket/key; gives its size."""
    body = io.BytesIO()
    pq.write_table(table, body, version="1.0")
    at = urlparse(url)
    boto3.client("s3").put_object(Bucket=at.netloc, Key=at.path.lstrip("/"), Body=body.getvalue())
    return len(body.getvalue())


def rows(connection, statement, values=None):
    cursor = connection.cursor()
    cursor.execute(statement, values)
    return cursor.fetchall()


def test_server(connection):
    """is told of an 8.0.2 server"""
    assert "Redshift 1.0" in rows(connection, "SELECT version()")[0][0]
    info = connection.info
    assert info.server_version == 80002
    assert info.parameter_status("padb_version")
    assert info.parameter_status("max_varchar_size") == "65535"


def test_types(connection):
    """reads and writes values of each type"""
    connection.cursor().execute(
        "CREATE TABLE t (a SMALLINT, b INTEGER, c BIGINT, d DECIMAL(18,4), e REAL, f DOUBLE PRECISION, g BOOLEAN, "
        "h CHAR(3), i VARCHAR(20), j DATE, k TIMESTAMP, l TIMESTAMPTZ, m SUPER, n VARBYTE)"
    )
    moment = datetime(2024, 2, 29, 12, 34, 56, 789012)
    row = (1, 2, 3, Decimal("12345.6789"), 0.5, 1.25, True, "abc", "größe", date(2024, 2, 29), moment)
    row += (moment.replace(tzinfo=timezone.utc),)
    connection.cursor().execute(
        "INSERT INTO t SELECT %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, JSON_PARSE(%s), TO_VARBYTE(%s, 'utf8')",
        row + ('{"a":[1,null,"x"]}', "abc"),
    )
    (found,) = rows(connection, "SELECT * FROM t")
    assert found[:12] == row
    assert json.loads(found[12]) == {"a": [1, None, "x"]}
    assert found[13] == "616263"
    cursor = connection.cursor()
    cursor.execute("SELECT m, n FROM t")
    assert [column.type_code for column in cursor.description] == [4000, 6551]


def test_errors(connection):
    """is told SQLSTATE, message and detail"""
    cursor = connection.cursor()
    for statement, code, message in [
        ("SELECT * FROM missing", "42P01", 'relation "missing" does not exist'),
        ("SELECT 1 1", "42601", "syntax error"),
        ("CREATE TABLE u (a INT[])", "0A000", ""),
    ]:
        with pytest.raises((psycopg.Error, psycopg2.Error)) as error:
            cursor.execute(statement)
        state = getattr(error.value, "sqlstate", None) or error.value.pgcode
        assert state == code
        assert message in str(error.value)
        connection.rollback()


def test_copy_in_a_transaction(connection, place, role):
    """COPY from Parquet: the notice, the count, and a rollback that takes it back"""
    table = pa.table({"id": pa.array([1, 2, 3], pa.int64()), "name": ["a", "ä", None]})
    url = place + "a.parquet"
    size = put(url, table)
    manifest = {"entries": [{"url": url, "mandatory": True, "meta": {"content_length": size}}]}
    at = urlparse(place)
    boto3.client("s3").put_object(Bucket=at.netloc, Key=at.path.lstrip("/") + "m", Body=json.dumps(manifest).encode())
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE loaded (id BIGINT, name VARCHAR(10))")
    connection.commit()
    said = notices(connection)
    cursor.execute(f"COPY loaded FROM '{place}m' IAM_ROLE '{role}' MANIFEST FORMAT AS PARQUET")
    assert cursor.statusmessage == "COPY"
    assert "INFO:  Load into table 'loaded' completed, 3 record(s) loaded successfully." in said[-1]
    assert rows(connection, "SELECT PG_LAST_COPY_COUNT()") == [(3,)]
    connection.rollback()
    assert rows(connection, "SELECT COUNT(*) FROM loaded") == [(0,)]
    connection.rollback()


def test_failed_copy(connection, place, role):
    """a COPY that fails: the block in DETAIL, the row in SYS_LOAD_ERROR_DETAIL"""
    put(place + "a.parquet", pa.table({"id": pa.array([1], pa.int64()), "more": ["a"]}))
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE narrow (id BIGINT)")
    connection.commit()
    with pytest.raises((psycopg.Error, psycopg2.Error)) as error:
        cursor.execute(f"COPY narrow FROM '{place}' IAM_ROLE '{role}' PARQUET")
    assert "Spectrum Scan Error" in error.value.diag.message_primary
    assert "code:      15007" in error.value.diag.message_detail
    connection.rollback()
    told = rows(
        connection, "SELECT error_code FROM sys_load_error_detail WHERE query_id = PG_LAST_COPY_ID()"
    )
    assert told == [(15007,)]


def test_named_cursor(connection):
    """a server-side cursor"""
    connection.cursor().execute("CREATE TABLE many AS SELECT 1 AS n UNION ALL SELECT 2 UNION ALL SELECT 3")
    cursor = connection.cursor("reader")
    cursor.itersize = 2
    cursor.execute("SELECT n FROM many ORDER BY n")
    assert [n for (n,) in cursor] == [1, 2, 3]
    cursor.close()


def test_executemany(connection):
    """many rows by executemany and execute_values"""
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE numbers (n INTEGER, t VARCHAR(20))")
    cursor.executemany("INSERT INTO numbers VALUES (%s, %s)", [(n, f"row\\'{n}") for n in range(10)])
    if not isinstance(connection, psycopg.Connection):
        values = [(n, "x") for n in range(10, 50)]
        psycopg2.extras.execute_values(cursor, "INSERT INTO numbers VALUES %s", values)
        assert rows(connection, "SELECT COUNT(*) FROM numbers") == [(50,)]
    assert rows(connection, "SELECT t FROM numbers WHERE n = 7") == [("row\\'7",)]


def test_prepared_and_binary(schema):
    """psycopg 3: prepared statements, parameters on the server, binary results"""
    with connect_3() as connection:
        for n in range(3):
            cursor = connection.execute("SELECT %s::BIGINT + 1, %b::VARCHAR(9)", (n, "a\\b"), prepare=True)
            assert cursor.fetchall() == [(n + 1, "a\\b")]
        binary = connection.cursor(binary=True)
        binary.execute("SELECT 7::BIGINT, 1.5::DOUBLE PRECISION, 'x'::VARCHAR(3), '2024-02-29'::DATE")
        assert binary.fetchall() == [(7, 1.5, "x", date(2024, 2, 29))]


def test_no_savepoints(connection):
    """nested transactions are refused: there are no savepoints"""
    connection.cursor().execute("SELECT 1")
    with pytest.raises((psycopg.Error, psycopg2.Error)) as error:
        connection.cursor().execute("SAVEPOINT inner_one")
    assert (getattr(error.value, "sqlstate", None) or error.value.pgcode) == "0A000"


def test_cancel(connection):
    """a cancellation reaches the server"""
    import threading
    import time

    def cancel():
        time.sleep(0.3)
        connection.cancel()

    thread = threading.Thread(target=cancel)
    thread.start()
    with pytest.raises((psycopg.Error, psycopg2.Error)) as error:
        connection.cursor().execute("SELECT COUNT(*) FROM pg_class a, pg_class b, pg_class c, pg_class d, pg_class e")
    thread.join()
    assert (getattr(error.value, "sqlstate", None) or error.value.pgcode) == "57014"


@pytest.mark.parametrize(
    ("settings", "code", "message"),
    [
        ({"password": "Wrong12345"}, "28000", 'password authentication failed for user "{user}"'),
        ({"dbname": "nowhere"}, "3D000", 'database "nowhere" does not exist'),
        ({"sslmode": "disable"}, "28000", "SSL off"),
        ({"options": "-c extra_float_digits=3"}, "22023", 'outside the valid range for parameter "extra_float_digits"'),
        ({"options": "-c standard_conforming_strings=on"}, "42704", "unrecognized configuration parameter"),
    ],
    ids=["wrong password", "no such database", "no TLS", "extra_float_digits", "unknown setting"],
)
def test_start(server, settings, code, message):
    """a connection that Redshift refuses"""
    with pytest.raises(psycopg.OperationalError) as error:
        psycopg.connect("", **settings)
    assert message.format(user=server.user) in str(error.value)


def test_unicode(server):
    """psycopg 3 without an encoding meets UNICODE, which it does not know, as on a real cluster"""
    with psycopg.connect("") as connection:
        with pytest.raises(psycopg.NotSupportedError, match="UNICODE"):
            connection.execute("SELECT 1")
