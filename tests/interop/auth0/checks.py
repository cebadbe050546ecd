"""What the Python SDKs share: the answers, and how a check is told."""

import json
import pathlib

ANSWERS = json.loads(pathlib.Path(__file__).with_name("answers.json").read_text())

failed = []


def check(what, seen, expected):
    if seen == expected:
        print("ok", what)
    else:
        print(f"FAILED {what}: {seen} is not {expected}")
        failed.append(what)
