"""Measures what a baseline spares an analysis, by what has changed since, in one run on this machine.

    .venv/bin/python benchmarks/taken_over.py 300x100

Everything is tried once; then the world with one change is judged with the trials of before and without, and both have
to say the same. CPU seconds depend on what else the machine does; the shares of one run can be compared.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from time import process_time

from scanner.analyze.findings import AnalysisResult, analyze
from scanner.analyze.parts import AnalysisRules, unwanted
from scanner.executors import rarely_collecting
from scanner.model.key import KeyFacts
from scanner.model.outcomes import TakenOver, Trials
from scanner.model.policy import DocumentKind, PolicyText
from scanner.model.principal import PrincipalFacts, PrincipalKind
from scanner.model.world import World
from scanner.snapshot.read import reading
from scanner.snapshot.view import Assumptions, load_meta, load_world

from org import write
from scale import as_table, machine, shape_of

HEAD = ("principals × keys", "what changed", "full, CPU s", "with the baseline", "keys tried anew", "others tried anew")


def judged(world: World, known: Trials) -> tuple[float, AnalysisResult]:
    """One analysis and its CPU seconds."""
    before = process_time()
    with rarely_collecting():
        result = analyze(world, AnalysisRules(), write_key=unwanted, write_access=unwanted, known=known)
    return process_time() - before, result


def beside(world: World, action: str) -> World:
    """The world in which a role holds one more policy, about another service."""
    role = _some_role(world)
    written = json.dumps({"Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]})
    sha256 = hashlib.sha256(written.encode()).hexdigest()
    others = (p for p in role.identity_policies if p.name != "beside")
    held = (*others, PolicyText(written, sha256, DocumentKind.IDENTITY, role.arn, "beside"))
    return _with_role(world, replace(role, identity_policies=held))


def changed(world: World) -> Iterator[tuple[str, World]]:
    """What may have happened since `world`, and what that led to."""
    yield "nothing", world
    used = {arn: replace(key, last_used="2026-11-21") for arn, key in world.keys.items()}
    yield "when keys were used", replace(world, keys=used)
    yield "a role, about others", beside(world, "sqs:SendMessage")
    key = next(k for k in world.keys.values() if k.key_policy is not None and k.manager != "AWS")
    yield "a key policy", _with_key(world, replace(key, key_policy=_with_one_more(key.key_policy)))
    granted = next(k for k in world.keys.values() if k.grants)
    grants = (*(key.grants or ()), replace(next(iter(granted.grants or ())), grant_id="f" * 64))
    yield "a grant that is new", _with_key(world, replace(key, grants=grants))
    yield "a role", _with_role(world, replace(_some_role(world), identity_policies=()))


def _some_role(world: World) -> PrincipalFacts:
    return next(p for p in world.principals.values() if p.identity_policies and p.kind is PrincipalKind.ROLE)


def _with_role(world: World, role: PrincipalFacts) -> World:
    return replace(world, principals={**world.principals, role.arn: role})


def _with_key(world: World, key: KeyFacts) -> World:
    return replace(world, keys={**world.keys, key.arn: key})


def _with_one_more(policy: PolicyText | None) -> PolicyText:
    """A key policy that lets in one account more."""
    assert policy is not None
    document = json.loads(policy.text)
    stranger = {"AWS": "arn:aws:iam::999988887777:root"}
    document["Statement"].append({"Effect": "Allow", "Principal": stranger, "Action": "kms:Decrypt", "Resource": "*"})
    written = json.dumps(document)
    return replace(policy, text=written, sha256=hashlib.sha256(written.encode()).hexdigest())


def rows(size: str) -> Iterator[tuple[str, ...]]:
    """A row for each change; ends the program where a result is not that of a full analysis."""
    with tempfile.TemporaryDirectory() as folder:
        path = write(shape_of(size, 7), Path(folder) / "snapshot.sqlite")
        with reading(path) as connection:
            world = beside(load_world(connection, Assumptions(load_meta(connection)["as_of"])), "s3:GetObject")
    _, baseline = judged(world, Trials())
    for what, now in changed(world):
        full, expected = judged(now, Trials())
        spared, result = judged(now, baseline.trials)
        if replace(result, taken_over=TakenOver()) != replace(expected, taken_over=TakenOver()):
            raise SystemExit(f"{size}: the analysis with a baseline says something else where {what} changed")
        taken = result.taken_over
        anew = (f"{taken.keys_anew} of {taken.keys}", f"{taken.trials_anew} of {taken.trials}")
        yield size, what, f"{full:.1f}", f"{spared:.1f}", *anew


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sizes", nargs="*", default=["300x100"], help="as 300x100, which is the default")
    sizes = parser.parse_args().sizes
    print(machine())
    print("\n".join(as_table(HEAD, [row for size in sizes for row in rows(size)])))


if __name__ == "__main__":
    main()
