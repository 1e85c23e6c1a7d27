"""Which session tags whoever assumes a role may pass, read from the role's trust policy (R6.6)."""

from __future__ import annotations

from dataclasses import dataclass

from scanner.analyze.language.parse import parse_policy
from scanner.analyze.logic.expression import Origin, Variable
from scanner.analyze.logic.patterns import Pattern, glob, literal_ignoring_case, tokens_of
from scanner.analyze.request.binding import Known, Open
from scanner.model.policy import Effect, PolicyText, Statement


@dataclass(frozen=True, slots=True)
class TagStatement:
    """One way to pass tags: sets of keys that must hold each tag, and values by key where a list fixes them."""

    keys: tuple[tuple[Pattern, ...], ...]
    values: dict[str, tuple[str, ...]]
    certain: bool

    def passes(self, tag_key: str) -> bool:
        """Whether the tag may be passed; tag names are compared without case."""
        return all(any(p.matches(tag_key) for p in patterns) for patterns in self.keys)


@dataclass(frozen=True, slots=True)
class SessionTags:
    """Every way to pass tags to sessions of one role."""

    statements: tuple[TagStatement, ...]

    def binding(self, tag_key: str, own: Known | Open | None, *, caller_chosen: bool) -> Open | None:
        """The open value of aws:PrincipalTag/… where somebody may pass the tag; None where nobody may.

        Not passing it leaves the role's own tag, if it has one.
        """
        ways = [s for s in self.statements if s.passes(tag_key)]
        if not ways:
            return None
        lists = [s.values.get(tag_key.lower()) for s in ways]
        domain: tuple[str, ...] = ()
        if all(values is not None for values in lists):
            own_values = own.values if isinstance(own, Known) else ()
            domain = tuple(sorted({v for values in lists if values for v in values} | set(own_values)))
        origin = Origin.REQUEST if all(s.certain for s in ways) else Origin.DATA
        variable = Variable(
            f"aws:PrincipalTag/{tag_key}", origin, may_be_absent=own is None, domain=domain,
            caller_chosen=caller_chosen, reason="" if origin is Origin.REQUEST else "malformed", ref="R6.6",
        )  # fmt: skip
        return Open(variable)


def session_tags_of(trust_policy: PolicyText | None) -> SessionTags:
    """Read a trust policy for sts:TagSession; a role without one lets nobody pass tags (R6.6)."""
    if trust_policy is None:
        return SessionTags(())
    document = parse_policy(trust_policy)
    ways = [_tag_statement(s) for s in document.statements if s.effect is not Effect.DENY and _covers_tagging(s)]
    if document.problems:
        ways.append(TagStatement((), {}, certain=False))
    return SessionTags(tuple(ways))


def _covers_tagging(statement: Statement) -> bool:
    if statement.actions is not None:
        return any(_matches_tag_session(e.value) for e in statement.actions)
    if statement.not_actions is not None:
        return not any(_matches_tag_session(e.value) for e in statement.not_actions)
    return bool(statement.damage)


def _matches_tag_session(pattern: str) -> bool:
    return glob(tokens_of(pattern), ignore_case=True).matches("sts:TagSession")


def _tag_statement(statement: Statement) -> TagStatement:
    keys: list[tuple[Pattern, ...]] = []
    values: dict[str, tuple[str, ...]] = {}
    for test in statement.conditions:
        name = test.key.lower()
        positive = test.operator in {"StringEquals", "StringLike", "StringEqualsIgnoreCase"}
        written_out = not any("${" in value for value in test.values)
        if name == "aws:tagkeys" and test.qualifier == "ForAllValues" and positive and written_out:
            wild = test.operator == "StringLike"
            keys.append(
                tuple(
                    glob(tokens_of(v), ignore_case=True) if wild else literal_ignoring_case(tokens_of(v))
                    for v in test.values
                )
            )
        elif name.startswith("aws:requesttag/") and test.operator == "StringEquals" and not test.if_exists:
            literal_values = tuple(v for v in test.values if "${" not in v)
            if len(literal_values) == len(test.values):
                values[name.partition("/")[2]] = literal_values
    return TagStatement(tuple(keys), values, certain=not statement.damage)
