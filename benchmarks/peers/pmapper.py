"""PMapper's local policy simulation on the question of `decide.py`, in a process of its own."""

from __future__ import annotations

import collections
import collections.abc
import json
import sys
from time import process_time

collections.Mapping = collections.abc.Mapping  # type: ignore[attr-defined]  # it imports names that Python 3.10 removed
collections.MutableMapping = collections.abc.MutableMapping  # type: ignore[attr-defined]  # the same

from principalmapper.common import Node, Policy  # noqa: E402  # type: ignore[import-not-found]
from principalmapper.querying.query_interface import (  # noqa: E402  # type: ignore[import-not-found]
    local_check_authorization_full,
)


def main() -> None:
    """Read a case from standard input, print its rate."""
    case = json.load(sys.stdin)
    held = Policy(f"{case['principal']}/policy", "policy", case["identity"])
    trust = {"Version": "2012-10-17", "Statement": []}
    node = Node(case["principal"], "AROA1", [held], [], trust, [], 0, False, False, None, False, {})

    def run() -> bool:
        allowed: bool = local_check_authorization_full(
            node, "kms:Decrypt", case["key"], case["context"], case["resource"], case["owner"]
        )
        return allowed

    if not run():
        raise SystemExit("PMapper refuses what both sides allow")
    started, count = process_time(), 0
    while process_time() - started < case["seconds"]:
        run()
        count += 1
    print(json.dumps({"rate": count / (process_time() - started)}))


main()
