"""What principals inside the keys' own accounts gain and lose between two worlds."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

from scanner.analyze.decision.decide import decide
from scanner.analyze.edits.touched_actions import touched_actions
from scanner.analyze.history.difference import compare_access
from scanner.analyze.principals.classes import Classes
from scanner.analyze.principals.reach import Population
from scanner.analyze.request.caller import Caller, account_of, organization_of
from scanner.analyze.request.request import Request
from scanner.model.actions import KEY_ACTIONS, Action
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
from scanner.model.world import World

MOST_INSIDERS = 1_000
"""Classes of principals inside the keys' own accounts that are compared; each is asked about every action, twice."""

_EVERY_ACTION: Sequence[Action] = KEY_ACTIONS
_VERDICTS = {
    Verdict.ALLOWED: FindingVerdict.CONFIRMED, Verdict.CONDITIONAL: FindingVerdict.CONDITIONAL,
    Verdict.UNKNOWN: FindingVerdict.POSSIBLE, Verdict.LATENT: FindingVerdict.BLOCKED,
}  # fmt: skip


def insiders_compared(
    world: World, other: World, keys: Sequence[KeyArn], *, touched_only: bool = False
) -> Compared | None:  # fmt: skip
    """The difference for everybody inside each key's account; None where they are too many.

    Args:
        touched_only: ask only about actions that the difference of the worlds can touch; `unchanged` then counts less.
    """
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
        same_above = _guardrails(world, arn) == _guardrails(other, arn)
        for alike in groups.values():
            first, actions = alike[0], _EVERY_ACTION
            if touched_only and same_above:
                actions = touched_actions((first[0], world.keys[arn]), (first[1], other.keys[arn]))
            for number, (side, (w, _, _)) in enumerate(zip(sides, populations, strict=True)):
                found = _can_do(w, w.keys[arn], first[number], actions)
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


def _can_do(
    world: World, key: KeyFacts, caller: Caller, actions: Sequence[Action]
) -> tuple[CapabilityResult, ...]:  # fmt: skip
    return tuple(r for action in actions for r in _as_result(action, asked(world, key, caller, action)))


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


def asked(world: World, key: KeyFacts, caller: Caller, action: Action) -> Decision:
    """What a caller gets when it asks for an action on a key."""
    return decide(world, Request(caller, action.iam_name, key.arn, action=action, key=key), trace=False)


def _as_result(action: Action, decision: Decision) -> Iterator[CapabilityResult]:
    verdict = _VERDICTS.get(decision.verdict)
    if verdict is not None:
        yield CapabilityResult(
            action.capability, (action.iam_name,), verdict, Severity.INFO, (decision.reason,), decision.condition,
            decision.residual, decision.caller_chosen,
        )  # fmt: skip
