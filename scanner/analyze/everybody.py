"""Whom `*` really lets through: the public, or only those of it that other statements spare."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from scanner.analyze.caller import organization_of
from scanner.analyze.judge import Judgement, strength
from scanner.analyze.reach import Population
from scanner.analyze.selectors import Selector, selector_of
from scanner.model.principal import PrincipalKind


def split_everybody(
    judgements: Sequence[Judgement], population: Population, partition: str
) -> tuple[tuple[Judgement, ...], tuple[Selector, ...]]:
    """Separate the public from accounts and organizations that can do more with a key than it.

    A Deny or a guardrail may keep strangers out and spare the organization; then `*` is no access of the public.

    Args:
        partition: of the key.

    Returns:
        What the public can do, with everybody who can do no more; and the selectors of those who can.
    """
    groups: dict[Selector | None, list[Judgement]] = defaultdict(list)
    for judgement in judgements:
        groups[_group(judgement, population, partition)].append(judgement)
    public = _strengths(groups[None])
    stronger = tuple(
        selector
        for selector, members in groups.items()
        if selector is not None and any(s > public.get(name, 0) for name, s in _strengths(members).items())
    )
    kept = tuple(j for selector, members in groups.items() if selector not in stronger for j in members)
    return kept, tuple(sorted(stronger))


def _group(judgement: Judgement, population: Population, partition: str) -> Selector | None:
    caller = judgement.caller
    if caller.kind is PrincipalKind.ANY:
        return None
    organization = organization_of(population.world, caller.account_id)
    if organization is not None:
        return Selector(organization.id, "organization")
    return selector_of(caller.account_id, partition)


def _strengths(judgements: Sequence[Judgement]) -> dict[str, int]:
    found: dict[str, int] = {}
    for judgement in judgements:
        name = judgement.action.name
        found[name] = max(found.get(name, 0), strength(judgement.verdict))
    return found
