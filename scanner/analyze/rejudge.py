"""Two worlds judged and compared: what documents in the place of others would do to access."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import replace

from scanner.analyze.decision.decide import decide
from scanner.analyze.edits.whatif import Overlay, missing_principals
from scanner.analyze.findings import AnalysisRules, analyze
from scanner.analyze.history.difference import compare_access
from scanner.analyze.history.sameness import reads_the_same
from scanner.analyze.language.parse import parse_policy
from scanner.analyze.principals.classes import Classes
from scanner.analyze.principals.reach import Population
from scanner.analyze.request.caller import Caller, account_of, organization_of
from scanner.analyze.request.request import Request
from scanner.model.actions import ACTIONS, KEY_ACTIONS, Action
from scanner.model.arn import KeyArn, key_id_of
from scanner.model.decision import Decision, Verdict
from scanner.model.difference import Compared
from scanner.model.finding import (
    OWN_ACCOUNT,
    CapabilityResult,
    Finding,
    FindingVerdict,
    Grantee,
    Kind,
    Mechanism,
    ResourceRef,
    Severity,
)
from scanner.model.key import KeyFacts
from scanner.model.policy import PolicyText
from scanner.model.whatif import Control, FindingChange, WhatIf
from scanner.model.world import World

MOST_INSIDERS = 1_000
"""Classes of principals inside the keys' own accounts that are compared; each is asked about every action, twice."""

_VERDICTS = {
    Verdict.ALLOWED: FindingVerdict.CONFIRMED, Verdict.CONDITIONAL: FindingVerdict.CONDITIONAL,
    Verdict.UNKNOWN: FindingVerdict.POSSIBLE, Verdict.LATENT: FindingVerdict.BLOCKED,
}  # fmt: skip


def what_if(world: World, over: Overlay, rules: AnalysisRules) -> WhatIf:
    """Judge a world as it is and as it would be, as far as the documents can touch it, and compare the access.

    A key policy or grant touches its own key, and the findings that name it among others; every other document can
    touch every key.
    """
    rules = replace(rules, service_principals="all", insiders=False, remedies=False)
    keys: Collection[KeyArn] = world.keys if over.everywhere else over.keys
    before, after = (_judged(w, keys, rules) for w in (world, over.world))
    if not over.everywhere and _of_several(before) != _of_several(after):
        before, after = (_judged(w, world.keys, rules) for w in (world, over.world))
    return WhatIf(
        changes=over.changes,
        keys=len(keys),
        outside=compare_access(before, after),
        inside=_insiders(world, over.world, sorted(keys)),
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


# -- principals of the keys' own accounts -----------------------------------------------------------------------------


def _insiders(world: World, other: World, keys: Sequence[KeyArn]) -> Compared | None:
    """The difference for everybody inside each key's account; None where they are too many."""
    left = MOST_INSIDERS
    sides: list[list[Finding]] = [[], []]
    populations = [(w, Population(w), Classes(w)) for w in (world, other)]
    for arn in keys:
        if world.keys[arn].manager == "AWS":
            continue
        groups = _groups(arn, populations)
        left -= len(groups)
        if left < 0:
            return None
        for alike in groups.values():
            for number, (side, (w, _, _)) in enumerate(zip(sides, populations, strict=True)):
                found = _can_do(w, w.keys[arn], alike[0][number])
                side.extend(_as_finding(w, w.keys[arn], pair[number], found) for pair in alike if found)
    return compare_access(sides[0], sides[1])


def _groups(
    arn: KeyArn, populations: Sequence[tuple[World, Population, Classes]]
) -> dict[Hashable, list[tuple[Caller, ...]]]:  # fmt: skip
    """The principals of a key's account, each as both worlds have it; in a group those alike in both.

    Those for whom nothing changed are left out: neither the key, nor their own policies, nor the guardrails.
    """
    groups: dict[Hashable, list[tuple[Caller, ...]]] = {}
    people = []
    for w, population, _ in populations:
        callers = population.identities_of(w.keys[arn].account_id, w.keys[arn].partition)
        people.append({c.text: c for c in callers if not c.session_open})
    (old, _, _), (new, _, _) = populations
    same = old.keys[arn] == new.keys[arn] and _guardrails(old, arn) == _guardrails(new, arn)
    for text in people[0]:
        pair = tuple(known[text] for known in people)
        if same and pair[0] == pair[1]:
            continue
        alike = tuple(classes.of(c, w.keys[arn]) for c, (w, _, classes) in zip(pair, populations, strict=True))
        groups.setdefault(alike, []).append(pair)
    return groups


def _guardrails(world: World, arn: KeyArn) -> object:
    """The service and resource control policies above the account of a key."""
    account = world.keys[arn].account_id
    organization = organization_of(world, account)
    if organization is None:
        return None
    targets = (*organization.members.get(account, ()), account)
    held = (organization.scps, organization.rcps)
    return [None if attached is None else [attached.get(target) for target in targets] for attached in held]


def _can_do(world: World, key: KeyFacts, caller: Caller) -> tuple[CapabilityResult, ...]:
    return tuple(r for action in KEY_ACTIONS for r in _as_result(action, _asked(world, key, caller, action)))


def _as_finding(world: World, key: KeyFacts, caller: Caller, results: tuple[CapabilityResult, ...]) -> Finding:
    """What an insider can do with a key, in the form in which access is compared."""
    name = account_of(world, key.account_id).name
    resource = ResourceRef("key", key.arn, (key.aliases or (key_id_of(key.arn),))[0], key.account_id, name)
    return Finding(
        id="", fingerprint="", kind=Kind.EXTERNAL_ACCESS, lifecycle="", first_seen="", last_seen="",
        severity=Severity.INFO, severity_reasons=(), verdict=results[0].verdict, verdict_reasons=(), title="",
        summary="", resource=resource, key=None,
        grantee=Grantee(caller.text, caller.kind.value, caller.account_id, name, OWN_ACCOUNT),
        mechanism=Mechanism("the policies of the key and of IAM together"), capabilities=results, keys_total=0,
    )  # fmt: skip


def _asked(world: World, key: KeyFacts, caller: Caller, action: Action) -> Decision:
    return decide(world, Request(caller, action.iam_name, key.arn, action=action, key=key), trace=False)


def _as_result(action: Action, decision: Decision) -> Iterator[CapabilityResult]:
    verdict = _VERDICTS.get(decision.verdict)
    if verdict is not None:
        yield CapabilityResult(
            action.capability, (action.iam_name,), verdict, Severity.INFO, (decision.reason,), decision.condition,
            decision.residual, decision.caller_chosen,
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
        verdict = _asked(world, key, caller, action).verdict
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
