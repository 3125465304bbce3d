"""Where the clients connect to, a schema for each test, and what came of the tests, for the page.

The clients find the local Redshift by the variables of its stack (PG*, AWS_*, SSL_CERT_FILE) and their ordinary settings; nothing
here replaces a part of them.
"""

import json
import os
import uuid
from dataclasses import dataclass

import psycopg2
import pytest


@dataclass(frozen=True)
class Server:
    """A database and how to get in."""

    host: str
    port: int
    user: str
    password: str
    database: str
    tls: bool

    @property
    def url(self):
        """user:password@host:port/database"""
        return f"{self.user}:{self.password}@{self.host}:{self.port}/{self.database}"


def pytest_addoption(parser):
    parser.addoption("--postgresql", action="store_true", help="a plain database in the PostgreSQL behind")
    parser.addoption("--results", help="write what came of each test to this file")


@pytest.fixture(scope="session")
def server(pytestconfig):
    if not pytestconfig.getoption("postgresql"):
        variables = ("PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE")
        host, port, user, password, database = (os.environ[name] for name in variables)
        yield Server(host, int(port), user, password, database, tls=True)
        return
    host, port, user = (os.environ[f"LOCAL_REDSHIFT_POSTGRES_{name}"] for name in ("HOST", "PORT", "SUPERUSER"))
    database = f"plain_{uuid.uuid4().hex[:8]}"
    plain = Server(host, int(port), user, "any", database, tls=False)
    settings = {"HOST": host, "PORT": port, "USER": user, "PASSWORD": "any", "DATABASE": database, "SSLMODE": "disable"}
    os.environ.update({f"PG{name}": value for name, value in settings.items()})

    def run(statement):
        connection = psycopg2.connect(host=host, port=port, user=user, dbname="postgres")
        connection.autocommit = True
        connection.cursor().execute(statement)
        connection.close()

    run(f"CREATE DATABASE {database} TEMPLATE template0")
    run(f"ALTER DATABASE {database} SET default_transaction_isolation = 'read committed'")
    yield plain
    run(f"DROP DATABASE {database} WITH (FORCE)")


@pytest.fixture
def schema(server):
    """The name of a schema of the test's own."""
    name = f"c{uuid.uuid4().hex[:10]}"

    def run(statement):
        connection = psycopg2.connect("")
        connection.autocommit = True
        # A test that leaves a transaction open fails here instead of never ending.
        connection.cursor().execute("SET statement_timeout TO 10000")
        connection.cursor().execute(statement)
        connection.close()

    run(f"CREATE SCHEMA {name}")
    yield name
    run(f"DROP SCHEMA {name} CASCADE")


@pytest.fixture
def place():
    """A prefix in the S3 of the test's own, s3://bucket/prefix/"""
    return f"{os.environ['STAGECOPY_STAGE']}/clients/{uuid.uuid4().hex[:10]}/"


@pytest.fixture
def role():
    return os.environ["STAGECOPY_IAM_ROLE"]


RESULTS = []


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.when == "call" or report.outcome != "passed":
        what = (item.function.__doc__ or item.name).strip().split("\n")[0]
        if hasattr(item, "callspec"):
            what += f" ({item.callspec.id})"
        reason = ""
        if report.outcome == "failed" and call.excinfo:
            reason = call.excinfo.exconly().strip().split("\n")[0]
        elif isinstance(report.longrepr, tuple):
            reason = report.longrepr[2]
        elif hasattr(report, "wasxfail"):
            reason = report.wasxfail
        RESULTS.append(
            {
                "file": item.path.name,
                "client": getattr(item.module, "CLIENT", item.path.stem),
                "test": item.nodeid.split("/")[-1],
                "what": what,
                "outcome": "missing" if hasattr(report, "wasxfail") else report.outcome,
                "reason": reason,
            }
        )


def pytest_sessionfinish(session):
    path = session.config.getoption("results")
    if path:
        with open(path, "w", encoding="utf-8") as file:
            json.dump(RESULTS, file)
