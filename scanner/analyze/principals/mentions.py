"""What of a caller documents can look at: its names, its account, its tags."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from scanner.analyze.decision.moments import CLOCK
from scanner.analyze.language.parse import parse_policy
from scanner.analyze.logic.patterns import Pattern, arn_pattern, glob, tokens_of
from scanner.analyze.principals.selectors import operations_by_selector
from scanner.model.key import KeyFacts
from scanner.model.policy import ConditionTest, PolicyText, Statement
from scanner.model.value import value_class
from scanner.model.world import World

_BY_NAME = "aws:principalarn"
_INDIVIDUAL = frozenset({"aws:userid", "aws:username"})
_TAGS = "aws:principaltag/"
_PATHS = frozenset({"aws:principalorgpaths", "aws:resourceorgpaths"})
_VARIABLE = re.compile(r"\$\{([^}]*)")
_OF_AN_ACCOUNT = ("aws:principalaccount", "aws:resourceaccount")
_OF_NOBODY = (_TAGS, "aws:principalorg", "aws:principalaccount", "aws:resource", "*", "?", "$")
"""Variables in which no name of an identity stands."""
_ACCOUNTS = frozenset({"aws:principalaccount", "aws:resourceaccount", "kms:calleraccount"})
_OF_SESSION = ":assumed-role/"
_ACCOUNT = re.compile(r"(?<![0-9])[0-9]{12}(?![0-9])")
_ANYWHERE = re.compile(r"(?=([0-9]{12}))")
_SEES_PARTS = re.compile(r"[0-9][*?]|[*?][0-9]|Numeric|\\u", re.IGNORECASE)
"""Text that can tell accounts by a part, the size or an escape of their number."""


@value_class
class Mentions:
    """What documents tell callers apart by.

    `exact` and `globs` are names, in lower case and as patterns; `accounts` the numbers that are written out.
    `individual` says that every name may count, `numbers` that every account's number may, `tags` that tags do, `paths`
    that organizational units do.
    """

    exact: frozenset[str] = frozenset()
    globs: frozenset[Pattern] = frozenset()
    accounts: frozenset[str] = frozenset()
    individual: bool = False
    numbers: bool = False
    tags: bool = False
    paths: bool = False

    @property
    def see_names(self) -> bool:
        """Whether any name counts."""
        return bool(self.exact or self.globs or self.individual)

    def names(self, arn: str, unique_id: str) -> tuple[str, frozenset[Pattern]]:
        """What counts of an identity's names: the ARN where it is told apart, and the patterns that fit it."""
        one_of_its_kind = self.individual or not _written(arn, unique_id).isdisjoint(self.exact)
        return arn if one_of_its_kind else "", _fitting(self.globs, arn)


@lru_cache(maxsize=65536)
def _written(arn: str, unique_id: str) -> frozenset[str]:
    """How documents may write one identity, in lower case."""
    return frozenset({arn.lower(), unique_id.lower(), _by_session(arn).lower()})


@lru_cache(maxsize=65536)
def _fitting(globs: frozenset[Pattern], arn: str) -> frozenset[Pattern]:
    """The patterns that fit a name."""
    return frozenset(p for p in globs if p.matches(arn))


def all_of(found: Iterable[Mentions]) -> Mentions:
    """Everything that several documents look at."""
    parts = tuple(dict.fromkeys(found))
    if len(parts) == 1:
        return parts[0]
    return Mentions(
        frozenset().union(*(m.exact for m in parts)), frozenset().union(*(m.globs for m in parts)),
        frozenset().union(*(m.accounts for m in parts)), any(m.individual for m in parts),
        any(m.numbers for m in parts), any(m.tags for m in parts), any(m.paths for m in parts),
    )  # fmt: skip


@lru_cache(maxsize=65536)
def mentions_in(policy: PolicyText) -> Mentions:
    """What a document looks at; a damaged one may look at everything."""
    document = parse_policy(policy)
    names: dict[str, None] = {}
    individual = bool(document.problems) or any(s.damage for s in document.statements)
    tags = paths = individual
    numbers = individual or bool(_SEES_PARTS.search(policy.text))
    for statement in document.statements:
        names.update((e.value, None) for e in (*(statement.principals or ()), *(statement.not_principals or ())))
        for test in statement.conditions:
            name = test.key.lower()
            individual = individual or name in _INDIVIDUAL
            tags = tags or name.startswith(_TAGS)
            paths = paths or name in _PATHS
            numbers = numbers or _may_see_numbers(test)
            named = test.values if name == _BY_NAME else ()
            names.update((value, None) for value in named)
            individual = individual or any("${" in value for value in named)
        for variable in _variables(statement):
            tags = tags or variable.startswith(_TAGS)
            paths = paths or variable in _PATHS
            numbers = numbers or variable.startswith(_OF_AN_ACCOUNT) or bool(_ACCOUNT.search(variable))
            individual = individual or not variable.startswith(_OF_NOBODY)
    exact, globs = _named(names)
    return Mentions(exact, globs, frozenset(_ACCOUNT.findall(policy.text)), individual, numbers, tags, paths)


def _may_see_numbers(test: ConditionTest) -> bool:
    """Whether a test may tell accounts by a number that it does not write out as a value.

    It may come from a variable, stand in the name of a key, or be compared as a date.
    """
    name = test.key.lower()
    by_variable = name in _ACCOUNTS and any("${" in value for value in test.values)
    as_date = test.operator.startswith("Date") and name not in CLOCK
    return by_variable or as_date or bool(_ACCOUNT.search(name))


def numbers_in(texts: Iterable[str]) -> frozenset[str]:
    """Everything in values that may be the number of an account, also within longer texts."""
    return frozenset(number for text in texts for number in _ANYWHERE.findall(text))


def mentions_of_names(texts: Iterable[str]) -> Mentions:
    """The same for names that stand by themselves, as the grantees of grants."""
    names = tuple(texts)
    exact, globs = _named(names)
    return Mentions(exact, globs, frozenset(n for text in names for n in _ACCOUNT.findall(text)))


def mentions_at(key: KeyFacts) -> Mentions:
    """What the policies and grants of a key look at."""
    own = (mentions_in(p) for p in (key.key_policy, key.ram_policy) if p is not None)
    return all_of((*own, mentions_of_names(grantees_of(key))))


def mentions_in_guardrails(world: World) -> Mentions:
    """What the control policies of all organizations look at."""
    return all_of((Mentions(), *map(mentions_in, guardrails(world))))


def grantees_of(key: KeyFacts) -> Iterator[str]:
    """Whom the grants of a key name, in any part they play."""
    return (s.text for grant in key.grants or () for s in operations_by_selector(grant, key.partition))


def guardrails(world: World) -> Iterator[PolicyText]:
    """Every control policy of every organization."""
    for organization in world.organizations:
        for attached in (organization.scps, organization.rcps):
            for policies in (attached or {}).values():
                yield from policies


def _named(texts: Iterable[str]) -> tuple[frozenset[str], frozenset[Pattern]]:
    exact: set[str] = set()
    globs: set[Pattern] = set()
    for text in texts:
        if text == "*":
            continue
        if any(c in text for c in "*?"):
            tokens = tokens_of(text)
            globs |= {glob(tokens), glob(tokens, ignore_case=True), arn_pattern(tokens)}
        else:
            exact.add((_by_session(text) if _OF_SESSION in text else text).lower())
    return frozenset(exact), frozenset(globs)


def _variables(statement: Statement) -> Iterator[str]:
    """The policy variables in conditions and resources."""
    resources = (*(statement.resources or ()), *(statement.not_resources or ()))
    written = (*(v for test in statement.conditions for v in test.values), *(e.value for e in resources))
    return (found.strip().lower() for text in written for found in _VARIABLE.findall(text))


def _by_session(arn: str) -> str:
    """The role of an account by its name alone, as sessions name it."""
    account, name = arn.split(":")[4:5], arn.split("/")
    return f"{'/'.join(account)} {name[1] if _OF_SESSION in arn and len(name) > 1 else name[-1]}"
