"""Whether the Condition of a statement holds: missing keys, modifiers, sets, variables (section 5)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .context_keys import MULTIVALUED, OPEN, OfNoCustomer, Unknown, UnknownOrganization, value_of
from .logic import Tri, all_of, any_of, negate
from .operators import EXPANDING, NEGATED, POSITIVE
from .patterns import Pattern, literal, plain, text_of
from .scenes import Scene, texts

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_DEFAULT = re.compile(r"^(?P<name>[^,]+), '(?P<default>.*)'$")


@dataclass(frozen=True)
class Document:
    """One policy document as one layer; `kind` is what context_keys.value_of calls it."""

    kind: str
    body: Mapping[str, Any]

    @property
    def expands(self) -> bool:
        """Variables only where the document says Version 2012-10-17 (R5.30)."""
        return self.body.get("Version") == "2012-10-17"

    @property
    def statements(self) -> list[Mapping[str, Any]]:
        """A single statement equals a one-element list."""
        statements = self.body.get("Statement") or []
        return [statements] if isinstance(statements, Mapping) else list(statements)


@dataclass(frozen=True)
class Operator:
    """An operator name taken apart: set prefix, base, IfExists (5.2)."""

    quantifier: str
    base: str
    if_exists: bool

    @property
    def negated(self) -> bool:
        """NOT any of the values (R5.4)."""
        return self.base in NEGATED


def split_operator(name: str) -> Operator:
    """`ForAllValues:StringNotLikeIfExists` and the like."""
    quantifier, _, rest = name.rpartition(":")
    return Operator(quantifier, rest.removesuffix("IfExists"), rest.endswith("IfExists"))


def expand(value: str, scene: Scene, document: Document) -> Pattern | Unknown | None:
    """A policy value with its variables replaced by what they stand for (5.4).

    None where a variable has no value and no default (R5.32, R5.33).
    """
    if not document.expands:
        return plain(value)
    pattern: Pattern = []
    at = 0
    for found in _VARIABLE.finditer(value):
        pattern += plain(value[at : found.start()])
        at = found.end()
        inner = found.group(1)
        if inner in {"*", "?", "$"}:
            pattern += literal(inner)
            continue
        with_default = _DEFAULT.match(inner)
        name = (with_default.group("name") if with_default else inner).lower()
        given = value_of(name, scene, document.kind)
        if isinstance(given, OPEN) or (name in MULTIVALUED and given):
            return Unknown()
        if not given and not with_default:
            return None
        pattern += literal(given[0] if given else str(with_default and with_default.group("default")))
    return pattern + plain(value[at:])


@dataclass(frozen=True)
class Where:
    """The statement whose test is evaluated, in its document, for a scene."""

    scene: Scene
    document: Document
    deny: bool


def condition_holds(statement: Mapping[str, Any], scene: Scene, document: Document) -> Tri:
    """All operator blocks and all keys inside a block must hold (R5.2)."""
    where = Where(scene, document, statement.get("Effect") == "Deny")
    return all_of(
        test_holds(split_operator(name), key.lower(), texts(wanted), where)
        for name, block in (statement.get("Condition") or {}).items()
        for key, wanted in block.items()
    )


def test_holds(operator: Operator, key: str, wanted: list[str], where: Where) -> Tri:
    """One operator, one key, its values (5.2)."""
    given = value_of(key, where.scene, where.document.kind)
    if operator.base == "Null":
        return _null(operator, wanted, given)
    known = NEGATED.get(operator.base, operator.base) in POSITIVE
    if not known or operator.quantifier not in {"", "ForAllValues", "ForAnyValue"}:
        return None
    if isinstance(given, Unknown):
        return None
    if isinstance(given, UnknownOrganization | OfNoCustomer):
        return _unlisted(operator, key, wanted, given, where)
    if not given:
        return _missing(operator, where.deny)
    members = [_any_value_matches(operator, wanted, member, where) for member in given]
    if operator.negated:
        members = [negate(member) for member in members]
    if operator.quantifier == "ForAllValues":
        return all_of(members)
    if operator.quantifier == "ForAnyValue":
        return any_of(members)
    if key in MULTIVALUED or len(members) > 1:
        return None  # R5.16: a multivalued key without set operator is undocumented
    return members[0]


def _null(operator: Operator, wanted: list[str], given: object) -> Tri:
    """`true` holds where the key is missing, `false` where it is present; a list is an OR (R5.13, R5.12)."""
    if operator.if_exists or operator.quantifier or isinstance(given, OPEN):
        return None
    return ("false" if given else "true") in [value.lower() for value in wanted]


def _missing(operator: Operator, deny: bool) -> Tri:
    """The missing-key column of 5.2 (R5.11, R5.12, R5.14, R5.15)."""
    if operator.if_exists:
        return True
    if operator.quantifier == "ForAllValues":
        # R5.14: one page contradicts the rule, so a Deny built that way does not count as firing.
        return None if deny and operator.negated else True
    if operator.quantifier == "ForAnyValue":
        return False
    return operator.negated


def _any_value_matches(operator: Operator, wanted: list[str], member: str, where: Where) -> Tri:
    """Several values for one key: OR (R5.3); the caller negates (R5.4)."""
    base = NEGATED.get(operator.base, operator.base)
    results: list[Tri] = []
    for value in wanted:
        pattern = expand(value, where.scene, where.document) if base in EXPANDING else plain(value)
        if isinstance(pattern, Unknown):
            results.append(None if _may_match(base, value, member, where) else False)
        elif pattern is None:
            results.append(False)
        else:
            results.append(POSITIVE[base](pattern, member))
    return any_of(results)


def _may_match(base: str, value: str, member: str, where: Where) -> bool:
    """Whether a written value with an open variable may match; false is sure for a single one of a service (R6.P)."""
    found = list(_VARIABLE.finditer(value))
    with_default = _DEFAULT.match(found[0].group(1))
    key = (with_default.group("name") if with_default else found[0].group(1)).lower()
    given = value_of(key, where.scene, where.document.kind)
    if len(found) > 1 or not isinstance(given, OfNoCustomer):
        return True
    before, after = plain(value[: found[0].start()]), plain(value[found[0].end() :])
    pieces = {member[start:end] for start in range(len(member) + 1) for end in range(start, len(member) + 1)}
    perhaps = {piece for piece in pieces if not given.excludes(piece)} | (
        {with_default.group("default")} if with_default else set()
    )
    return any(POSITIVE[base](before + literal(piece) + after, member) for piece in perhaps)


def _unlisted(
    operator: Operator, key: str, wanted: list[str], given: UnknownOrganization | OfNoCustomer, where: Where
) -> Tri:
    """The table of R6.5: against a value it surely has not, against any other or a wildcard in it."""
    if key in MULTIVALUED and not operator.quantifier:
        return None  # R5.16
    if not all(_is_listed(operator, key, value, given, where) for value in wanted):
        return None
    if not operator.negated:
        return None if operator.if_exists or operator.quantifier == "ForAllValues" else False
    if operator.quantifier == "ForAnyValue" and not operator.if_exists:
        return None
    if operator.quantifier == "ForAllValues":
        return _missing(operator, where.deny)  # the value may be absent, and then R5.14 speaks
    return True


def _is_listed(
    operator: Operator, key: str, value: str, given: UnknownOrganization | OfNoCustomer, where: Where
) -> bool:
    """Paths count by their first segment; a wildcard in it is any id (R6.5); no value matches nothing (R5.32)."""
    pattern = expand(value, where.scene, where.document)
    if pattern is None:
        return True
    if isinstance(pattern, Unknown):
        return False
    if isinstance(given, OfNoCustomer):
        return given.excludes(text_of(pattern))
    organization = text_of(pattern).split("/", 1)[0] if key.endswith("paths") else text_of(pattern)
    if "IgnoreCase" in operator.base:
        return organization.lower() in {listed.lower() for listed in given.listed}
    return organization in given.listed
