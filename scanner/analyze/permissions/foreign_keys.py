"""Findings that principals of ours may use keys of other accounts which their policies name (design.md, section 7)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from scanner.analyze.decision.decide import decide
from scanner.analyze.decision.evaluation import ALL_SOURCES, Sources
from scanner.analyze.keys.assemble import Assembly
from scanner.analyze.keys.damaged import is_opaque
from scanner.analyze.keys.judge import Alone, Judgement, question, strength
from scanner.analyze.keys.own_gates import own_gates
from scanner.analyze.keys.sentences import key_label, we_may
from scanner.analyze.permissions.drafts import OURS, Case, Draft, finding_of, our_grantee, verdict_of, who_of_ours
from scanner.analyze.permissions.foreign_named import Named, add_proven, add_shared, named_targets, proves
from scanner.analyze.permissions.stand_ins import Unread, tells_keys_apart
from scanner.analyze.permissions.statement_actions import foreign_actions
from scanner.analyze.principals.approvals import Use
from scanner.analyze.principals.party import UNKNOWN_THIRD_PARTY, standing_of
from scanner.analyze.principals.selectors import KEY_POLICY, RAM, NamedStatement
from scanner.analyze.request.caller import Caller, account_of, resolve_caller
from scanner.model.arn import KeyArn
from scanner.model.decision import GateOutcome, Layer
from scanner.model.finding import CapabilityResult, Finding, FindingVerdict, Kind, Remediation, ResourceRef
from scanner.model.key import Grant, KeyFacts
from scanner.model.world import World

OWNER_NOT_READ = "owner_side_not_collected"
SHARED_KEYS = "`kms:ListKeys` with `OTHER_ACCOUNTS_VIA_RAM`"
MOST_KEYS = 20
"""Keys with an unread part that are judged one by one for a pattern; the others are like them."""

_POLICIES = Sources((KEY_POLICY, RAM))
_OF_OUR_SIDE = frozenset({"caller_side_not_collected", "malformed"})


@dataclass(frozen=True, slots=True)
class _Sides:
    """Where keys are asked about whose owner's side was not read, or only in part."""

    stand_ins: Unread
    opaque: dict[str, list[KeyFacts]]


def foreign_key_findings(assembly: Assembly) -> Iterator[Finding]:
    """One finding per class of our principals and foreign key or account it may use.

    Plain wildcards name nobody and are findings of their own (`broad`). Where every part of the owner's side was read
    and refuses, there is nothing to find.
    """
    named = named_targets(assembly.world)
    add_shared(assembly.world, named)
    add_proven(assembly, named)
    sides = _Sides(Unread(assembly.world), _unread_keys(assembly))
    for (name, target), found in sorted(named.items(), key=lambda item: item[0]):
        judged = _judge(assembly, name, found, sides)
        if judged.judgements:
            yield finding_of(assembly, _draft(assembly, (name, target), found, judged))


def _unread_keys(assembly: Assembly) -> dict[str, list[KeyFacts]]:
    """Keys of which a policy was not read, by account."""
    found: dict[str, list[KeyFacts]] = {}
    for arn in sorted(assembly.world.keys):
        key = assembly.world.keys[arn]
        if key.manager != "AWS" and (is_opaque(key) or not key.ram_policy_read):
            found.setdefault(key.account_id, []).append(key)
    return found


# -- what they can do -------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Judged:
    """What a class can do with the keys of a target: judgements, who can, the keys, and what was not read of it.

    `refused` are those who would be able to if nothing blocked it today.
    """

    judgements: list[Judgement] = field(default_factory=list)
    callers: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    keys: dict[str, KeyFacts] = field(default_factory=dict)
    unread: set[str] = field(default_factory=set)

    def add(self, judgement: Judgement, callers: set[str], key: KeyFacts | None) -> None:
        """One more judgement, who shares it, and the collected key it is about."""
        self.judgements.append(judgement)
        (self.refused if judgement.verdict is FindingVerdict.BLOCKED else self.callers).update(callers)
        if key is not None:
            self.keys[key.arn] = key


def _judge(assembly: Assembly, name: str, found: Named, sides: _Sides) -> _Judged:
    judged = _Judged()
    wanted = {a.name for a in foreign_actions(found.statements())}
    patterns = [p for _, p in sorted(found.patterns.items())]

    def is_meant(arn: str) -> bool:
        return arn == found.key_arn or any(p.fits(arn) for p in patterns)

    for use in assembly.uses.of_class(name, is_meant).values():
        judged.unread |= use.unread
        for (mechanism, action), judgement in use.judgements.items():
            if judgement.reason != "no_identity_policy" and (action in wanted or proves(mechanism, judgement)):
                blocked = judgement.verdict is FindingVerdict.BLOCKED
                judged.add(judgement, use.refused if blocked else use.callers, use.key)
    opaque = [k for k in sides.opaque.get(found.account_id, ()) if any(p.fits(k.arn) for p in patterns)]
    for key in opaque[:MOST_KEYS]:
        _judge_unread(assembly, found, (key,), judged)
    for pattern in patterns:
        keys = tuple(sides.stand_ins.keys_of(pattern))
        if keys:
            _judge_unread(assembly, found, keys, judged)
    return judged


def _judge_unread(assembly: Assembly, found: Named, keys: Sequence[KeyFacts], judged: _Judged) -> None:
    """Ask for every distinct caller what it may do with a key of which our side is known and the owner's is not."""
    collected = keys[0] if keys[0].arn in assembly.world.keys else None
    seen: dict[object, tuple[Judgement, ...]] = {}
    for arn, held in sorted(found.holders.items()):
        caller = resolve_caller(assembly.world, arn)
        asked = keys if tells_keys_apart(assembly.world, caller) else keys[:1]
        like = tuple(assembly.classes.of(caller, key) for key in asked) if assembly.classes else arn
        place = (like, caller.account_id, tuple(n.place for n in held))
        if place not in seen:
            seen[place] = tuple(_ask(assembly, caller, held, asked))
        for judgement in seen[place]:
            judged.add(judgement, {arn}, collected)


def _ask(
    assembly: Assembly, caller: Caller, held: Sequence[NamedStatement], keys: Sequence[KeyFacts]
) -> Iterator[Judgement]:
    """The strongest judgement of every action over keys that could be meant.

    Grants are another mechanism, which needs no policy of ours; only retiring one is theirs alone (R4.22).
    """
    for action in foreign_actions(held):
        best: Judgement | None = None
        for key in keys:
            sources = ALL_SOURCES if action.name == "RetireGrant" else _POLICIES
            request = question(key, caller, action)
            decision = decide(assembly.world, request, sources=sources, trace=False)
            verdict = verdict_of(decision)
            if verdict is None:
                continue
            unread = verdict[0] is FindingVerdict.POSSIBLE and key.arn not in assembly.world.keys
            found = Judgement(
                caller, action, verdict[0], OWNER_NOT_READ if unread else verdict[1], decision, Alone(request, sources)
            )
            if best is None or strength(found.verdict) > strength(best.verdict):
                best = found
            if best.verdict is not FindingVerdict.BLOCKED:
                break
        if best is not None:
            yield best


# -- the finding ------------------------------------------------------------------------------------------------------


def _draft(assembly: Assembly, parts: tuple[str, str], found: Named, judged: _Judged) -> Draft:
    callers = tuple(sorted(judged.callers or judged.refused))
    key = assembly.world.keys.get(KeyArn(found.key_arn))
    ours = callers[0].split(":")[4]
    stands = {c: _stands(assembly, found, key, c, ours) for c in {j.action.capability for j in judged.judgements}}
    cases = [Case(j, _row(stands[j.action.capability], j)) for j in judged.judgements]
    party = next((p for _, p in sorted(stands.items()) if p not in OURS), min(stands.values()))
    grantee = our_grantee(assembly, parts[0], callers)
    keys = [k for _, k in sorted(judged.keys.items())]
    label = _label(assembly, found, key, party)

    def title(leading: CapabilityResult) -> str:
        return f"{who_of_ours(grantee, callers)} {we_may(leading.capability, leading.verdict)} {label}"

    return Draft(
        kind=Kind.FOREIGN_KEY_USE,
        parts=parts,
        resource=_resource(assembly, found, key),
        grantee=grantee,
        party=party,
        cases=cases,
        title=title,
        summary=_summary(found, judged),
        remediation=_remediation(party),
        statements=found.statements(),
        callers=judged.callers,
        key=key,
        keys=() if key else keys,
        keys_total=1 if found.key_arn else len(keys),
        reasons=_own_gaps(assembly.world, judged),
        grants=_grants(assembly.world, key, judged),
        classes=(parts[0],),
        deciding=judged.unread.union(*(k.gaps.values() for k in keys)),
        hiding=assembly.unread.of_identities(grantee.account_id),
    )


def _stands(assembly: Assembly, found: Named, key: KeyFacts | None, capability: str, ours: str) -> str:
    """The party of the keys' owner, as seen from an account of ours, for one capability."""
    use = Use.of(key, capability) if key else Use(capability, found.key_arn)
    return standing_of(found.account_id, ours, use, assembly.world, assembly.trust).party


def _row(party: str, judgement: Judgement) -> str:
    if party in OURS:
        return "own_keys_elsewhere"
    return "foreign_encrypt" if judgement.action.capability == "encrypt" else "foreign_use"


def _resource(assembly: Assembly, found: Named, key: KeyFacts | None) -> ResourceRef:
    name = account_of(assembly.world, found.account_id).name
    if key is not None:
        return assembly.key_resource(key)
    if found.key_arn:
        return ResourceRef("key", found.key_arn, found.key_arn.rsplit("/", 1)[-1], found.account_id, name)
    root = f"arn:{found.partition}:iam::{found.account_id}:root"
    return ResourceRef("account", root, name or found.account_id, found.account_id, name)


def _label(assembly: Assembly, found: Named, key: KeyFacts | None, party: str) -> str:
    if key is not None:
        return key_label(assembly.key_ref(key))
    name = account_of(assembly.world, found.account_id).name
    account = f"{name} ({found.account_id})" if name else f"account {found.account_id}"
    whose = f"the unknown {account}" if party == UNKNOWN_THIRD_PARTY else account
    return f"a key of {whose}" if found.key_arn else f"keys of {whose}"


def _summary(found: Named, judged: _Judged) -> str:
    what = "the key" if found.key_arn else "keys of the account"
    number = len(found.statements())
    statements, s = ("an identity statement", "s") if number == 1 else (f"{number} identity statements", "")
    given = f"{statements.capitalize()} name{s} {what}" if number else f"A grant or resource share gives {what} away"
    if found.is_shared:
        given = f"A resource share reaches the account with {what} ({SHARED_KEYS}), and {statements} cover{s} it"
    actions = dict.fromkeys(j.action.name for j in judged.judgements)
    unread = any(j.reason == OWNER_NOT_READ for j in judged.judgements)
    return f"{given}: {', '.join(actions)}{'; whether its owner lets us was not read' if unread else ''}."


def _remediation(party: str) -> Remediation:
    if party in OURS:
        return Remediation("none", "Nothing to do if the use is wanted; else remove the key from the policy.")
    return Remediation(
        "remove_statement",
        "Remove the statement unless you know the owner of the key. A service control policy that denies kms:Encrypt "
        "and kms:GenerateDataKey* where aws:ResourceOrgID is not yours ends every such use.",
    )


def _own_gaps(world: World, judged: _Judged) -> tuple[str, ...]:
    """What of our own side was not read or is damaged, where that leaves a use open."""
    open_ = [j for j in judged.judgements if j.verdict is FindingVerdict.POSSIBLE]
    reasons = [r for j in open_ for r in j.decision.unknowns if r in _OF_OUR_SIDE]
    gates = (gate for j in open_ for gate in own_gates(world, j))
    if any(g.layer is Layer.SCP and g.outcome is GateOutcome.UNREAD for g in gates):
        reasons.append("guardrail_not_read")
    return tuple(dict.fromkeys(reasons))


def _grants(world: World, key: KeyFacts | None, judged: _Judged) -> tuple[Grant, ...]:
    """The grants that give the use."""
    gates = (gate for j in judged.judgements for gate in own_gates(world, j) if gate.layer is Layer.GRANT)
    ids = {ref.grant_id for gate in gates for ref in gate.statements}
    return tuple(g for g in (key.grants or () if key else ()) if g.grant_id in ids)
