"""A project's own test against a local Redshift: stage Parquet in S3, COPY it, look at the rows.

Needs local-redshift on PATH (cargo install --path localstack/redshift) and
    pip install pytest "psycopg[binary]" boto3 duckdb
Then: pytest test_orders.py
"""

import json
import os
import shlex
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import boto3
import duckdb
import psycopg
import pytest


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A local Redshift and its S3, with the project's tables; the value is its variables."""
    tables = tmp_path_factory.mktemp("sql")
    (tables / "01-orders.sql").write_text(
        "CREATE TABLE orders (id BIGINT, customer VARCHAR(20), amount DECIMAL(10,2));"
    )
    process = subprocess.Popen(
        ["local-redshift", "run", "--init-sql", tables], stdout=subprocess.PIPE, text=True
    )
    try:
        variables: dict[str, str] = {}
        for line in process.stdout:  # lines `export NAME='value'`, then `ready`
            if line == "ready\n":
                break
            _, assignment = shlex.split(line)
            name, _, value = assignment.partition("=")
            variables[name] = value
        else:
            raise RuntimeError(f"local-redshift ended with {process.wait()} before it was ready")
        yield variables
    finally:
        process.terminate()
        process.wait(timeout=60)


@pytest.fixture
def redshift(stack: dict[str, str]) -> Iterator[psycopg.Connection]:
    """A connection; what a test does is rolled back."""
    with psycopg.connect(
        host=stack["PGHOST"],
        port=stack["PGPORT"],
        user=stack["PGUSER"],
        password=stack["PGPASSWORD"],
        dbname=stack["PGDATABASE"],
        sslmode=stack["PGSSLMODE"],
        sslrootcert=stack["PGSSLROOTCERT"],
        client_encoding="utf8",  # Redshift calls it UNICODE, which psycopg does not know
    ) as connection:
        yield connection
        connection.rollback()


@pytest.fixture
def s3(stack: dict[str, str]):
    return boto3.client(
        "s3",
        endpoint_url=stack["AWS_ENDPOINT_URL"],
        region_name=stack["AWS_REGION"],
        aws_access_key_id=stack["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=stack["AWS_SECRET_ACCESS_KEY"],
    )


@pytest.fixture
def staged(s3, tmp_path: Path) -> str:
    """Two orders as Parquet in the bucket every stack has; the value is the object's URL."""
    path = tmp_path / "orders.parquet"
    duckdb.execute(
        "COPY (SELECT * FROM (VALUES (1::BIGINT, 'Zoë', 9.90::DECIMAL(10,2)), (2, 'Bob', 120.00))"
        f" AS orders (id, customer, amount)) TO '{path}' (FORMAT parquet)"
    )
    s3.put_object(Bucket="stagecopy", Key="orders/orders.parquet", Body=path.read_bytes())
    return "s3://stagecopy/orders/orders.parquet"


def copy(stack: dict[str, str], table: str, url: str) -> str:
    return f"COPY {table} FROM '{url}' IAM_ROLE '{stack['STAGECOPY_IAM_ROLE']}' FORMAT AS PARQUET"


def test_orders_are_loaded_by_one_copy(stack, redshift, staged):
    redshift.execute(copy(stack, "orders", staged))
    rows = redshift.execute("SELECT id, customer, amount::VARCHAR FROM orders ORDER BY id").fetchall()
    assert rows == [(1, "Zoë", "9.90"), (2, "Bob", "120.00")]
    loads = [json.loads(line) for line in Path(stack["LOCAL_REDSHIFT_COPY_LOG"]).read_text().splitlines()]
    assert [(load["table"], load["rows"], load["outcome"]) for load in loads] == [("orders", 2, "loaded")]


def test_a_text_that_is_too_long_in_bytes_is_refused(stack, redshift, staged):
    redshift.execute("CREATE TABLE narrow (id BIGINT, customer VARCHAR(3), amount DECIMAL(10,2))")
    with pytest.raises(psycopg.Error):  # Zoë has three characters and four bytes
        redshift.execute(copy(stack, "narrow", staged))


def test_the_stack_says_that_it_is_ready(stack):
    with urllib.request.urlopen(stack["LOCAL_REDSHIFT_HEALTH_URL"]) as answer:
        health = json.load(answer)
    assert health["status"] == "ready"
    assert health["ports"]["redshift"] == int(stack["PGPORT"])


if __name__ == "__main__":
    raise SystemExit(pytest.main([os.path.abspath(__file__), "-q"]))
