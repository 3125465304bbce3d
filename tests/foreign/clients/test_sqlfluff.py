"""sqlfluff reads what stagecopy sends: every statement of whole runs, in the dialect of Redshift."""

import json
import os
import re
import shutil
import subprocess

import pytest
import sqlfluff

CLIENT = f"sqlfluff {sqlfluff.__version__}"
pytestmark = pytest.mark.skipif(not shutil.which("stagecopy"), reason="no stagecopy on PATH")

STATEMENT = re.compile(r'DEBUG statement=(.*) purpose="[^"]*"$', re.M)
# What it cannot read, and why that is no fault of the statement.
UNREAD = {
    "SERIALIZETOJSON": "a parameter of COPY that it does not know",
    "::regclass": "a type of the catalog that it does not know",
}


DECLARED = """
version = 1
[table]
distkey = "id"
sortkey = ["at", "id"]
sortstyle = "interleaved"
[[column]]
name = "id"
type = "BIGINT"
nullable = false
encode = "raw"
[[column]]
name = "name"
type = "VARCHAR(32)"
default = "it's \\\\ é"
encode = "text255"
[[column]]
name = "at"
type = "TIMESTAMPTZ"
default = 2024-02-29T01:02:03-08:00
[[column]]
name = "tags"
type = "SUPER"
[[column]]
name = "length"
type = "DECIMAL(5,2)"
default = -1.50
"""


def statements(server, folder, schema, *arguments, table="sent"):
    """What an export sends, as its log has it: secrets masked."""
    done = subprocess.run(
        ["stagecopy", "export", *arguments, "--table", f"{schema}.{table}"],
        env={**os.environ, "STAGECOPY_LOG": "stagecopy=debug"},
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr.splitlines()[-3:]
    return STATEMENT.findall(done.stderr)


@pytest.fixture
def records(tmp_path):
    rows = [{"id": n, "name": f"row {n}", "at": "2024-02-29T01:02:03Z", "tags": ["a"], "note": "x" * n} for n in range(1, 4)]
    file = tmp_path / "a.json"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def test_statements(server, schema, records, tmp_path):
    """each statement of a first load, an append, a load that adds a column, and one into a declared table is read"""
    if not server.tls:
        pytest.skip("stagecopy's statements do not depend on the server")
    sent = []
    later = tmp_path / "b.json"
    (tmp_path / "c.json").write_text(json.dumps({"id": 10, "new": 1.5}) + "\n")
    later.write_text(json.dumps({"id": 9, "name": "later"}) + "\n")
    for arguments in ([records], [later], [tmp_path / "c.json", "--evolve", "all"]):
        sent += statements(server, tmp_path, schema, *map(str, arguments))
    (tmp_path / "s.toml").write_text(DECLARED)
    declared = ["--schema", "s.toml", "--unknown-keys", "ignore"]
    sent += statements(server, tmp_path, schema, str(records), *declared, table="declared")
    assert len(sent) > 30
    for statement in sorted(set(sent)):
        if any(word in statement for word in UNREAD):
            continue
        parsed = sqlfluff.parse(statement + ";\n", dialect="redshift")
        assert "unparsable" not in json.dumps(parsed), statement
