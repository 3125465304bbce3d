#!/usr/bin/env python3
"""Prints a YAML file as JSON: compose.py FILE"""

import json
import sys

import yaml

json.dump(yaml.safe_load(open(sys.argv[1], encoding="utf-8")), sys.stdout)
