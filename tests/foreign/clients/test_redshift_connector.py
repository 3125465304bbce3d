"""AWS's own driver for Python, over TLS with its defaults; it trusts the certificates of SSL_CERT_FILE."""

import json
from datetime import date, datetime
from decimal import Decimal

import pandas
import pytest
import redshift_connector

CLIENT = f"redshift_connector {redshift_connector.__version__}"


def connect(server, **settings):
    wanted = {"user": server.user, "password": server.password, "database": server.database, "ssl": server.tls}
    return redshift_connector.connect(host=server.host, port=server.port, **(wanted | settings))


@pytest.fixture
def connection(server, schema):
    with connect(server) as connection:
        connection.cursor().execute(f"SET search_path TO {schema}")
        connection.commit()
        yield connection
        connection.rollback()


def test_types(connection):
    """reads and writes values of each type"""
    cursor = connection.cursor()
    cursor.execute(
        "CREATE TABLE t (a SMALLINT, b INTEGER, c BIGINT, d DECIMAL(18,4), f DOUBLE PRECISION, g BOOLEAN, "
        "i VARCHAR(20), j DATE, k TIMESTAMP, m SUPER, n VARBYTE)"
    )
    moment = datetime(2024, 2, 29, 12, 34, 56, 789012)
    row = [1, 2, 3, Decimal("12345.6789"), 1.25, True, "größe", date(2024, 2, 29), moment]
    cursor.execute(
        "INSERT INTO t SELECT %s::SMALLINT, %s::INTEGER, %s::BIGINT, %s::DECIMAL(18,4), %s::DOUBLE PRECISION, %s::BOOLEAN, "
        "%s::VARCHAR, %s::DATE, %s::TIMESTAMP, JSON_PARSE(%s::VARCHAR), TO_VARBYTE(%s::VARCHAR, 'utf8')",
        row + ['{"a":[1,null]}', "abc"],
    )
    cursor.execute("SELECT * FROM t")
    (found,) = cursor.fetchall()
    assert list(found[:9]) == row
    assert json.loads(found[9]) == {"a": [1, None]}
    assert found[10] == "abc"


@pytest.mark.parametrize(
    ("style", "marks", "values"),
    [
        ("format", "%s, %s", [1, "a\\'b"]),
        ("qmark", "?, ?", [1, "a\\'b"]),
        ("numeric", ":1, :2", [1, "a\\'b"]),
        ("named", ":n, :t", {"n": 1, "t": "a\\'b"}),
        ("pyformat", "%(n)s, %(t)s", {"n": 1, "t": "a\\'b"}),
    ],
)
def test_paramstyles(connection, style, marks, values):
    """each way of writing parameters"""
    cursor = connection.cursor()
    cursor.paramstyle = style
    cursor.execute("CREATE TABLE p (n INTEGER, t VARCHAR(10))")
    cursor.execute(f"INSERT INTO p (n, t) VALUES ({marks})", values)
    cursor.execute("SELECT n, t FROM p")
    assert [list(row) for row in cursor.fetchall()] == [[1, "a\\'b"]]


def test_dataframes(connection):
    """write_dataframe and fetch_dataframe"""
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE frame (n BIGINT, t VARCHAR(10))")
    cursor.write_dataframe(pandas.DataFrame({"n": [1, 2], "t": ["a", "b"]}), "frame")
    cursor.execute("SELECT n, t FROM frame ORDER BY n")
    assert cursor.fetch_dataframe().values.tolist() == [[1, "a"], [2, "b"]]


def test_many_rows(connection):
    """executemany, insert_data_bulk's plain sister, and fetchmany"""
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE many (n INTEGER)")
    cursor.executemany("INSERT INTO many VALUES (%s)", [[n] for n in range(25)])
    cursor.execute("SELECT n FROM many ORDER BY n")
    assert [len(cursor.fetchmany(10)) for _ in range(4)] == [10, 10, 5, 0]


def test_notices(connection, place, role):
    """COPY's notice and a failed COPY's words"""
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE c (n INTEGER)")
    with pytest.raises(redshift_connector.ProgrammingError) as error:
        cursor.execute(f"COPY c FROM '{place}' IAM_ROLE '{role}' FORMAT AS PARQUET REGION 'us-east-1'")
    told = error.value.args[0]
    assert (told["C"], told["M"]) == ("0A000", "REGION argument is not supported for PARQUET based COPY")
    assert "V" not in told


def test_transactions(connection):
    """autocommit, commit, rollback"""
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE r (n INTEGER)")
    connection.commit()
    cursor.execute("INSERT INTO r VALUES (1)")
    connection.rollback()
    connection.autocommit = True
    cursor.execute("INSERT INTO r VALUES (2)")
    cursor.execute("SELECT n FROM r")
    assert cursor.fetchall() == ([2],)
    connection.autocommit = False


def test_metadata(connection, schema):
    """get_schemas, get_tables"""
    cursor = connection.cursor()
    cursor.execute(f"CREATE TABLE {schema}.described (id BIGINT NOT NULL, t VARCHAR(10), PRIMARY KEY (id))")
    connection.commit()
    assert any(schema in row for row in cursor.get_schemas())
    tables = cursor.get_tables(schema_pattern=schema)
    assert [row[2] for row in tables if row[3] == "TABLE"] == ["described"]


def test_primary_keys(connection, schema):
    """get_primary_keys"""
    cursor = connection.cursor()
    cursor.execute(f"CREATE TABLE {schema}.described (id BIGINT NOT NULL, t VARCHAR(10), PRIMARY KEY (id))")
    connection.commit()
    keys = cursor.get_primary_keys(schema=schema, table="described")
    assert [row[3] for row in keys] == ["id"]


def test_columns(connection, schema):
    """get_columns"""
    cursor = connection.cursor()
    cursor.execute(f"CREATE TABLE {schema}.described (id BIGINT NOT NULL, t VARCHAR(10))")
    connection.commit()
    columns = cursor.get_columns(schema_pattern=schema, tablename_pattern="described")
    assert [row[3] for row in columns] == ["id", "t"]


def test_wrong_password(server):
    """a wrong password, in Redshift's words"""
    with pytest.raises(redshift_connector.InterfaceError) as error:
        connect(server, password="Wrong12345")
    told = error.value.args[0]
    assert told["S"], told["C"] == ("FATAL", "28000")
    assert told["M"] == f'password authentication failed for user "{server.user}"'


def test_kinds_of_passwords(server, connection):
    """passwords kept as SHA-256 digests are asked for as digests (code 13), and temporary users by their prefix"""
    connection.autocommit = True
    cursor = connection.cursor()
    user = "digested"
    cursor.execute(f"CREATE USER {user} PASSWORD 'sha256|Mypassword1'")
    try:
        with connect(server, user=user, password="Mypassword1") as other:
            assert other.cursor().execute("SELECT CURRENT_USER").fetchall() == ([user],)
        with pytest.raises(redshift_connector.InterfaceError, match="password authentication failed"):
            connect(server, user=user, password="Mypassword2")
        with connect(server, user=f"IAM:{user}", password="Mypassword1") as other:
            assert other.cursor().execute("SELECT CURRENT_USER").fetchall() == ([user],)
    finally:
        cursor.execute(f"DROP USER {user}")
        connection.autocommit = False
