"""Measures what a baseline spares an analysis, by what has changed since, in one run on this machine.

    .venv/bin/python benchmarks/taken_over.py 300x100

Everything is judged and tried once; then the world with one change is judged with what that left and without, and both
have to say the same. What was left is read from a file, as a run reads it. CPU seconds depend on what else the machine
does; the shares of one run can be compared.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from time import process_time

from scanner.analyze.findings import AnalysisResult, Verdicts, analyze
from scanner.analyze.parts import AnalysisRules, unwanted
from scanner.executors import rarely_collecting
from scanner.model.key import KeyFacts
from scanner.model.outcomes import TakenOver, Trials
from scanner.model.policy import DocumentKind, PolicyText
from scanner.model.principal import PrincipalFacts, PrincipalKind
from scanner.model.verdicts import KnownVerdicts
from scanner.model.world import World
from scanner.report.directory import RunDirectory
from scanner.report.verdicts import VERDICTS, VerdictsWriter, read_verdicts
from scanner.snapshot.read import reading
from scanner.snapshot.view import Assumptions, load_meta, load_world

from org import write
from scale import as_table, machine, shape_of

HEAD = (
    "principals × keys", "remedies", "what changed", "full, CPU s", "with the baseline", "keys judged anew",
    "keys tried anew", "others tried anew",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Run:
    """One analysis: its CPU seconds, what it said, a hash of all rows about access, and what it left."""

    seconds: float
    result: AnalysisResult
    rows: str
    left: Path

    def says(self, other: Run) -> bool:
        """Whether both say the same, and leave the same to the next run."""
        plain = [replace(run.result, taken_over=TakenOver()) for run in (self, other)]
        return plain[0] == plain[1] and self.rows == other.rows and self.left.read_bytes() == other.left.read_bytes()


def judged(world: World, rules: AnalysisRules, folder: Path, before: Run | None = None) -> Run:
    """One analysis that leaves its judgements in a folder; with a baseline, one that takes over what it left."""
    started, told = process_time(), hashlib.sha256()
    directory = RunDirectory.create(folder.parent, folder.name)
    with rarely_collecting(), VerdictsWriter(directory) as kept:
        result = analyze(
            world, rules, write_key=unwanted, write_access=lambda row: told.update(repr(row).encode()),
            known=before.result.trials if before else Trials(),
            verdicts=Verdicts(read_verdicts(before.left) if before else KnownVerdicts(), kept.write),
        )  # fmt: skip
    return Run(process_time() - started, result, told.hexdigest(), directory.path / VERDICTS)


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
    yield "the day", replace(world, as_of="2027-01-15T00:00:00+00:00")
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


def rows(size: str, *, remedies: bool) -> Iterator[tuple[str, ...]]:
    """A row for each change; ends the program where a result is not that of a full analysis."""
    rules = AnalysisRules(remedies=remedies)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with reading(write(shape_of(size, 7), folder / "snapshot.sqlite")) as connection:
            world = beside(load_world(connection, Assumptions(load_meta(connection)["as_of"])), "s3:GetObject")
        baseline = judged(world, rules, folder / "baseline")
        for what, now in changed(world):
            full, spared = judged(now, rules, folder / "full"), judged(now, rules, folder / "spared", baseline)
            if not spared.says(full):
                raise SystemExit(f"{size}: the analysis with a baseline says something else where {what} changed")
            taken = spared.result.taken_over
            anew = ((taken.judged_anew, taken.judged), (taken.keys_anew, taken.keys), (taken.trials_anew, taken.trials))
            counts = (f"{some} of {all_}" for some, all_ in anew)
            yield (
                size, "yes" if remedies else "no", what, f"{full.seconds:.1f}", f"{spared.seconds:.1f}", *counts
            )  # fmt: skip


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sizes", nargs="*", default=["300x100"], help="as 300x100, which is the default")
    sizes = parser.parse_args().sizes
    print(machine())
    found = (row for size in sizes for remedies in (True, False) for row in rows(size, remedies=remedies))
    print("\n".join(as_table(HEAD, list(found))))


if __name__ == "__main__":
    main()
