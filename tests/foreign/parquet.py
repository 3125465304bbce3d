#!/usr/bin/env python3
"""Reads staged parts with DuckDB and compares them with the records they were made from.

Usage: parquet.py DIRECTORY FILE      (parts below DIRECTORY; FILE: JSON Lines)
Prints `equal: N rows` and what every footer says of formats, or the first difference and exits 1.
"""

import glob
import json
import sys
from collections import Counter

import duckdb


class Number(str):
    """A JSON number as it was written."""


def main(directory, file):
    parts = sorted(glob.glob(directory + "/**/*.parquet", recursive=True))
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        rows = database.execute("SELECT COLUMNS(*)::VARCHAR FROM read_parquet(?)", [parts])
        names = [column[0] for column in rows.description]
        read = Counter(rows.fetchall())
        facts = database.execute(
            "SELECT DISTINCT type, converted_type FROM parquet_schema(?) WHERE type IS NOT NULL ORDER BY ALL", [parts]
        ).fetchall()
        encodings = database.execute(
            "SELECT DISTINCT unnest(string_split(encodings, ', ')) FROM parquet_metadata(?) ORDER BY ALL", [parts]
        ).fetchall()
    wanted = Counter()
    for line in open(file, encoding="utf-8"):
        record = json.loads(line, parse_float=Number, parse_int=Number)
        wanted[tuple(None if record.get(n) is None else spelled(record[n]) for n in names)] += 1
    if read != wanted:
        print("only in the parts:", list((read - wanted).items())[:2])
        print("only in the records:", list((wanted - read).items())[:2])
        return 1
    print(f"equal: {sum(read.values())} rows")
    print("types:", "; ".join(f"{kind} {converted}" for kind, converted in facts))
    print("encodings:", ", ".join(e for (e,) in encodings))
    return 0


def spelled(value):
    """As DuckDB prints it."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, bool):
        return str(value).lower()
    if value[4:5] == "-" and "T" in value:
        return value.replace("T", " ").replace("Z", "+00")
    return value


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
