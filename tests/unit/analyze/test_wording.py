"""Residual conditions in plain English and as JSON values."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from scanner.analyze.keys.assemble import Assembly
from scanner.analyze.keys.sentences import blocked_in_words, title_of
from scanner.analyze.keys.severity import SeverityRules
from scanner.analyze.logic.expression import (
    FALSE,
    TRUE,
    Expression,
    Literal,
    NetworkSet,
    NumberSet,
    Origin,
    Predicate,
    StringSet,
    Test,
    ValueType,
    Variable,
    conj,
    disj,
    literals,
    neg,
    variables,
)
from scanner.analyze.logic.patterns import Pattern, glob, literal, literal_ignoring_case, tokens_of
from scanner.analyze.logic.residual import alternatives, shorten
from scanner.analyze.logic.wording import as_json, in_words
from scanner.analyze.principals.party import Trust
from scanner.analyze.principals.selectors import Naming, Selector
from scanner.analyze.request.caller import ANY_SERVICE
from scanner.model.finding import CapabilityResult, FindingVerdict, Severity

from builders import KEY, MEMBER, ORG, OWNER, STRANGER, grant, iam, key, world

Test.__test__ = False  # type: ignore[attr-defined]  # the class of the expressions, no test of pytest

VIA = Variable("kms:ViaService", Origin.REQUEST)
ALWAYS = Variable("aws:ViaAWSService", Origin.REQUEST, may_be_absent=False)
CALLED = Variable("aws:CalledVia", Origin.REQUEST, multivalued=True)
AGE = Variable("aws:MultiFactorAuthAge", Origin.REQUEST, ValueType.NUMBER)
ISSUED = Variable("aws:TokenIssueTime", Origin.REQUEST, ValueType.DATE)
IP = Variable("aws:SourceIp", Origin.REQUEST, ValueType.IP)
FACT = Variable("the fact", Origin.DATA, ValueType.FLAG)


def texts(*values: str) -> StringSet:
    """Literal texts, or globs where a wildcard is written."""
    return StringSet(tuple(_pattern(v) for v in values))


def _pattern(value: str) -> Pattern:
    return glob(tokens_of(value)) if "*" in value else literal(tokens_of(value))


def of(variable: Variable, predicate: Predicate | None = None, *, inverted: bool = False) -> Expression:
    """One literal."""
    return Literal(Test(variable, predicate, inverted))


WORDS: list[tuple[Expression, str, str]] = [
    # expression, its words, the words of its negation
    (TRUE, "", "never"),
    (of(VIA), "kms:ViaService is present", "kms:ViaService is absent"),
    (of(FACT), "the fact", "not (the fact)"),
    (of(VIA, texts("s3")), "kms:ViaService = s3", "kms:ViaService is not s3 or absent"),
    (of(ALWAYS, texts("true")), "aws:ViaAWSService = true", "aws:ViaAWSService is not true"),
    (of(VIA, texts("")), "kms:ViaService = (empty)", "kms:ViaService is not (empty) or absent"),
    (of(VIA, texts("s3.*")), "kms:ViaService matches s3.*", "kms:ViaService does not match s3.* or absent"),
    (of(VIA, texts("a", "b")), "kms:ViaService is one of a, b", "kms:ViaService is none of a, b or absent"),
    (
        of(VIA, texts("a*", "b")),
        "kms:ViaService matches one of a*, b",
        "kms:ViaService matches none of a*, b or absent",
    ),
    (of(VIA, texts("s3"), inverted=True), "kms:ViaService is not s3", "kms:ViaService is absent or = s3"),
    (
        of(VIA, texts(*"abcdefgh")),
        "kms:ViaService is one of a, b, c, d, e, f and 2 more",
        "kms:ViaService is none of a, b, c, d, e, f and 2 more or absent",
    ),
    (of(CALLED, texts("a")), "some value of aws:CalledVia = a", "every value of aws:CalledVia is not a"),
    (of(CALLED, texts("a"), inverted=True), "some value of aws:CalledVia is not a", "every value of aws:CalledVia = a"),
    (
        of(AGE, NumberSet("<", (300.0,), ("300",))),
        "aws:MultiFactorAuthAge < 300",
        "aws:MultiFactorAuthAge is not < 300 or absent",
    ),
    (
        of(ISSUED, NumberSet("==", (1767225600.0,), ("2026-01-01",))),
        "aws:TokenIssueTime = 2026-01-01T00:00:00Z",
        "aws:TokenIssueTime is not = 2026-01-01T00:00:00Z or absent",
    ),
    (
        of(AGE, NumberSet(">", (-5.0,), ("-5",))),
        "aws:MultiFactorAuthAge > -5",
        "aws:MultiFactorAuthAge is not > -5 or absent",
    ),
    (
        of(IP, NetworkSet((ip_network("10.0.0.0/8"), ip_network("::/0")))),
        "aws:SourceIp is in 10.0.0.0/8, ::/0",
        "aws:SourceIp is outside of 10.0.0.0/8, ::/0 or absent",
    ),
    (
        conj((of(VIA), disj((of(CALLED), of(AGE))))),
        "kms:ViaService is present and (aws:CalledVia is present or aws:MultiFactorAuthAge is present)",
        "kms:ViaService is absent or (aws:CalledVia is absent and aws:MultiFactorAuthAge is absent)",
    ),
]


@pytest.mark.parametrize(("expression", "words", "negated"), WORDS)
def test_condition_reads_as_plain_english(expression: Expression, words: str, negated: str) -> None:
    assert in_words(expression) == words
    assert in_words(neg(expression)) == negated


JSON: list[tuple[Expression, object]] = [
    (TRUE, True),
    (FALSE, False),
    (of(VIA), {"key": "kms:ViaService", "holds": True, "test": "present"}),
    (neg(of(VIA, texts("a*"))), {"key": "kms:ViaService", "holds": False, "test": "matches", "values": ["a*"]}),
    (
        of(VIA, StringSet((literal_ignoring_case(tokens_of("a")),))),
        {"key": "kms:ViaService", "holds": True, "test": "equals_ignoring_case", "values": ["a"]},
    ),
    (
        of(VIA, texts("a"), inverted=True),
        {"key": "kms:ViaService", "holds": True, "test": "equals", "values": ["a"], "of": "a value outside"},
    ),
    (
        of(CALLED, texts("a")),
        {"key": "aws:CalledVia", "holds": True, "test": "equals", "values": ["a"], "of": "some value"},
    ),
    (
        of(CALLED, texts("a"), inverted=True),
        {"key": "aws:CalledVia", "holds": True, "test": "equals", "values": ["a"], "of": "some value outside"},
    ),
    (
        of(AGE, NumberSet("<=", (5.0,), ("5",))),
        {"key": "aws:MultiFactorAuthAge", "holds": True, "test": "<=", "values": ["5"]},
    ),
    (
        of(IP, NetworkSet((ip_network("::/0"),))),
        {"key": "aws:SourceIp", "holds": True, "test": "in_network", "values": ["::/0"]},
    ),
    (
        conj((of(VIA), of(AGE))),
        {
            "all": [
                {"key": "kms:ViaService", "holds": True, "test": "present"},
                {"key": "aws:MultiFactorAuthAge", "holds": True, "test": "present"},
            ]
        },
    ),
    (
        disj((of(VIA), of(AGE))),
        {
            "any": [
                {"key": "kms:ViaService", "holds": True, "test": "present"},
                {"key": "aws:MultiFactorAuthAge", "holds": True, "test": "present"},
            ]
        },
    ),
]


@pytest.mark.parametrize(("expression", "expected"), JSON)
def test_condition_as_json_has_every_value(expression: Expression, expected: object) -> None:
    assert as_json(expression) == expected


def test_very_long_expressions_are_neither_shortened_nor_split() -> None:
    many = disj(conj((of(VIA, texts(f"a{n}")), of(CALLED, texts(f"b{n}")))) for n in range(70))
    assert shorten(many) == many
    assert alternatives(many) == ()
    assert alternatives(TRUE) == ((),)
    assert alternatives(FALSE) == ()


def test_literals_and_variables_come_in_order() -> None:
    expression = conj((of(VIA), disj((of(AGE), of(VIA, texts("x"))))))
    assert [x.test.variable for x in literals(expression)] == [VIA, AGE, VIA]
    assert variables(expression) == (VIA, AGE)
    assert variables(TRUE) == ()


# -- titles -----------------------------------------------------------------------------------------------------------

TITLES: list[tuple[Selector, str]] = [
    (Selector("*", "any"), "Any principal of any AWS account can decrypt data"),
    (Selector("o-else", "organization"), "Any principal of organization o-else (unknown) can decrypt data"),
    (
        Selector("logs.amazonaws.com", "service"),
        "An AWS service, logs.amazonaws.com, whoever it acts for, can decrypt data",
    ),
    (Selector(ANY_SERVICE, "service"), "Any AWS service, whoever it acts for, can decrypt data"),
    (Selector("AROAGONE", "unknown_id"), "A user or role of which only the id is known (AROAGONE) can decrypt data"),
    (Selector(ORG, "organization"), f"Principals of organization {ORG} (same organization) can decrypt data"),
    (Selector("nonsense", "malformed"), "A principal that cannot exist (nonsense) can decrypt data"),
    (Selector(iam(STRANGER, "role/x"), "role", STRANGER), f"A role of an unknown account {STRANGER}"),
    (Selector(iam(MEMBER, "root"), "account", MEMBER), f"Principals of account {MEMBER}"),
]


def told(capability: str, verdict: FindingVerdict = FindingVerdict.CONFIRMED, *reasons: str) -> CapabilityResult:
    """A leading capability."""
    return CapabilityResult(capability, (), verdict, Severity.LOW, reasons)


@pytest.mark.parametrize(
    ("leading", "start"),
    [
        (told("decrypt", FindingVerdict.CONFIRMED, "root_user_only"), f"The root user of account {MEMBER} "),
        (told("decrypt", FindingVerdict.CONFIRMED, "both_sides_allow", "root_user_only"), "Principals of account"),
        (told("decrypt", FindingVerdict.CONDITIONAL, "residual_condition"), "Principals of account"),
        (told("decrypt", FindingVerdict.POSSIBLE, "caller_side_not_collected"), "Principals of account"),
        (told("decrypt", FindingVerdict.BLOCKED, "scp_deny"), f"Any principal of account {MEMBER}"),
    ],
)
def test_title_claims_of_an_account_of_ours_no_more_than_was_judged(leading: CapabilityResult, start: str) -> None:
    assembly = Assembly(world(key()), Trust(), SeverityRules())
    grantee = assembly.grantee(Naming(Selector(iam(MEMBER, "root"), "account", MEMBER), "grant"), key())
    assert title_of(grantee, leading, assembly.key_ref(key())).startswith(start)


def test_title_reads_well_with_every_capability() -> None:
    assembly = Assembly(world(key()), Trust(), SeverityRules())
    grantee = assembly.grantee(Naming(Selector("*", "any"), "key_policy"), key())
    assert title_of(grantee, told("delegate"), assembly.key_ref(key())) == (
        f"Any principal of any AWS account can hand out access to key 1234abcd-12ab… of {OWNER} in eu-west-1"
    )


@pytest.mark.parametrize(("selector", "start"), TITLES)
def test_title_begins_with_who_it_is_about(selector: Selector, start: str) -> None:
    assembly = Assembly(world(key()), Trust(), SeverityRules())
    grantee = assembly.grantee(Naming(selector, "grant"), key())
    if selector.kind == "service":
        grantee = assembly.grantee(Naming(selector, "key_policy", grants=(grant(selector.text),)), key())
    title = title_of(grantee, told("decrypt"), assembly.key_ref(key()))
    assert title.startswith(start)
    assert title.endswith(f"with key 1234abcd-12ab… of {OWNER} in eu-west-1")
    assert KEY not in title


def test_reason_without_words_of_its_own_is_spelled_out() -> None:
    assert blocked_in_words("scp_deny") == "a service control policy refuses"
    assert blocked_in_words("key_pending_import") == "key pending import"
