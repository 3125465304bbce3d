"""SQLAlchemy with sqlalchemy-redshift, by both of its drivers: tables with keys from metadata, and read back by reflection."""

import os
from importlib.metadata import version

import pytest
import sqlalchemy as sa
from sqlalchemy_redshift import dialect

CLIENT = f"SQLAlchemy {version('sqlalchemy')}, sqlalchemy-redshift {version('sqlalchemy-redshift')}"

# By default it trusts Amazon's authority alone; libpq's own parameter says otherwise.
PSYCOPG = {"sslrootcert": os.environ["PGSSLROOTCERT"]}


@pytest.fixture(params=["psycopg2", "redshift_connector"])
def engine(request, server):
    arguments = {"ssl": server.tls} if request.param == "redshift_connector" else dict(PSYCOPG)
    if not server.tls and request.param == "psycopg2":
        arguments = {"sslmode": "disable"}
    engine = sa.create_engine(f"redshift+{request.param}://{server.url}", connect_args=arguments)
    yield engine
    engine.dispose()


@pytest.fixture
def orders(schema):
    """A table with everything that Redshift adds to tables."""
    return sa.Table(
        "orders",
        sa.MetaData(schema=schema),
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False, info={"encode": "az64"}),
        sa.Column("placed", sa.DateTime, nullable=False),
        sa.Column("customer", sa.String(40), server_default="nobody"),
        sa.Column("total", sa.Numeric(18, 2)),
        sa.Column("details", dialect.SUPER),
        redshift_diststyle="KEY",
        redshift_distkey="customer",
        redshift_sortkey=("placed", "id"),
    )


def test_statements(engine, schema):
    """inserts and selects through a Table; rolls back"""
    numbers = sa.Table("numbers", sa.MetaData(schema=schema), sa.Column("n", sa.Integer), sa.Column("t", sa.String(10)))
    with engine.begin() as connection:
        numbers.create(connection)
        connection.execute(numbers.insert(), [{"n": n, "t": f"'{n}\\"} for n in range(5)])
        found = connection.execute(sa.select(numbers.c.t).where(numbers.c.n > 2).order_by(numbers.c.n).limit(1))
        assert found.scalars().all() == ["'3\\"]
    with engine.connect() as connection:
        connection.execute(numbers.delete())
        connection.rollback()
        assert connection.scalar(sa.select(sa.func.count()).select_from(numbers)) == 5


def test_metadata(engine, orders):
    """creates tables with DISTKEY, SORTKEY and encodings from metadata"""
    with engine.begin() as connection:
        orders.create(connection)
        inspector = sa.inspect(connection)
        assert orders.name in inspector.get_table_names(schema=orders.schema)


def test_reflection(engine, orders):
    """reads columns, keys, dist and sort keys back"""
    with engine.begin() as connection:
        orders.create(connection)
        found = sa.Table("orders", sa.MetaData(schema=orders.schema), autoload_with=connection)
        types = [str(column.type) for column in found.columns]
        options = found.dialect_options["redshift"]
    assert [column.name for column in found.columns] == ["id", "placed", "customer", "total", "details"]
    assert types[:4] == ["BIGINT", "TIMESTAMP", "VARCHAR(40)", "NUMERIC(18, 2)"]
    assert [column.name for column in found.primary_key] == ["id"]
    assert not found.c.placed.nullable
    assert options["distkey"].strip('"') == "customer"
    assert [str(key).strip('"') for key in options["sortkey"]] == ["placed", "id"]


def test_views(engine, schema):
    """lists views and gives their definitions"""
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE TABLE {schema}.t (n INTEGER)")
        connection.exec_driver_sql(f"CREATE VIEW {schema}.v AS SELECT n FROM {schema}.t")
        inspector = sa.inspect(connection)
        assert inspector.get_view_names(schema=schema) == ["v"]
        assert "n" in inspector.get_view_definition("v", schema=schema)


def test_copy(engine, schema, place, role):
    """builds a COPY from Parquet; as bound parameters, which one driver makes of it, COPY does not take its arguments"""
    table = sa.Table("c", sa.MetaData(schema=schema), sa.Column("n", sa.Integer))
    copy = dialect.CopyCommand(table, data_location=place, iam_role_arns=role, format=dialect.Format.parquet)
    with engine.begin() as connection:
        table.create(connection)
    said = "does not exist" if engine.driver == "psycopg2" else "syntax error at or near"
    with engine.connect() as connection, pytest.raises(sa.exc.DBAPIError, match=said):
        connection.execute(copy)
