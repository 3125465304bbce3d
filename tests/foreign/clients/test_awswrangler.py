"""awswrangler (AWS SDK for pandas): data frames through S3 and COPY, with its own transactions."""

import awswrangler as wr
import pandas as pd
import pytest

CLIENT = f"awswrangler {wr.__version__}"


@pytest.fixture
def connection(server, schema):
    # As wr.redshift.connect does with what it finds in a secret.
    import redshift_connector

    with redshift_connector.connect(
        host=server.host, port=server.port, user=server.user, password=server.password, database=server.database, ssl=server.tls
    ) as connection:
        yield connection


@pytest.fixture
def frame():
    return pd.DataFrame(
        {
            "id": pd.array([1, 2, 3], dtype="Int64"),
            "name": ["a", "ä", None],
            "at": pd.to_datetime(["2024-02-29 12:00:00.123456"] * 3),
            "price": [1.5, 2.5, None],
            "good": pd.array([True, False, None], dtype="boolean"),
        }
    )


def found(connection, schema, columns="id, name"):
    frame = wr.redshift.read_sql_query(f"SELECT {columns} FROM {schema}.t ORDER BY 1", con=connection)
    return frame.astype(object).where(frame.notna(), None).values.tolist()


def copy(connection, frame, schema, place, role, **settings):
    wr.redshift.copy(frame, path=place, con=connection, table="t", schema=schema, iam_role=role, **settings)


def test_append(connection, frame, schema, place, role):
    """copy, append: makes the table, then adds to it"""
    for _ in range(2):
        copy(connection, frame, schema, place, role, mode="append", diststyle="KEY", distkey="id", sortkey=["at"])
    assert found(connection, schema, "COUNT(*), COUNT(name), SUM(price), MAX(at)::VARCHAR") == [
        [6, 4, 8.0, "2024-02-29 12:00:00.123456"]
    ]


@pytest.mark.parametrize("method", ["drop", "cascade", "truncate", "delete"])
def test_overwrite(connection, frame, schema, place, role, method):
    """copy, overwrite"""
    copy(connection, frame, schema, place, role)
    copy(connection, frame.iloc[:1], schema, place, role, mode="overwrite", overwrite_method=method)
    assert found(connection, schema) == [[1, "a"]]


@pytest.mark.parametrize("lock", [False, True], ids=["plain", "with LOCK"])
def test_upsert(connection, frame, schema, place, role, lock):
    """copy, upsert: through a temporary table, DELETE and INSERT"""
    copy(connection, frame, schema, place, role, primary_keys=["id"])
    new = frame.assign(id=pd.array([3, 4, 5], dtype="Int64"), name=["x", "y", "z"])
    copy(connection, new, schema, place, role, mode="upsert", primary_keys=["id"], lock=lock)
    assert found(connection, schema) == [[1, "a"], [2, "ä"], [3, "x"], [4, "y"], [5, "z"]]


def test_upsert_by_recorded_keys(connection, frame, schema, place, role):
    """copy, upsert by the primary key that the table was made with"""
    copy(connection, frame, schema, place, role, primary_keys=["id"])
    copy(connection, frame.iloc[:1].assign(name="x"), schema, place, role, mode="upsert")
    assert found(connection, schema) == [[1, "x"], [2, "ä"], [3, None]]


def test_column_names(connection, frame, schema, place, role):
    """copy with a list of columns"""
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {schema}.t (id BIGINT, more INTEGER DEFAULT 7, name VARCHAR(10))")
    connection.commit()
    copy(connection, frame[["id", "name"]], schema, place, role, use_column_names=True)
    assert found(connection, schema, "id, more, name") == [[1, 7, "a"], [2, 7, "ä"], [3, 7, None]]


def test_new_columns(connection, frame, schema, place, role):
    """copy with columns that the table has not yet"""
    copy(connection, frame[["id"]], schema, place, role)
    copy(connection, frame[["id", "name"]], schema, place, role, add_new_columns=True)
    assert found(connection, schema, "COUNT(*), COUNT(name)") == [[6, 2]]


def test_copy_from_files(connection, frame, schema, place, role):
    """copy_from_files with Parquet that is there already"""
    wr.s3.to_parquet(frame, path=place, dataset=True)
    wr.redshift.copy_from_files(place, con=connection, table="t", schema=schema, iam_role=role)
    assert len(found(connection, schema)) == 3


def test_keys_of_the_session(connection, frame, schema, place):
    """copy with the keys of the session in place of a role"""
    wr.redshift.copy(frame, path=place, con=connection, table="t", schema=schema)
    assert len(found(connection, schema)) == 3


def test_nested_values(connection, schema, place, role):
    """copy of lists and records into SUPER"""
    frame = pd.DataFrame({"id": [1], "tags": [["a", "b"]], "who": [{"name": "x", "age": 3}]})
    copy(connection, frame, schema, place, role, serialize_to_json=True)
    assert found(connection, schema, "JSON_SERIALIZE(tags), JSON_SERIALIZE(who)") == [['["a","b"]', '{"name":"x","age":3}']]


@pytest.mark.parametrize("names", [False, True], ids=["all columns", "named columns"])
def test_to_sql(connection, frame, schema, names):
    """to_sql by INSERT"""
    wr.redshift.to_sql(frame, con=connection, table="t", schema=schema, use_column_names=names, chunksize=2)
    wr.redshift.to_sql(frame, con=connection, table="t", schema=schema, mode="overwrite")
    assert found(connection, schema) == [[1, "a"], [2, "ä"], [3, None]]


def test_to_sql_upsert(connection, frame, schema):
    """to_sql, upsert"""
    wr.redshift.to_sql(frame, con=connection, table="t", schema=schema, primary_keys=["id"])
    wr.redshift.to_sql(frame.iloc[:1].assign(name="x"), con=connection, table="t", schema=schema, mode="upsert", primary_keys=["id"])
    assert found(connection, schema) == [[1, "x"], [2, "ä"], [3, None]]


@pytest.mark.xfail(strict=True, reason="COPY loads no CSV")
def test_csv(connection, frame, schema, place, role):
    """copy_from_files with CSV"""
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {schema}.t (id BIGINT, name VARCHAR(10))")
    connection.commit()
    wr.s3.to_csv(frame[["id", "name"]], path=place + "a.csv", index=False, header=False)
    wr.redshift.copy_from_files(
        place, con=connection, table="t", schema=schema, iam_role=role, data_format="csv",
        redshift_column_types={"id": "BIGINT", "name": "VARCHAR(10)"},
    )
    assert found(connection, schema, "COUNT(*)") == [[3]]


def test_read_table(connection, frame, schema, place, role):
    """read_sql_table"""
    copy(connection, frame, schema, place, role)
    assert len(wr.redshift.read_sql_table("t", con=connection, schema=schema)) == 3


@pytest.mark.xfail(strict=True, reason="UNLOAD is not part of the local Redshift")
def test_unload(connection, frame, schema, place, role):
    """unload"""
    copy(connection, frame, schema, place, role)
    out = wr.redshift.unload(f"SELECT * FROM {schema}.t", path=place + "out/", con=connection, iam_role=role)
    assert len(out) == 3
