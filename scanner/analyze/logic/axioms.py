"""What AWS documents about request keys that depend on each other; contexts that break it do not exist."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import chain

from scanner.analyze.logic.expression import (
    TRUE,
    Expression,
    Literal,
    Origin,
    StringSet,
    Test,
    Variable,
    conj,
    disj,
    literals,
    neg,
    present,
    variables,
)
from scanner.analyze.logic.patterns import literal, literal_ignoring_case

_THROUGH_ENDPOINT = ("aws:sourcevpc", "aws:sourcevpce", "aws:vpcsourceip", "aws:sourcevpcarn")
_CALLED_VIA = ("aws:calledvia", "aws:calledviafirst", "aws:calledvialast")
_EC_PREFIX = "kms:encryptioncontext:"


@lru_cache(maxsize=65536)
def axioms_for(expression: Expression) -> Expression:
    """The documented dependencies among the request variables that the expression mentions.

    aws:SourceIp is absent through a VPC endpoint (R6.N); kms:EncryptionContextKeys lists exactly the names of the
    encryption context (R5.18, R6.E); a grant has one kind of grantee (R4.6); aws:CalledVia is set by
    services only (R6.V). Two variables that have the same value pass the same tests.
    """
    found = {v.name.lower(): v for v in variables(expression) if v.origin is Origin.REQUEST}
    parts = [*_network(found), *_encryption_context(found), *_grantees(found), *_called_via(found)]
    parts.extend(chain.from_iterable(_same(flag, found.values(), expression) for flag in found.values() if flag.same))
    return conj(parts) if parts else TRUE


def _network(found: Mapping[str, Variable]) -> list[Expression]:
    address = found.get("aws:sourceip")
    if address is None:
        return []
    through = [found[name] for name in _THROUGH_ENDPOINT if name in found]
    return [disj((neg(present(address)), neg(present(v)))) for v in through]


def _encryption_context(found: Mapping[str, Variable]) -> list[Expression]:
    names = found.get("kms:encryptioncontextkeys")
    if names is None:
        return []
    parts: list[Expression] = []
    for lower, variable in found.items():
        if lower.startswith(_EC_PREFIX):
            pattern = literal_ignoring_case(tuple(lower.removeprefix(_EC_PREFIX)))
            listed = Literal(Test(names, StringSet((pattern,))))
            parts.append(disj((conj((present(variable), listed)), conj((neg(present(variable)), neg(listed))))))
    return parts


def _grantees(found: Mapping[str, Variable]) -> list[Expression]:
    principal, service = found.get("kms:granteeprincipal"), found.get("kms:granteeserviceprincipal")
    if principal is None or service is None:
        return []
    return [disj((neg(present(principal)), neg(present(service))))]


def _called_via(found: Mapping[str, Variable]) -> list[Expression]:
    by_service = found.get("aws:viaawsservice")
    if by_service is None:
        return []
    true = Literal(Test(by_service, StringSet((literal(tuple("true")),))))
    return [disj((neg(present(found[name])), true)) for name in _CALLED_VIA if name in found]


def _same(flag: Variable, others: Iterable[Variable], expression: Expression) -> Iterator[Expression]:
    """What it means that two variables have the same value, as far as the tests of the expression can see."""
    assert flag.same is not None
    one, other = flag.same
    holds = Literal(Test(flag))
    texts = (x.test.predicate for x in literals(expression) if x.test.variable in flag.same)
    for predicate in dict.fromkeys(p for p in texts if isinstance(p, StringSet)):
        passes, follows = Literal(Test(one, predicate)), Literal(Test(other, predicate))
        if not flag.any_case or all(p.ignore_case for p in predicate.patterns):
            yield disj((neg(holds), conj((passes, follows)), conj((neg(passes), neg(follows)))))
        for pattern in predicate.patterns:
            if pattern.is_fixed and (flag.any_case or not pattern.ignore_case):
                alone = StringSet((literal_ignoring_case(pattern.tokens) if flag.any_case else pattern,))
                yield disj((holds, neg(Literal(Test(one, alone))), neg(Literal(Test(other, alone)))))
    for weaker in others:
        if weaker.same == flag.same and weaker.any_case and not flag.any_case:
            yield disj((neg(holds), Literal(Test(weaker))))
