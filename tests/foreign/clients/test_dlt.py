"""dlt: whole runs with staging in S3, with its tables of state, by each of its ways to write."""

import os
from importlib.metadata import version

import dlt
import psycopg2
import pytest

CLIENT = f"dlt {version('dlt')}"


@pytest.fixture(autouse=True)
def settings(monkeypatch, tmp_path):
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    monkeypatch.setenv("RUNTIME__LOG_LEVEL", "ERROR")
    # A job that fails is not tried again.
    monkeypatch.setenv("LOAD__RAISE_ON_MAX_RETRIES", "1")
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path))


@pytest.fixture
def pipeline(server, schema, place, role, tmp_path):
    def make(**settings):
        return dlt.pipeline(
            pipeline_name=f"p_{schema}",
            pipelines_dir=str(tmp_path / "pipelines"),
            dataset_name=schema,
            destination=dlt.destinations.redshift(
                credentials=f"postgresql://{server.url}", staging_iam_role=role, **settings
            ),
            staging=dlt.destinations.filesystem(bucket_url=place.rstrip("/")),
        )

    return make


ROWS = [{"id": n, "name": f"row {n}", "price": n / 2, "tags": [{"tag": "a"}] * (n % 2)} for n in range(4)]


def rows(schema, columns="id, name", table="items"):
    with psycopg2.connect("") as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns} FROM {schema}.{table} ORDER BY 1")
        return cursor.fetchall()


def load(pipeline, data, **settings):
    info = pipeline.run(dlt.resource(data, name="items"), **settings)
    info.raise_on_failed_jobs()


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_append(pipeline, schema, kind):
    """append: two runs, child tables, state"""
    for _ in range(2):
        load(pipeline(), ROWS, write_disposition="append", loader_file_format=kind)
    assert rows(schema, "COUNT(*), COUNT(DISTINCT id)") == [(8, 4)]
    assert rows(schema, "COUNT(*)", "items__tags") == [(4,)]
    assert rows(schema, "COUNT(*)", "_dlt_loads") == [(2,)]


@pytest.mark.parametrize("strategy", ["truncate-and-insert", "insert-from-staging"])
def test_replace(pipeline, schema, strategy):
    """replace"""
    for data in (ROWS, ROWS[:2]):
        load(pipeline(replace_strategy=strategy), data, write_disposition="replace", loader_file_format="parquet")
    assert rows(schema) == [(0, "row 0"), (1, "row 1")]


def test_merge(pipeline, schema):
    """merge"""
    disposition = {"disposition": "merge", "strategy": "delete-insert"}
    for data in (ROWS, [{"id": 3, "name": "new", "price": 1.0}, {"id": 9, "name": "more", "price": 1.0}]):
        load(pipeline(), data, write_disposition=disposition, primary_key="id", loader_file_format="parquet")
    assert rows(schema) == [(0, "row 0"), (1, "row 1"), (2, "row 2"), (3, "new"), (9, "more")]


def test_history(pipeline, schema):
    """merge that keeps what was (scd2)"""
    disposition = {"disposition": "merge", "strategy": "scd2"}
    for name in ("old", "new"):
        load(pipeline(), [{"id": 1, "name": name}], write_disposition=disposition, loader_file_format="jsonl")
    assert rows(schema, "name, _dlt_valid_to IS NULL") == [("new", True), ("old", False)]


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_types(pipeline, schema, kind):
    """nested values as SUPER, decimals, times, text beyond ASCII"""
    from datetime import date, datetime, timezone
    from decimal import Decimal

    row = {
        "id": 1,
        "at": datetime(2024, 2, 29, 1, 2, 3, 456, tzinfo=timezone.utc),
        "day": date(2024, 2, 29),
        "price": Decimal("12.5"),
        "name": "größe",
        "good": True,
        "more": {"a": [1, None]},
    }
    load(pipeline(), [row], columns={"more": {"data_type": "json"}}, loader_file_format=kind)
    assert rows(schema, "id, at, day, price, name, good")[0][1:] == (row["at"], row["day"], row["price"], "größe", True)
    assert "null" in rows(schema, "JSON_SERIALIZE(more)")[0][0]


def test_insert_values(server, schema, tmp_path):
    """append without staging, by INSERT"""
    made = dlt.pipeline(
        pipeline_name=f"q_{schema}",
        pipelines_dir=str(tmp_path / "pipelines"),
        dataset_name=schema,
        destination=dlt.destinations.redshift(credentials=f"postgresql://{server.url}"),
    )
    load(made, ROWS)
    assert len(rows(schema)) == 4


def test_new_columns(pipeline, schema):
    """a second run with a new column adds it to the table"""
    load(pipeline(), ROWS, loader_file_format="parquet")
    load(pipeline(), [{"id": 9, "name": "x", "price": 1.0, "note": "new"}], loader_file_format="parquet")
    assert rows(schema, "COUNT(*), COUNT(note)") == [(5, 1)]


def test_sync(pipeline, schema, tmp_path):
    """a pipeline in a new folder takes its state and schema from the database"""
    load(pipeline(), ROWS, loader_file_format="parquet")
    again = pipeline()
    again.drop()
    again.sync_destination()
    assert "items" in again.default_schema.tables
