"""pgjdbc, the PostgreSQL driver for Java: start-up, prepared statements, metadata, errors."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PLACES = [os.environ.get("PGJDBC_JAR", ""), "/usr/share/java/postgresql.jar"]
JAR = next((place for place in PLACES if place and Path(place).is_file()), None)
JAVA = shutil.which("java")
CLIENT = "pgjdbc"
pytestmark = pytest.mark.skipif(
    not (JAR and JAVA and shutil.which("javac")),
    reason="no JDK, or no pgjdbc (Debian: default-jdk-headless libpostgresql-jdbc-java; or PGJDBC_JAR)",
)


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The folder with the compiled program."""
    folder = tmp_path_factory.mktemp("classes")
    subprocess.run(["javac", "-cp", JAR, "-d", folder, HERE / "Jdbc.java"], check=True)
    return folder


def run(program, server, test, schema):
    url = f"jdbc:postgresql://{server.host}:{server.port}/{server.database}"
    if server.tls:
        url += f"?sslmode=verify-full&sslrootcert={os.environ['PGSSLROOTCERT']}"
    done = subprocess.run(
        [JAVA, "-XX:TieredStopAtLevel=1", "-cp", f"{program}:{JAR}", "Jdbc", test, schema, url],
        env={**os.environ, "JDBC_USER": server.user, "JDBC_PASSWORD": server.password},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.strip().splitlines()[0] if done.stderr else done.stdout
    return done.stdout


@pytest.mark.parametrize("test", ["types", "prepared", "batches", "errors", "metadata"])
def test_pgjdbc(program, server, schema, test):
    """runs by the simple and the extended protocol"""
    assert run(program, server, test, schema) == "ok\n"
