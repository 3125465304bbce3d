"""psql, with its commands that list things."""

import os
import shutil
import subprocess

import pytest

BIN = os.environ.get("LOCAL_REDSHIFT_POSTGRES_BIN", "")
PSQL = shutil.which("psql", path=f"{BIN}:{os.environ['PATH']}")
pytestmark = pytest.mark.skipif(not PSQL, reason="no psql on this machine")


def version():
    said = subprocess.run([PSQL, "--version"], capture_output=True, text=True, check=True).stdout if PSQL else "psql"
    return " ".join(said.replace("(PostgreSQL)", "").split()[:2])


CLIENT = version()


def psql(*commands, settings=("-X", "-A", "-t")):
    words = [word for command in commands for word in ("-c", command)]
    done = subprocess.run(
        [PSQL, *settings, "-v", "ON_ERROR_STOP=1", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def tables(server, schema):
    psql(
        f"CREATE TABLE {schema}.orders (id BIGINT NOT NULL ENCODE az64 DISTKEY, at TIMESTAMP SORTKEY, name VARCHAR(20) DEFAULT 'x')"
        if server.tls
        else f"CREATE TABLE {schema}.orders (id BIGINT NOT NULL, at TIMESTAMP, name VARCHAR(20) DEFAULT 'x')",
        f"CREATE VIEW {schema}.recent AS SELECT id FROM {schema}.orders",
    )
    return schema


def test_statements(server):
    """statements, the prompt's variables, errors with their place"""
    assert psql("SELECT 1 + 1").split() == ["2"]
    done = subprocess.run([PSQL, "-X", "-c", "SELECT missing"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert 'column "missing" does not exist' in done.stderr


def test_d(tables):
    """\\d lists tables and views"""
    listed = psql(f"SET search_path TO {tables}", "\\d")
    assert f"{tables}|orders|table|" in listed
    assert f"{tables}|recent|view|" in listed


def test_d_table(tables):
    """\\d table shows columns, NOT NULL and defaults"""
    shown = psql(f"\\d {tables}.orders")
    assert "id|bigint|" in shown
    assert "not null" in shown
    assert "character varying(20)" in shown
    assert "redshift_bytes" not in shown


def test_dt(tables):
    """\\dt lists tables"""
    listed = psql(f"\\dt {tables}.*")
    assert f"{tables}|orders|table|" in listed


def test_dv(tables):
    """\\dv lists views"""
    assert f"{tables}|recent|view|" in psql(f"\\dv {tables}.*")


def test_dn(tables):
    """\\dn lists schemas, and none of the stand-in's own"""
    listed = psql("\\dn")
    assert f"{tables}|" in listed
    assert "local_redshift" not in listed


def test_l(server):
    """\\l lists databases"""
    assert f"{server.database}|" in psql("\\l")


def test_du(server):
    """\\du lists users"""
    assert server.user in psql("\\du")
