"""Findings about identity statements that reach keys nobody meant (design.md, section 7)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice, product

from scanner.analyze.decision.decide import settled
from scanner.analyze.decision.evaluation import ALL_SOURCES, Evaluation
from scanner.analyze.decision.verdict import conclude
from scanner.analyze.keys.assemble import Assembly
from scanner.analyze.keys.evidence import condition_refs
from scanner.analyze.keys.judge import Alone, Judgement, question, strength
from scanner.analyze.keys.sentences import we_may
from scanner.analyze.keys.severity import COLUMN, LEFT, RIGHT
from scanner.analyze.keys.uses import SURE, Grounds, Place
from scanner.analyze.logic.axioms import axioms_for
from scanner.analyze.logic.expression import TRUE, Expression, disj
from scanner.analyze.logic.residual import TooComplexError, is_possible
from scanner.analyze.permissions.broad_statements import Broad, broad_statements, is_administrator
from scanner.analyze.permissions.drafts import Case, Draft, finding_of, our_grantee, verdict_of, who_of_ours
from scanner.analyze.permissions.keys_meant import KeysMeant
from scanner.analyze.permissions.stand_ins import any_keys_of
from scanner.analyze.permissions.statement_actions import key_actions
from scanner.analyze.principals.principal_classes import EVERY_ACCOUNT
from scanner.analyze.request.caller import Caller, account_of, resolve_caller
from scanner.analyze.request.context import RequestContext
from scanner.analyze.request.request import Request
from scanner.analyze.statements.statement import statement_matches
from scanner.model.actions import Action
from scanner.model.arn import KeyArn, parse_arn
from scanner.model.decision import Decision, Side
from scanner.model.finding import (
    OWN_ACCOUNT,
    CapabilityResult,
    ConditionRef,
    Finding,
    FindingVerdict,
    Kind,
    Remediation,
    ResourceRef,
)
from scanner.model.key import KeyFacts
from scanner.model.world import World

NOTHING_REACHED = "no_foreign_key_seen"
MOST_HOLDERS = 20
"""Distinct holders asked before a statement counts as usable although nobody was found to be able to use it."""

_SHOWN_ACTIONS = 6
_Reached = dict[tuple[str, str], Judgement]
"""By key ARN and action name: what a statement completes."""


def broad_key_findings(assembly: Assembly) -> Iterator[Finding]:
    """One finding per identity statement, or policy that AWS writes, that covers keys of any account."""
    broads = broad_statements(assembly.world)
    places = {place for broad in broads for place in broad.places}
    carried = assembly.uses.carried(assembly.world, frozenset((name, sha256) for name, sha256, _ in places))
    reached, unsure = _reached(carried.sure, places), _unsure(carried.unsure)
    seen: set[str] = set()
    for broad in broads:
        keys: _Reached = {}
        for place in sorted(broad.places):
            for entry, judgement in reached.get(place, {}).items():
                _keep(keys, entry, judgement)
        judged = _judge(assembly, broad, keys)
        if judged:
            draft = _draft(assembly, broad, keys, judged)
            draft.deciding = {rule for place in broad.places for rule in unsure.get(place, ())}
            if str(draft.parts) in seen:
                draft.parts = (*draft.parts, min(broad.sources))
            seen.add(str(draft.parts))
            yield finding_of(assembly, draft)


def _reached(carried: dict[Grounds, _Reached], broad: set[Place]) -> dict[Place, _Reached]:
    """The sure accesses that a broad statement completes: no other statement without condition gives them."""
    found: dict[Place, _Reached] = {}
    for grounds, entries in carried.items():
        if any(place not in broad and not conditional for place, conditional in grounds):
            continue
        for place in (p for p, _ in grounds if p in broad):
            for entry, judgement in entries.items():
                _keep(found.setdefault(place, {}), entry, judgement)
    return found


def _unsure(uses: dict[Grounds, set[str]]) -> dict[Place, set[str]]:
    """Rules and ledger rows that accesses hang on which a statement would complete."""
    found: dict[Place, set[str]] = {}
    for grounds, rules in uses.items():
        for place, _ in grounds:
            found.setdefault(place, set()).update(rules)
    return found


def _keep(kept: _Reached, entry: tuple[str, str], judgement: Judgement) -> None:
    held = kept.get(entry)
    if held is None or strength(judgement.verdict) > strength(held.verdict):
        kept[entry] = judgement


# -- what the holders can do ------------------------------------------------------------------------------------------


def _judge(assembly: Assembly, broad: Broad, reached: _Reached) -> list[Case]:
    """A case for every action: what it completes, else what the holders' own side lets through on any key."""
    cases: list[Case] = []
    by_action: dict[str, Judgement] = {}
    for (_, name), judgement in sorted(reached.items()):
        if name not in by_action or strength(judgement.verdict) > strength(by_action[name].verdict):
            by_action[name] = judgement
    actions = key_actions(tuple(broad.statements))
    open_: dict[str, list[Action]] = {}
    for action in actions:
        completed = by_action.get(action.name)
        if completed is not None:
            cases.append(Case(completed, _row(broad, action, completes=True)))
        else:
            open_.setdefault(action.capability, []).append(action)
    meant = KeysMeant.of(assembly.world, broad)
    holders = _distinct(assembly, broad, meant)
    if not reached and _is_fenced(assembly, broad, meant, holders, actions):
        return []
    for members in open_.values():
        first = _strongest(assembly, holders, members, meant)
        if first is not None:
            row = _row(broad, members[0], completes=False)
            cases.extend(Case(replace(first, action=action), row) for action in members)
    return cases


def _row(broad: Broad, action: Action, *, completes: bool) -> str:
    if broad.by_aws:
        return "aws_managed_policy"
    if any(is_administrator(n.statement) for n in broad.statements):
        return "administrator"
    column = COLUMN[action.capability]
    if completes and column != RIGHT:
        return "completes_foreign_access"
    return "strong_on_every_key" if column == LEFT else "weaker_capabilities"


def _distinct(assembly: Assembly, broad: Broad, meant: KeysMeant) -> list[Caller]:
    """One holder of every class."""
    found: dict[object, Caller] = {}
    for arn in sorted(broad.holders):
        caller = resolve_caller(assembly.world, arn)
        like = meant.likeness(assembly.classes, caller) if assembly.classes else arn
        found.setdefault((caller.account_id, like), caller)
    return list(found.values())


def _strongest(assembly: Assembly, holders: list[Caller], actions: list[Action], meant: KeysMeant) -> Judgement | None:
    """What the holders' side lets through for actions of one capability; None where it allows nothing at all."""
    best: Judgement | None = None
    for caller in holders[:MOST_HOLDERS]:
        for key, action in product(meant.by(caller), actions):
            if key.account_id != caller.account_id and action.cross_account is False:
                continue
            found = _own_side(assembly, caller, key, action)
            if found is not None and (best is None or strength(found.verdict) > strength(best.verdict)):
                best = found
            if best is not None and best.verdict is not FindingVerdict.BLOCKED:
                return best
    if best is not None and len(holders) > MOST_HOLDERS:
        return replace(best, verdict=FindingVerdict.POSSIBLE, reason="too_complex")
    return best


def _own_side(assembly: Assembly, caller: Caller, key: KeyFacts, action: Action) -> Judgement | None:
    """The caller's side alone for any key: whether a key admits it is that key's choice, so at most `possible`."""
    request = question(key, caller, action)
    weigh = partial(weigh_own_side, assembly.world, request)
    decision = settled(assembly.world, request, ALL_SOURCES, "own side", weigh)
    verdict, alone = verdict_of(decision), Alone(request, callers_side=True)
    if verdict is None:
        return None
    if verdict[0] is FindingVerdict.BLOCKED:
        return Judgement(caller, action, verdict[0], verdict[1], decision, alone)
    reason = verdict[1] if verdict[0] is FindingVerdict.POSSIBLE else NOTHING_REACHED
    return Judgement(caller, action, FindingVerdict.POSSIBLE, reason, decision, alone)


def weigh_own_side(world: World, request: Request, evaluation: Evaluation) -> Decision:
    """What the caller's side of an evaluation decides alone."""
    layers = tuple(x for x in evaluation.layers if x.side is Side.CALLER)
    alone = replace(
        evaluation, core=evaluation.caller_side, deny=disj(x.deny for x in layers), key_side=TRUE, layers=layers
    )  # fmt: skip
    return conclude(world, request, alone)


def _is_fenced(
    assembly: Assembly, broad: Broad, meant: KeysMeant, holders: list[Caller], actions: Sequence[Action]
) -> bool:
    """Whether conditions keep every statement to keys of accounts that it names, so that it is not broad at all."""
    action = next((a for a in actions if a.cross_account is not False), actions[0])
    for caller, region, stranger in product(holders[:MOST_HOLDERS], meant.regions, meant.strangers()):
        for key in islice(any_keys_of(stranger, caller.partition, region), 2):  # a plain one and a multi-Region one
            context = RequestContext(assembly.world, question(key, caller, action))
            matches = (m for n in broad.statements for m in statement_matches(n.document, n.statement, context))
            if any(_may_apply(m.applies) for m in matches):
                return False
    return True


def _may_apply(expression: Expression) -> bool:
    try:
        return is_possible(expression, axioms_for(expression))
    except TooComplexError:
        return True


# -- the finding ------------------------------------------------------------------------------------------------------


def _draft(assembly: Assembly, broad: Broad, reached: _Reached, cases: list[Case]) -> Draft:
    holders = tuple(broad.holders)
    source, name = broad.source, broad.first.document.policy.name
    inline = (name,) if broad.is_inline else ()
    blocked = all(c.judgement.verdict is FindingVerdict.BLOCKED for c in cases)
    keys = [assembly.world.keys[KeyArn(arn)] for arn in sorted({arn for arn, _ in reached})]
    grantee = our_grantee(assembly, source, holders)

    def title(leading: CapabilityResult) -> str:
        does = we_may(leading.capability, leading.verdict)
        some = "" if EVERY_ACCOUNT in broad.accounts else f" of accounts {' and '.join(broad.accounts)}"
        which = f"{_counted(len(keys), 'key')} of other accounts" if leading.verdict in SURE else f"any key{some}"
        return f"{who_of_ours(grantee, holders)} {does} {which}, by a wildcard in {name}"

    return Draft(
        kind=Kind.BROAD_KEY_PERMISSION,
        parts=(source, *inline, broad.label),
        resource=_resource(assembly, source),
        grantee=grantee,
        party=OWN_ACCOUNT,
        cases=cases,
        title=title,
        summary=_summary(broad, len(keys)),
        remediation=_remediation(broad),
        statements=broad.statements,
        callers=() if blocked else holders,
        keys=keys,
        keys_total=len(keys),
        conditions=_conditions(assembly, broad, cases[0].judgement),
        classes=(source,),
        hiding=assembly.unread.of_everything({arn.split(":")[4] for arn in holders}),
    )


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _resource(assembly: Assembly, source: str) -> ResourceRef:
    arn = parse_arn(source)
    account = arn.account_id if arn and arn.account_id not in {"*", "aws"} else ""
    kind = arn.resource.partition("/")[0] if arn else "policy"
    name = source.rsplit("/", 1)[-1]
    return ResourceRef(kind, source, name, account, account_of(assembly.world, account).name if account else "")


def _summary(broad: Broad, keys: int) -> str:
    statement = broad.first.statement
    written = [e.value for e in statement.actions or statement.not_actions or ()]
    shown = ", ".join(written[:_SHOWN_ACTIONS]) + (" and more" if len(written) > _SHOWN_ACTIONS else "")
    accounts = {arn.split(":")[4] for arn in broad.holders}
    which = "statement" if len(broad.statements) == 1 else f"{len(broad.statements)} statements"
    verb = "allow all but" if statement.not_actions else "allow"
    verb = verb if len(broad.statements) > 1 else verb.replace("allow", "allows")
    held = f"held by {_counted(len(broad.holders), 'principal')} in {_counted(len(accounts), 'account')}"
    found = (
        f"it completes access to {_counted(keys, 'key')} of other accounts"
        if keys else "no key of another account that was read is reached"
    )  # fmt: skip
    whose = "every account" if EVERY_ACCOUNT in broad.accounts else f"accounts {' and '.join(broad.accounts)}"
    return f"{which.capitalize()} {verb} {shown} on keys of {whose}; {held}; {found}."


def _remediation(broad: Broad) -> Remediation:
    if broad.by_aws:
        return Remediation("none", "Where it is too wide, attach a policy of your own that names the keys instead.")
    return Remediation(
        "add_condition",
        "Name the keys that are needed instead of the wildcard, or allow only keys of accounts that you name, "
        "with aws:ResourceAccount.",
    )


def _conditions(assembly: Assembly, broad: Broad, judgement: Judgement) -> tuple[ConditionRef, ...]:
    caller = judgement.caller
    owner = next(iter(KeysMeant.of(assembly.world, broad).owners(caller)), caller.account_id)
    key = next(any_keys_of(owner, caller.partition, broad.regions[0]))
    request = question(key, caller, judgement.action)
    found = (c for n in broad.statements for c in condition_refs(assembly.world, request, (n.statement,), n))
    return tuple(replace(c, side=Side.CALLER.value) for c in found)
