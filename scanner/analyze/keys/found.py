"""What judging a key found, and the same as plain values that a later run can take over."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from scanner.analyze.decision.evaluation import Sources
from scanner.analyze.decision.every_action import grounds_at
from scanner.analyze.keys.assemble import Assembly
from scanner.analyze.keys.judge import Alike, Alone, Asked
from scanner.analyze.keys.uses import ForeignUses, Noted, Share, Weighed
from scanner.analyze.principals.reach import Population
from scanner.analyze.request.caller import UnknownPrincipalError
from scanner.model.actions import ACTIONS, new_action
from scanner.model.finding import AccessRow, Finding
from scanner.model.key import KeyFacts
from scanner.model.verdicts import KeptShare, KeptSources, KeptUse, KeyVerdicts, NamingUses, VerdictInputs


@dataclass(frozen=True, slots=True)
class KeyFound:
    """What was found about one key, remedies aside, and whose principals and which ledger rows were looked at for it.

    `taken` is the judgement of an earlier run that it was made from; None where the key was judged now.
    """

    findings: Sequence[Finding]
    rows: Sequence[AccessRow] = ()
    insiders: Sequence[AccessRow] = ()
    documents: Mapping[str, str] = field(default_factory=dict)
    uses: ForeignUses = field(default_factory=ForeignUses)
    looked_at: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    taken: KeyVerdicts | None = None


# -- for the next run -------------------------------------------------------------------------------------------------


def kept(key: KeyFacts, found: KeyFound, sha256: str) -> KeyVerdicts:
    """What judging a key has found, as plain values.

    Args:
        sha256: the hash of all that the key was judged from.
    """
    namings = (_kept_naming(noted) for noted in found.uses.noted)
    return KeyVerdicts(
        key.arn,
        VerdictInputs(sha256, found.looked_at, found.unread),
        tuple(replace(f, key=None, first_seen="", last_seen="") for f in found.findings),
        tuple(found.rows),
        tuple(found.insiders),
        dict(sorted(found.documents.items())),
        tuple(naming for naming in namings if naming.shares),
    )


def _kept_naming(noted: Noted) -> NamingUses:
    """What callers of collected accounts can do; nobody asks what others can.

    Shares with the same uses become one, so that it is the same whoever was judged together.
    """
    told: dict[Hashable, list[tuple[list[str], tuple[KeptUse, ...]]]] = {}
    sources: dict[int, KeptSources | None] = {}
    for share in noted.shares:
        callers = [caller.text for caller in share.alike.callers if caller.account_collected]
        if callers:
            uses = tuple(_kept_use(weighed, sources) for weighed in share.told if weighed is not None)
            like = told.setdefault(tuple((u.action, u.verdict, u.reason, u.decision.condition) for u in uses), [])
            same = next((others for others, known in like if known == uses), None)
            if same is None:
                like.append((callers, uses))
            else:
                same.extend(callers)
    shares = (KeptShare(tuple(sorted(callers)), uses) for like in told.values() for callers, uses in like)
    return NamingUses(noted.mechanism, tuple(noted.actions), tuple(sorted(shares, key=lambda share: share.callers)))


def _kept_use(weighed: Weighed, known: dict[int, KeptSources | None]) -> KeptUse:
    """What was judged as plain values; the sources of others of its naming are known."""
    place = id(weighed.asked)
    if place not in known:
        known[place] = _kept_sources(weighed.asked)
    return KeptUse(weighed.action.name, weighed.verdict, weighed.reason, weighed.decision, known[place])


def _kept_sources(asked: Asked | Alone | None) -> KeptSources | None:
    if asked is None:
        return None
    named = asked.sources
    return KeptSources(
        named.mechanisms,
        None if named.statements is None else tuple(sorted(named.statements)),
        None if named.grants is None else tuple(sorted(named.grants)),
    )


# -- from an earlier run ----------------------------------------------------------------------------------------------


def restored(key: KeyFacts, known: KeyVerdicts, assembly: Assembly, people: Population) -> KeyFound | None:
    """What an earlier run found, as it is to be shown now; None where it names somebody who cannot call AWS.

    What a key is described by and when it was last used decides nothing, and is that of now.
    """
    shown, now = assembly.key_ref(key), assembly.world.as_of
    try:
        uses = ForeignUses([_noted(key, told, people) for told in known.uses])
    except UnknownPrincipalError:
        return None
    return KeyFound(
        [replace(f, key=shown, first_seen=now, last_seen=now) for f in known.findings],
        known.rows,
        known.insiders,
        known.documents,
        uses,
        known.inputs.looked_at,
        known.inputs.unread,
        known,
    )


def _noted(key: KeyFacts, told: NamingUses, people: Population) -> Noted:
    """What was noted by a naming. Raises UnknownPrincipalError."""
    asked: dict[KeptSources, Asked] = {}
    shares: list[Share] = []
    for share in told.shares:
        callers = tuple(people.resolved(text) for text in share.callers)
        alike = Alike(callers, grounds_at(people.world, callers, key))
        by_action = {use.action: _weighed(key, use, asked) for use in share.uses}
        shares.append(Share(alike, tuple(map(by_action.get, told.actions))))
    return Noted(key, told.mechanism, told.actions, shares)


def _weighed(key: KeyFacts, use: KeptUse, known: dict[KeptSources, Asked]) -> Weighed:
    """What was judged for a use: of principals that were read nothing beside caller, key and sources is asked."""
    if use.sources is not None and use.sources not in known:
        known[use.sources] = Asked(key, _sources(use.sources))
    asked = None if use.sources is None else known[use.sources]
    action = ACTIONS.get(use.action.lower()) or new_action(use.action)
    return Weighed(action, use.verdict, use.reason, use.decision, asked)


def _sources(known: KeptSources) -> Sources:
    return Sources(
        known.mechanisms,
        None if known.statements is None else frozenset(known.statements),
        None if known.grants is None else frozenset(known.grants),
    )
