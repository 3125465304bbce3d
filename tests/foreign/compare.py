#!/usr/bin/env python3
"""Compares a table with the records it was loaded from, value by value, as multisets.

Usage: compare.py TABLE FILE...      (connection from the PG* variables; FILE: JSON Lines)
Prints `equal: N rows, C columns` and exits 0, or the first differences and exits 1.

It shares no code with the program: JSON by Python's own parser (numbers kept as text), rows by psycopg.
"""

import json
import os
import sys
from collections import Counter
from datetime import date, datetime, time, timezone
from decimal import Decimal

import psycopg
from psycopg import sql

SUPER = 4000
FLOATS = (700, 701)
INTEGERS = (20, 21, 23)
NUMERIC = 1700
TEXTS = (1042, 1043, 25)
BOOLEAN = 16
DATE = 1082
TIME = 1083
TIMESTAMP = 1114
TIMESTAMPTZ = 1184


class Number(str):
    """A JSON number as it was written."""


# Redshift folds the letters of ASCII alone
ASCII_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


def parse(text):
    return json.loads(text, parse_float=Number, parse_int=Number)


def number(value):
    value = Decimal(value)
    return "0" if value == 0 else format(value.normalize(), "f")


def nested(value):
    """One spelling of a JSON value: keys sorted, numbers by value."""
    if isinstance(value, Number):
        return "#" + number(value)
    if isinstance(value, dict):
        return "{" + ",".join(json.dumps(k) + ":" + nested(v) for k, v in sorted(value.items())) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(nested, value)) + "]"
    return json.dumps(value)


def expected(oid, value):
    """A record's value as a column of this type should give it back."""
    if value is None:
        return None
    if oid == SUPER:
        return nested(value)
    if oid in INTEGERS or oid in FLOATS or oid == NUMERIC:
        if not isinstance(value, Number):
            raise ValueError(f"{value!r} in a column of numbers")
        return number(value)
    if oid == BOOLEAN:
        if not isinstance(value, bool):
            raise ValueError(f"{value!r} in a column of booleans")
        return value
    if oid == DATE:
        return date.fromisoformat(value).isoformat()
    if oid == TIME:
        return time.fromisoformat(value).isoformat()
    if oid in (TIMESTAMP, TIMESTAMPTZ):
        moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
        if oid == TIMESTAMPTZ:
            moment = moment.astimezone(timezone.utc)
        return moment.isoformat()
    if oid in TEXTS:
        return {True: "true", False: "false"}.get(value, value) if isinstance(value, bool) else str(value)
    raise ValueError(f"type {oid}")


def actual(oid, value):
    """A column's value in the same spelling."""
    if value is None:
        return None
    if oid == SUPER:
        return nested(parse(value))
    if oid in INTEGERS or oid == NUMERIC:
        return number(value)
    if oid in FLOATS:
        return number(repr(value))
    if oid == TIMESTAMPTZ:
        return value.astimezone(timezone.utc).isoformat()
    if oid in (DATE, TIME, TIMESTAMP):
        return value.isoformat()
    return value


def main(table, files):
    records = [parse(line) for file in files for line in open(file, encoding="utf-8") if line.strip()]
    schema, _, name = table.rpartition(".")
    target = sql.Identifier(schema or "public", name)
    with psycopg.connect(
        client_encoding="utf8", sslmode=os.environ.get("PGSSLMODE", "verify-full")
    ) as connection:
        cursor = connection.execute(sql.SQL("SELECT * FROM {}").format(target))
        columns = [(column.name, column.type_code) for column in cursor.description]
        rows = Counter(
            tuple(actual(oid, value) for (_, oid), value in zip(columns, row)) for row in cursor.fetchall()
        )
    wanted = Counter()
    for record in records:
        folded = {key.translate(ASCII_LOWER): value for key, value in record.items()}
        extra = [k for k, v in folded.items() if v is not None and k not in dict(columns)]
        if extra:
            print(f"no column for {extra}")
            return 1
        wanted[tuple(expected(oid, folded.get(name)) for name, oid in columns)] += 1
    if rows == wanted:
        print(f"equal: {sum(rows.values())} rows, {len(columns)} columns")
        return 0
    for title, some in (("only in the records", wanted - rows), ("only in the table", rows - wanted)):
        print(f"{title}: {sum(some.values())} rows")
        for row in list(some)[:3]:
            print("  ", str(row)[:500])
    return 1


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2:]))
