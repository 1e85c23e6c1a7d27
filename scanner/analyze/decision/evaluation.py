"""The pieces a verdict is made of, and which Allow sources count for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from scanner.analyze.decision.grants import GrantMatch, RetireMatch
from scanner.analyze.decision.layers import LayerResult
from scanner.analyze.logic.expression import TRUE, Expression, conj, neg
from scanner.analyze.statements.statement import Match
from scanner.model.value import value_class

MECHANISMS = ("key_policy", "grant", "ram")
"""Sources of access from outside; a finding is about one of them."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Which Allow sources count; every Deny, guardrail and state counts in any case (`design.md` section 5).

    `statements` are (document hash, statement index), `grants` are grant ids; None means all of them.
    """

    mechanisms: tuple[str, ...] = MECHANISMS
    statements: frozenset[tuple[str, int]] | None = None
    grants: frozenset[str] | None = None

    def admits(self, match: Match) -> bool:
        """Whether an Allow statement counts."""
        place = (match.document.policy.sha256, match.statement.index)
        return self.statements is None or place in self.statements or match.statement.index < 0

    def admitted(self, policy: Iterable[Match], ram: Iterable[Match]) -> tuple[bool, ...] | None:
        """Which of the matches of a key's policies count; None where all do."""
        return None if self.statements is None else tuple(map(self.admits, (*policy, *ram)))


ALL_SOURCES = Sources()


@value_class
class Evaluation:
    """The pieces a verdict is made of, for those who need more than the verdict.

    `core` is what allows, `ceiling` what the caller's organization lets through, `deny` every explicit Deny.
    """

    core: Expression
    ceiling: Expression
    deny: Expression
    layers: tuple[LayerResult, ...]
    grants: tuple[GrantMatch, ...] = ()
    retiring: tuple[RetireMatch, ...] = ()
    key_side: Expression = TRUE
    caller_side: Expression = TRUE

    @property
    def result(self) -> Expression:
        """When the request is let through."""
        return conj((self.core, self.ceiling, neg(self.deny)))
