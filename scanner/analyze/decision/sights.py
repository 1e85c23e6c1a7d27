"""What documents see of a request: equal for requests that they cannot tell apart."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

from scanner.analyze.language.parse import parse_policy
from scanner.analyze.logic.patterns import Pattern, glob, tokens_of
from scanner.analyze.request.caller import may_be_service_linked
from scanner.analyze.request.context import RequestContext
from scanner.analyze.request.dependence import Part, hangs_on, looked_at
from scanner.analyze.statements.condition import condition_expression
from scanner.analyze.statements.match import match_principals, may_be_of, names_principals
from scanner.model.policy import ConditionTest, Document, DocumentKind, PolicyText, Statement


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request stands among those of an analysis, by numbers.

    `where` is that of the world, `key` None for a request that is not about a key. `how` is what else of it counts for
    what is asked, `who` what else counts for who asks.
    """

    where: int
    caller: int
    key: int | None
    how: Hashable
    who: Hashable


@dataclass(frozen=True, slots=True)
class Glance:
    """What one document looks at of the resource of a request.

    `names` are condition keys whose values hang on the resource or the action, `resources` per statement those that it
    names. `by_action` says that some name hangs on the action, `single` that a resource may be told by its ARN.
    """

    names: frozenset[str]
    resources: tuple[tuple[str, ...], ...]
    by_action: bool
    single: bool


@lru_cache(maxsize=65536)
def glance_of(policy: PolicyText, service: str) -> Glance:
    """What a document looks at in requests to a service."""
    names: set[str] = set()
    resources: dict[tuple[str, ...], None] = {}
    single = False
    for statement in parse_policy(policy).statements:
        if not may_be_of(statement, service):
            continue
        names.update(n for n in looked_at(statement) if hangs_on(n) in {Part.KEY, Part.ACTION})
        for elements in (statement.resources, statement.not_resources):
            texts = tuple(e.value for e in elements or ())
            single = single or any("${" in text for text in texts)
            if texts and "*" not in texts:
                resources[texts] = None
    return Glance(frozenset(names), tuple(resources), any(hangs_on(n) is Part.ACTION for n in names), single)


class ResourceSight:
    """What documents that name no principals see of the resource and the action, by number."""

    def __init__(self, glances: Iterable[Glance], kind: DocumentKind) -> None:
        parts = tuple(glances)
        self._kind = kind
        self._names = tuple(sorted(frozenset[str]().union(*(g.names for g in parts))))
        texts = dict.fromkeys(r for g in parts for r in g.resources)
        self._resources = tuple(tuple(glob(tokens_of(text)) for text in several) for several in texts)
        self._by_action = any(g.by_action for g in parts)
        self._single = any(g.single for g in parts)
        self._found: dict[Hashable, int] = {}
        self._numbers: dict[Hashable, int] = {}

    def of(self, place: Place, context: RequestContext) -> int:
        """The number of what is seen of a request."""
        if place.key is None:
            return self._seen(context)
        at = (place.key, place.how if self._by_action else place.who)
        if at not in self._found:
            self._found[at] = self._seen(context)
        return self._found[at]

    def _seen(self, context: RequestContext) -> int:
        arn = context.request.resource
        covered = tuple(_cover(patterns, arn) for patterns in self._resources)
        values = tuple(context.bind(name, self._kind) for name in self._names)
        return self._numbers.setdefault((covered, values, arn if self._single else ""), len(self._numbers))


def _cover(patterns: Iterable[Pattern], arn: str) -> bool:
    return any(pattern.matches(arn) for pattern in patterns)


class CallerSight:
    """What documents see of who asks."""

    def __init__(self, policies: Iterable[PolicyText]) -> None:
        self._naming: list[Statement] = []
        self._tests: list[tuple[Document, Statement, ConditionTest]] = []
        self._individual = False
        names: dict[str, None] = {}
        for policy in policies:
            document = parse_policy(policy)
            for statement in document.statements:
                if names_principals(policy.kind):
                    self._individual = self._individual or statement.not_principals is not None
                    self._naming.append(statement)
                open_ = tuple(t for t in statement.conditions if any("${" in v for v in t.values))
                alone = (t for t in statement.conditions if t not in open_ and _is_of_caller(t.key))
                self._tests.extend((document, statement, t) for t in alone)
                written = looked_at(replace(statement, conditions=open_))
                names.update((n, None) for n in written if _is_of_caller(n))
        self._names = tuple(names)
        self._found: dict[Hashable, int] = {}
        self._numbers: dict[Hashable, int] = {}

    def of(self, place: Place, context: RequestContext) -> int:
        """The number of what is seen of a request's caller."""
        at = (place.caller, place.who)
        if at not in self._found:
            seen = (place.caller if self._individual else None, *self._seen(context))
            self._found[at] = self._numbers.setdefault(seen, len(self._numbers))
        return self._found[at]

    def _seen(self, context: RequestContext) -> tuple[Hashable, ...]:
        caller = context.request.caller
        return (
            caller.text if may_be_service_linked(caller) else caller.is_service_linked_role,
            tuple(match_principals(statement, caller) for statement in self._naming),
            tuple(condition_expression(t, document, context, s.effect) for document, s, t in self._tests),
            tuple(context.bind(name, DocumentKind.KEY_POLICY) for name in self._names),
        )


def _is_of_caller(name: str) -> bool:
    return hangs_on(name.lower()) is Part.CALLER
