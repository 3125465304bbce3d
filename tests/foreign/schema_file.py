#!/usr/bin/env python3
"""Reads schema files with a TOML reader that is not ours, and judges them by the published JSON Schema.

Usage: schema_file.py JSON_SCHEMA FILE…
Prints a line a file: `valid`, or `invalid at PLACE: why` of the first thing that is wrong. TOML's dates and times count as
strings.
"""

import datetime
import json
import sys

import jsonschema

try:
    import tomllib
except ImportError:  # Python 3.10
    import tomli as tomllib


def plain(value):
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    return value


def main(schema, *files):
    with open(schema, encoding="utf-8") as file:
        schema = json.load(file)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    for name in files:
        try:
            with open(name, "rb") as file:
                content = plain(tomllib.load(file))
        except tomllib.TOMLDecodeError as error:
            print(f"invalid: {error}")
            continue
        error = jsonschema.exceptions.best_match(validator.iter_errors(content))
        print("valid" if error is None else f"invalid at {error.json_path}: {error.message}")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
