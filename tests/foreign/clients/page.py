"""Prints the page of what other people's clients do, from the results of two runs: page.py JUDGE POSTGRESQL"""

import json
import os
import sys

HEAD = """\
# Other people's clients

What programs that know nothing of this project do with the local Redshift, unchanged and without options that a real cluster
would not need. Each line is a test of `tests/foreign/clients`; the same test ran against a plain database in the
PostgreSQL behind. A test that passes on both tells that the client works, not that the judge is Redshift.

Made by `./localstack/run tests/foreign/clients/run --page localstack/CLIENTS.md`.
"""
WORDS = {"passed": "passes", "failed": "fails", "skipped": "not run", "missing": "missing"}


def results(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def cell(text):
    return text.replace("|", "\\|").replace("\n", " ")


def main(judge, postgresql):
    plain = {result["test"]: result["outcome"] for result in results(postgresql)}
    print(HEAD)
    client = None
    for result in results(judge):
        if result["client"] != client:
            client = result["client"]
            print(f"\n## {client}\n\n| | local Redshift | PostgreSQL |\n|---|---|---|")
        here = WORDS[result["outcome"]]
        if result["outcome"] == "missing":
            here += f": {result['reason']}"
        # What a client wants of a Redshift and this one has not, PostgreSQL has not either.
        there = WORDS[plain.get(result["test"], "skipped")].replace("missing", "fails")
        print(f"| {cell(result['what'])} | {cell(here)} | {there} |")
    told = results(judge)
    counts = {word: sum(result["outcome"] == word for result in told) for word in WORDS}
    alike = sum(result["outcome"] == "passed" and plain.get(result["test"]) == "passed" for result in told)
    print(f"\n{counts['passed']} of {len(told)} pass on the local Redshift, {alike} of them on PostgreSQL too; "
          f"{counts['missing']} meet something that the local Redshift has not; {counts['skipped']} were not run.")
    unjudged = os.path.join(os.environ["LOCAL_REDSHIFT_DIRECTORY"], "unjudged.log")
    things = set()
    if os.path.exists(unjudged):
        with open(unjudged, encoding="utf-8") as file:
            things = {json.loads(line)["unjudged"] for line in file}
    print(f"\nWhat they sent that no rule of the judge knows: {', '.join(sorted(things)) or 'nothing'}.")


if __name__ == "__main__":
    main(*sys.argv[1:])
