"""Two worlds judged and compared: what documents in the place of others would do to access."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from scanner.analyze.edits.insiders import asked, insiders_compared
from scanner.analyze.edits.whatif import Overlay, missing_principals
from scanner.analyze.findings import analyze
from scanner.analyze.history.difference import compare_access
from scanner.analyze.history.sameness import reads_the_same
from scanner.analyze.language.parse import parse_policy
from scanner.analyze.parts import AnalysisRules
from scanner.analyze.principals.reach import Population
from scanner.model.actions import ACTIONS
from scanner.model.arn import KeyArn, key_id_of
from scanner.model.decision import Verdict
from scanner.model.finding import Finding
from scanner.model.key import KeyFacts
from scanner.model.policy import PolicyText
from scanner.model.whatif import Control, FindingChange, WhatIf
from scanner.model.world import World


def what_if(world: World, over: Overlay, rules: AnalysisRules) -> WhatIf:
    """Judge a world as it is and as it would be, as far as the documents can touch it, and compare the access.

    A key policy or grant touches its own key, and the findings that name it among others; every other document can
    touch every key.
    """
    rules = replace(rules, service_principals="all", insiders=False, remedies=False)
    touched: Collection[KeyArn] = world.keys if over.everywhere else over.keys
    keys = touched
    before, after = (_judged(w, keys, rules) for w in (world, over.world))
    if not over.everywhere and _of_several(before) != _of_several(after):
        keys = world.keys
        before, after = (_judged(w, keys, rules) for w in (world, over.world))
    return WhatIf(
        changes=over.changes,
        keys=len(keys),
        outside=compare_access(before, after, world),
        inside=insiders_compared(world, over.world, sorted(touched)),
        findings=tuple(_changed(before, after)),
        control=tuple(_control(world, over.world, arn) for arn in sorted(over.keys) if _is_new(world, over.world, arn)),
        warnings=tuple(_missing_principals(world, over.world)),
    )


def _judged(world: World, keys: Collection[KeyArn], rules: AnalysisRules) -> tuple[Finding, ...]:
    chosen = {arn: key for arn, key in world.keys.items() if arn in keys}
    only = replace(world, keys=chosen)
    return analyze(only, rules, write_key=_unused, write_access=_unused).findings


def _unused(row: object) -> None:
    """Rows of tables are not wanted here."""
    del row


def _of_several(findings: Iterable[Finding]) -> set[tuple[str, str]]:
    """Findings that are about more than one key, or none: another key may be part of them too."""
    return {(f.id, f.fingerprint) for f in findings if f.key is None}


def _changed(before: Sequence[Finding], after: Sequence[Finding]) -> Iterator[FindingChange]:
    old, new = ({f.id: f for f in findings} for findings in (before, after))
    for finding_id in sorted({*old, *new}):
        was, now = old.get(finding_id), new.get(finding_id)
        if was and now and reads_the_same(was, now):
            continue
        shown = now or was
        assert shown is not None
        yield FindingChange(
            finding_id, shown.title, was.verdict if was else None, now.verdict if now else None,
            was.severity if was else None, now.severity if now else None,
        )  # fmt: skip


# -- what AWS would say to the documents ------------------------------------------------------------------------------


def _is_new(world: World, other: World, arn: KeyArn) -> bool:
    return world.keys[arn].key_policy != other.keys[arn].key_policy


def _control(world: World, other: World, arn: KeyArn) -> Control:
    """Who can change the policy of a key: the lockout that AWS checks, against everything that was read (R9.10)."""
    was, now = (dict(_changers(w, w.keys[arn])) for w in (world, other))
    sure = tuple(p for p, verdict in now.items() if verdict in {Verdict.ALLOWED, Verdict.CONDITIONAL})
    perhaps = tuple(p for p, verdict in now.items() if verdict is Verdict.UNKNOWN)
    key = other.keys[arn]
    return Control(arn, (key.aliases or (key_id_of(arn),))[0], sure, perhaps, bool(was))


def _changers(world: World, key: KeyFacts) -> Iterator[tuple[str, Verdict]]:
    action = ACTIONS["putkeypolicy"]
    for caller in Population(world).identities_of(key.account_id, key.partition):
        verdict = asked(world, key, caller, action).verdict
        if not caller.session_open and verdict is not Verdict.DENIED:
            yield caller.text, verdict


def _missing_principals(world: World, other: World) -> Iterator[str]:
    """Principals that a new key or trust policy names and that do not exist: AWS refuses to save it (R2.18)."""
    for policy in _new_policies(world, other):
        for line, value in missing_principals(parse_policy(policy), other):
            yield (
                f"line {line} of the new {policy.name} of {policy.source} names {value}, which does not exist: AWS "
                "would refuse to save it"
            )


def _new_policies(world: World, other: World) -> Iterator[PolicyText]:
    for arn, key in other.keys.items():
        if key.key_policy is not None and key.key_policy != world.keys[arn].key_policy:
            yield key.key_policy
    for name, facts in other.principals.items():
        if facts.trust_policy is not None and facts.trust_policy != world.principals[name].trust_policy:
            yield facts.trust_policy
