"""Decisions per CPU second on one cross-account question, beside other evaluators where they are installed.

Run with `make bench`. Peers run in their own process: PMapper (`pip install principalmapper` into the same
environment) and iam-simulate (`npm install --prefix benchmarks @cloud-copilot/iam-simulate`). A peer that is not there
is said to be absent. Figures depend on the machine; the ratios within one run are what counts.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))

from scanner.analyze.decision.decide import decide  # noqa: E402
from scanner.analyze.principals.classes import Classes  # noqa: E402
from scanner.model.decision import Decision, Verdict  # noqa: E402

from builders import KEY, MEMBER, OWNER, iam, key, policy, principal, request, world  # noqa: E402  # tests/ first

SIZES = (1, 10, 50, 200)
SECONDS = 1.0
ROLE = iam(MEMBER, "role/App")
CONTEXT = {"kms:ViaService": "s3.eu-west-1.amazonaws.com", "aws:SourceIp": "10.1.2.3"}
_ACTIONS = ("kms:Encrypt", "kms:GenerateDataKey*", "kms:DescribeKey", "kms:CreateGrant", "kms:Decrypt", "kms:List*")
_CONDITIONS: tuple[dict[str, Any], ...] = (
    {},
    {"StringEquals": {"kms:ViaService": "ec2.eu-west-1.amazonaws.com"}},
    {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}},
    {"StringLike": {"kms:EncryptionContext:app": "payroll-*"}},
)


def documents(count: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """An identity policy and a key policy of `count` statements each; the last of each allows kms:Decrypt."""
    identity: list[dict[str, Any]] = []
    resource: list[dict[str, Any]] = []
    for number in range(count - 1):
        statement: dict[str, Any] = {"Effect": "Allow", "Action": _ACTIONS[number % 6], "Resource": "*"}
        condition = _CONDITIONS[number % 4]
        if condition:
            statement["Condition"] = condition
        elif statement["Action"] == "kms:Decrypt":
            statement["Resource"] = KEY.replace("eu-west-1", "us-east-1")
        identity.append(statement)
        resource.append({**statement, "Principal": {"AWS": f"arn:aws:iam::{200000000000 + number}:root"}})
    last = {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"}
    identity.append(last)
    resource.append({**last, "Principal": {"AWS": ROLE}})
    return policy(*identity), policy(*resource)


def rate(run: Callable[[], object]) -> float:
    """How often something runs in a second of CPU time, warmed up."""
    for _ in range(20):
        run()
    started, count = process_time(), 0
    while process_time() - started < SECONDS:
        for _ in range(10):
            run()
        count += 10
    return count / (process_time() - started)


def ours(count: int) -> dict[str, float]:
    """Our rates: the verdict alone, with the full trace, and the verdict by class of caller."""
    identity, resource = documents(count)
    given = world(key(*resource["Statement"]), principal(ROLE, identity))
    context = {name.lower(): (value,) for name, value in CONTEXT.items()}
    asked = request(given, ROLE, context=context)
    classes = Classes(given)
    decided: dict[object, Decision] = {}

    def by_class() -> Decision:
        assert asked.key is not None
        place = (classes.of(asked.caller, asked.key), asked.key.arn, asked.iam_action)
        if place not in decided:
            decided[place] = decide(given, asked, trace=False)
        return decided[place]

    assert decide(given, asked).verdict is Verdict.ALLOWED
    return {
        "verdict": rate(lambda: decide(given, asked, trace=False)),
        "trace": rate(lambda: decide(given, asked)),
        "class": rate(by_class),
    }


def case(count: int) -> dict[str, Any]:
    """The question as the peers' processes read it."""
    identity, resource = documents(count)
    return {
        "identity": identity,
        "resource": resource,
        "principal": ROLE,
        "key": KEY,
        "owner": OWNER,
        "context": CONTEXT,
    }


def peer(command: list[str], asked: dict[str, Any]) -> float | None:
    """The rate that a peer's own process prints; None where it could not run."""
    given = json.dumps({**asked, "seconds": SECONDS})
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, cwd=HERE)
    if done.returncode:
        print(f"  {command[-1]}: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return None
    return float(json.loads(done.stdout)["rate"])


def peers() -> dict[str, list[str]]:
    """The commands of the peers that are installed."""
    found: dict[str, list[str]] = {}
    if importlib.util.find_spec("principalmapper"):
        found["PMapper"] = [sys.executable, str(HERE / "peers" / "pmapper.py")]
    node = shutil.which("node")
    if node and (HERE / "node_modules" / "@cloud-copilot" / "iam-simulate").is_dir():
        found["iam-simulate"] = [node, str(HERE / "peers" / "iam_simulate.mjs")]
    return found


def main() -> None:
    """Print one row per size of policy."""
    installed = peers()
    names = ("PMapper", "iam-simulate")
    for name in names:
        if name not in installed:
            print(f"{name}: absent")
    print("decisions per CPU second; one cross-account question that both sides allow")
    head = ("statements", "verdict", "with trace", "by class", *names, "verdict : iam-simulate")
    print("  ".join(f"{h:>12}" for h in head))
    for count in SIZES:
        mine = ours(count)
        theirs = {name: peer(command, case(count)) for name, command in installed.items()}
        slowest = theirs.get("iam-simulate")
        cells = [
            f"{count} + {count}", *(f"{mine[n]:,.0f}" for n in ("verdict", "trace", "class")),
            *(f"{theirs[n]:,.0f}" if theirs.get(n) else "–" for n in names),
            f"{mine['verdict'] / slowest:.1f}" if slowest else "–",
        ]  # fmt: skip
        print("  ".join(f"{c:>12}" for c in cells))


if __name__ == "__main__":
    main()
