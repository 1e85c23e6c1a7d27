"""Rows of access.csv: who can do what, one row per principal and decision."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from operator import itemgetter

from scanner.analyze.decision.decide import decide
from scanner.analyze.keys.assemble import Assembly
from scanner.analyze.keys.judge import Judgement, is_stranger
from scanner.analyze.principals.classes import Classes
from scanner.analyze.principals.reach import Population
from scanner.analyze.principals.selectors import Naming
from scanner.analyze.request.caller import Caller, account_of
from scanner.analyze.request.request import Request
from scanner.model.actions import KEY_ACTIONS
from scanner.model.decision import Decision, Verdict
from scanner.model.finding import OWN_ACCOUNT, AccessRow, Finding, FindingVerdict, RowAccess, row_principal
from scanner.model.key import KeyFacts
from scanner.model.world import World

_Group = tuple[str, str, str, str]
"""Capability, decision, reason and condition: what is told as one row."""


def access_rows(
    assembly: Assembly, key: KeyFacts, naming: Naming, judgements: Sequence[Judgement], finding: Finding
) -> Iterator[AccessRow]:
    """The rows of one finding, principal by principal; a refused action has none.

    A stranger's account reads `unknown` here (R3.30).
    """
    groups: dict[int, dict[_Group, list[str]]] = {}
    crowds: dict[int, tuple[Caller, ...]] = {}
    for j in judgements:
        if j.verdict is FindingVerdict.INEFFECTIVE or j.decision.verdict is Verdict.DENIED:
            continue
        decision = "unknown" if is_stranger(j.caller) else j.decision.verdict.value
        group = (j.action.capability, decision, j.reason, j.decision.condition)
        crowds[j.crowd] = j.callers
        groups.setdefault(j.crowd, {}).setdefault(group, []).append(j.action.iam_name)
    capabilities = {group[0] for of in groups.values() for group in of}
    parties = {c: assembly.standing(naming, key, c, ()).party for c in capabilities}
    how = naming.mechanism, "direct", finding.id, finding.verdict.value
    told = {
        crowd: [RowAccess(parties[group[0]], group[0], tuple(a), *group[1:], *how) for group, a in of.items()]
        for crowd, of in groups.items()
    }
    names: dict[str, str] = {}
    everybody = sorted(((c.text, crowd, c) for crowd, callers in crowds.items() for c in callers), key=itemgetter(0))
    unknown_id = naming.selector.kind == "unknown_id"
    for text, crowd, caller in everybody:
        account, kind = caller.account_id, "unique_id" if unknown_id else caller.kind.value
        if account not in names:
            names[account] = account_of(assembly.world, account).name
        principal = row_principal(text, "" if account == "*" else account, names[account], kind)
        for access in told[crowd]:
            yield AccessRow(key.arn, principal, access)


def insider_rows(
    world: World, key: KeyFacts, population: Population, classes: Classes | None = None
) -> Iterator[AccessRow]:
    """The same for the principals of the key's own account, all mechanisms together.

    Args:
        classes: decide for one caller of each class; None decides for everybody.
    """
    decided: dict[Hashable, dict[_Group, list[str]]] = {}
    people = (c for c in population.identities_of(key.account_id, key.partition) if not c.session_open)
    for caller in people:
        class_ = classes.of(caller, key) if classes else caller.text
        if class_ not in decided:
            decided[class_] = _decided(world, key, caller)
        yield from _insiders(world, key, caller, decided[class_].items())


def _decided(world: World, key: KeyFacts, caller: Caller) -> dict[_Group, list[str]]:
    groups: dict[_Group, list[str]] = {}
    for action in KEY_ACTIONS:
        request = Request(caller, action.iam_name, key.arn, action=action, key=key)
        decision = decide(world, request, trace=False)
        if decision.verdict is not Verdict.DENIED:
            groups.setdefault(_insider_group(action.capability, decision), []).append(action.iam_name)
    return groups


def _insider_group(capability: str, decision: Decision) -> _Group:
    return capability, decision.verdict.value, decision.reason, decision.condition


def _insiders(
    world: World, key: KeyFacts, caller: Caller, groups: Iterable[tuple[_Group, list[str]]]
) -> Iterator[AccessRow]:
    account = caller.account_id
    principal = row_principal(caller.text, account, account_of(world, account).name, caller.kind.value)
    for (capability, verdict, reason, condition), actions in groups:
        access = RowAccess(OWN_ACCOUNT, capability, tuple(actions), verdict, reason, condition, "", "direct", "")
        yield AccessRow(key.arn, principal, access)
