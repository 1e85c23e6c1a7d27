"""What judging a key found, and the same as plain values that a later run can take over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from scanner.analyze.decision.evaluation import Sources
from scanner.analyze.keys.assemble import Assembly
from scanner.analyze.keys.judge import Alone, Asked, Judgement
from scanner.analyze.keys.uses import Carried, ForeignUses, KeyUse, Together
from scanner.analyze.principals.reach import Reached
from scanner.analyze.request.caller import Caller, UnknownPrincipalError, resolve_caller
from scanner.model.actions import ACTIONS, new_action
from scanner.model.finding import AccessRow, Finding
from scanner.model.key import KeyFacts
from scanner.model.verdicts import ClassUses, KeptSources, KeptUse, KeyUses, KeyVerdicts, VerdictInputs
from scanner.model.world import World


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


def kept(key: KeyFacts, found: KeyFound, sha256: str, assembly: Assembly) -> KeyVerdicts:
    """What judging a key has found, as plain values.

    Args:
        sha256: the hash of all that the key was judged from.
        assembly: what was found is collected there.
    """
    return KeyVerdicts(
        key.arn,
        VerdictInputs(sha256, found.looked_at, found.unread),
        tuple(replace(f, key=None, first_seen="", last_seen="") for f in found.findings),
        tuple(found.rows),
        tuple(found.insiders),
        dict(sorted(found.documents.items())),
        _kept_uses(assembly.uses.together(key, found.uses, assembly.world)),
    )


def _kept_uses(uses: Together) -> KeyUses:
    return KeyUses(
        tuple(_of_class(name, use) for name, use in sorted(uses.by_class.items())),
        tuple((grounds, _each(found.values())) for grounds, found in uses.carried.sure.items()),
        tuple((grounds, tuple(sorted(rules))) for grounds, rules in uses.carried.unsure.items()),
    )


def _of_class(name: str, use: KeyUse) -> ClassUses:
    mechanisms = (mechanism for mechanism, _ in use.judgements)
    found = tuple(zip(mechanisms, _each(use.judgements.values()), strict=True))
    return ClassUses(name, found, tuple(sorted(use.callers)), tuple(sorted(use.unread)))


def _each(judgements: Iterable[Judgement]) -> tuple[KeptUse, ...]:
    return tuple(
        KeptUse(j.caller.text, j.action.name, j.verdict, j.reason, j.decision, _kept_sources(j.asked))
        for j in judgements
    )


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


def restored(key: KeyFacts, known: KeyVerdicts, assembly: Assembly) -> KeyFound | None:
    """What an earlier run found, as it is to be shown now; None where it names somebody who cannot call AWS.

    What a key is described by and when it was last used decides nothing, and is that of now.
    """
    shown, now = assembly.key_ref(key), assembly.world.as_of
    try:
        uses = _restored_uses(key, known.uses, assembly.world)
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


def _restored_uses(key: KeyFacts, known: KeyUses, world: World) -> ForeignUses:
    judged, by_class, carried = _Judged(key, world), dict[str, KeyUse](), Carried()
    for told in known.classes:
        held = {(mechanism, use.action): judged.of(use) for mechanism, use in told.uses}
        by_class[told.name] = KeyUse(key, held, set(told.callers), set(told.unread))
    for grounds, uses in known.carried:
        carried.sure[grounds] = {(key.arn, use.action): judged.of(use) for use in uses}
    for grounds, rules in known.unsure:
        carried.unsure[grounds] = set(rules)
    return ForeignUses([Together(key, by_class, carried)])


@dataclass(frozen=True, slots=True)
class _Judged:
    """Judgements about principals that were read, for whom nothing beside caller, key and sources is asked."""

    key: KeyFacts
    world: World
    _callers: dict[str, Caller] = field(default_factory=dict)
    _asked: dict[KeptSources, Asked] = field(default_factory=dict)

    def of(self, use: KeptUse) -> Judgement:
        """The judgement that a use is. Raises UnknownPrincipalError."""
        if use.caller not in self._callers:
            self._callers[use.caller] = resolve_caller(self.world, use.caller)
        if use.sources is not None and use.sources not in self._asked:
            self._asked[use.sources] = Asked(self.key, _sources(use.sources), Reached(()))
        asked = self._asked[use.sources] if use.sources is not None else None
        action = ACTIONS.get(use.action.lower()) or new_action(use.action)
        return Judgement(self._callers[use.caller], action, use.verdict, use.reason, use.decision, asked)


def _sources(known: KeptSources) -> Sources:
    return Sources(
        known.mechanisms,
        None if known.statements is None else frozenset(known.statements),
        None if known.grants is None else frozenset(known.grants),
    )
