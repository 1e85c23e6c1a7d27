"""Random organizations for the sharing of decisions: the same few documents held by callers of every kind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from random import Random
from typing import Any, TypeVar

from scanner.analyze.request.caller import (
    Caller,
    any_identity_of,
    anyone,
    federated_of,
    resolve_caller,
    some_service,
    vouched_for_by,
)
from scanner.model.arn import AccountId
from scanner.model.key import KeyFacts
from scanner.model.organization import AccountFacts, Organization
from scanner.model.policy import DocumentKind
from scanner.model.principal import PrincipalFacts
from scanner.model.world import World

from builders import (
    FULL,
    KEY,
    MEMBER,
    ORG,
    OU,
    OWNER,
    ROOT,
    STRANGER,
    account,
    allow,
    deny,
    grant,
    iam,
    key,
    organization,
    policy,
    principal,
    ram,
    text,
    world,
)
from role_worlds import admits

T = TypeVar("T")
THIRD, UNREAD, PARTNER = "333333333333", "555555555555", "666666666666"
ACCOUNTS = (OWNER, MEMBER, THIRD)
LINKED = "role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
TEXTS = ("StringEquals", "StringEquals", "StringNotEquals", "StringLike", "StringNotLikeIfExists", "Null")
MANY = ("ForAnyValue:StringLike", "ForAllValues:StringNotLike", "ForAnyValue:StringNotEquals", "StringLike")
FLAGS = ("Bool", "BoolIfExists", "Null")
TESTED: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "kms:CallerAccount": (TEXTS, (MEMBER, "4444*", "${aws:PrincipalAccount}")),
    "aws:PrincipalOrgID": (TEXTS, (ORG, "o-*", "${aws:ResourceOrgID}")),
    "aws:PrincipalArn": (("ArnLike", "ArnNotLike", "StringLike"), ("arn:aws:iam::*:role/Ap?", "*:${aws:username}")),
    "aws:PrincipalTag/team": (TEXTS, ("blue", "b*", "${aws:ResourceTag/team}")),
    "aws:ResourceTag/team": (TEXTS, ("blue", "${aws:PrincipalTag/team}", "${aws:PrincipalTag/a,b}", "${aws:userid}")),
    "aws:PrincipalType": (TEXTS, ("User", "Assumed*")),
    "aws:PrincipalOrgPaths": (MANY, (f"{ORG}/{ROOT}/{OU}/*", "o-partner/*")),
    "aws:ResourceOrgPaths": (MANY, (f"{ORG}/{ROOT}/{OU}/*",)),
    "kms:ResourceAliases": (MANY, ("alias/a", "alias/*")),
    "kms:KeySpec": (TEXTS, ("SYMMETRIC_DEFAULT", "RSA_*")),
    "kms:MultiRegion": (FLAGS, ("true", "false")),
    "aws:PrincipalIsAWSService": (FLAGS, ("true", "false")),
    "aws:PrincipalServiceName": (TEXTS, ("s3.amazonaws.com",)),
    "aws:ResourceAccount": (TEXTS, (OWNER, "${aws:PrincipalAccount}", "${aws:PrincipalTag/owner, 'x'}")),
    "aws:RequestedRegion": (TEXTS, ("eu-*",)),
    "aws:username": (TEXTS, ("Ann", "A*")),
    "AWS:userid": (TEXTS, ("AROAAPP*", f"{OWNER}:Bob", "*:blue")),
    "kms:ViaService": (TEXTS, ("s3.eu-west-1.amazonaws.com",)),
    "kms:EncryptionContext:App": (TEXTS, ("a", "${aws:PrincipalTag/team}")),
    "kms:GrantOperations": (MANY, ("Decrypt",)),
    "aws:SourceAccount": (TEXTS, (OWNER, "${aws:ResourceAccount}")),
    "aws:TagKeys": (MANY, ("team",)),
    "aws:Unknown": (TEXTS, ("x", "${aws:PrincipalTag/team}")),
    "token.actions.githubusercontent.com:sub": (TEXTS, ("repo:a/*",)),
}
"""By condition key: operators and values that suit it."""
ACTIONS = (
    ("kms:*",), ("kms:*",), ("kms:Decrypt",), ("kms:Enc*", "kms:ReEncrypt*", "kms:CreateGrant"), ("*",), ("s3:*",),
    ("kms:PutKeyPolicy", "kms:RetireGrant", "kms:Sign"), ("kms:*Alias", "kms:Describe*"), ("iam:*", "sts:*"),
)  # fmt: skip
TAGS = ({}, {}, {"team": "blue"}, {"team": "red", "owner": OWNER}, {"TEAM": "red", "team": "blue"}, {"a,b": "blue"})
CONSTRAINTS = ({}, {"EncryptionContextSubset": {"App": "a"}}, {"SourceArn": "arn:aws:s3:::b"}, {"Odd": 1})
OPERATIONS = ("Decrypt", "Encrypt", "CreateGrant", "RetireGrant", "Sign")
KINDS = (("RSA_2048", "SIGN_VERIFY"), ("HMAC_256", "GENERATE_VERIFY_MAC"), ("", ""))
CONTEXTS = (
    {}, {}, {"aws:principaltag/team": ("blue",)}, {"aws:principalorgid": ("o-z",)}, {"aws:sourceaccount": (OWNER,)},
    {"kms:viaservice": ("s3.eu-west-1.amazonaws.com",)},
)  # fmt: skip


class Drawn:
    """Draws one world, and what is asked in it."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self._tested = [self.pick(tuple(TESTED)) for _ in range(self.pick((1, 2, 3)))]
        self._documents = [self._document() for _ in range(3)]
        self._statements = [self._key_statement() for _ in range(3)]

    def pick(self, options: Sequence[T]) -> T:
        """One of the options."""
        return options[self.random.randrange(len(options))]

    def one_in(self, count: int) -> bool:
        """True as often as one in so many."""
        return self.random.randrange(count) == 0

    # -- documents ----------------------------------------------------------------------------------------------------

    def _when(self) -> Any:
        found: dict[str, Any] = {}
        for _ in range(self.pick((0, 0, 1, 1, 2))):
            name = self.pick(self._tested)
            operators, values = TESTED[name]
            operator = self.pick(operators)
            found.setdefault(operator, {})[name] = "true" if operator == "Null" else self.pick(values)
        return found or None

    def _statement(self, effect: str = "", **parts: Any) -> Any:
        made = {"Allow": allow, "Deny": deny}[effect or self.pick(("Allow", "Allow", "Allow", "Deny"))]
        statement = made(None, *self.pick(ACTIONS), when=self._when(), **parts)
        if self.one_in(9):
            statement["NotAction"] = statement.pop("Action")
        return statement | ({"Effect": "Maybe"} if self.one_in(40) else {})

    def _document(self) -> Any:
        if self.one_in(40):
            return "[]"
        more = [self._statement(Resource=self._resource()) for _ in range(self.pick((0, 1, 1)))]
        written = [allow(None, self.pick(("kms:*", "*")), when=self._when(), Resource=self._resource()), *more]
        for statement in written:
            if statement["Resource"] != "*" and self.one_in(8):
                statement["NotResource"] = statement.pop("Resource")
        return policy(*written, version="2008-10-17" if self.one_in(8) else "2012-10-17")

    def _resource(self) -> Any:
        return self.pick((
            "*", "*", "*", "*", f"arn:aws:kms:*:{OWNER}:key/*", f"{KEY[:-1]}1", f"{KEY[:-1]}?",
            [f"{KEY[:-1]}0", f"arn:aws:kms:*:{MEMBER}:*"], "arn:aws:kms:*:${aws:PrincipalAccount}:key/*",
            "arn:aws:kms:*:*:key/*${aws:PrincipalTag/none, '1'}", f"arn:aws:iam::{OWNER}:role/*",
        ))  # fmt: skip

    def _who(self) -> Any:
        of = self.pick((*ACCOUNTS, UNREAD, PARTNER, STRANGER))
        names = ("role/App", "role/Ops", "user/Ann", "assumed-role/App/blue", "federated-user/Bob", LINKED)
        texts = [*(iam(of, name) for name in names), of, f"AROAAPP{of}", "AROA.GONE", "garbage", iam(of, "root")]
        others: list[Any] = [*("*",) * 9, {"Service": ["s3.amazonaws.com"]}, {"AWS": [iam(of, "root"), texts[0]]}]
        return self.pick((*others, *({"AWS": t} for t in (*texts, iam(of, "root")))))

    def _key_statement(self) -> Any:
        odd = self.one_in(8)
        statement = self._statement(Resource="arn:aws:kms:*:*:key/*${aws:PrincipalTag/none, '1'}" if odd else "*")
        if not self.one_in(8):
            return statement | {"Principal": self._who()}
        return statement | {"NotPrincipal": self._who(), "Effect": "Allow" if self.one_in(4) else "Deny"}

    def _guards(self, kind: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for target in (ROOT, OU, "ou-b", *ACCOUNTS):
            if self.one_in(4):
                refusal = self._statement("Deny", Resource=self._resource())
                refusal |= {"Principal": "*"} if kind == "rcps" else {}
                found[target] = [policy(refusal)] if kind == "rcps" or self.one_in(6) else [FULL, policy(refusal)]
        return found

    # -- facts --------------------------------------------------------------------------------------------------------

    def _identities(self, own: str) -> Iterator[PrincipalFacts]:
        trusts = (None, admits("*"), admits("*", "sts:AssumeRole", "sts:TagSession"))
        for name in ("role/App", "role/Ops", "user/Ann", *((LINKED,) if self.one_in(4) else ())):
            facts: dict[str, Any] = {"tags": self.pick(TAGS)}
            if self.one_in(2):
                facts["unique_id"] = f"{'AIDA' if 'user' in name else 'AROA'}{name[-3:].upper()}{own}"
            if self.one_in(12):
                facts |= {"complete": False, "gap": "row/iam"}
            boundary = self.pick(self._documents) if self.one_in(4) else None
            trust = None if "user" in name else self.pick(trusts)
            held = [self.pick(self._documents) for _ in range(self.pick((1, 1, 2)))]
            yield principal(iam(own, name), *held, boundary=boundary, trust=trust, **facts)
        given = self.pick((None, [], [self.pick(self._documents)]))
        if self.one_in(3):
            parent, session_tags = iam(own, "role/App"), self.pick(TAGS)
            arn = iam(own, "assumed-role/App/blue")
            yield principal(arn, parent=parent, session_policies=given, session_tags=session_tags)
        if self.one_in(4):
            yield principal(iam(own, "federated-user/Bob"), parent=iam(own, "user/Ann"), session_policies=given or [])

    def _key(self, number: int) -> KeyFacts:
        own = self.pick((OWNER, OWNER, OWNER, MEMBER))
        region = "me-south-1" if self.one_in(8) else "eu-west-1"
        arn = f"arn:aws:kms:{region}:{own}:key/{KEY[-36:-1]}{number}"
        held = [] if self.one_in(5) else [allow(iam(own, "root"), "kms:*")]
        facts: dict[str, Any] = {
            "tags": self.pick((*TAGS, None)), "aliases": self.pick((("alias/a",), ("alias/b", "alias/a"), (), None)),
            "state": self.pick(("Enabled",) * 9 + ("Disabled", "Odd")), "grants": tuple(self._grants(own)),
        }  # fmt: skip
        if self.one_in(9):
            facts |= dict(zip(("spec", "usage"), self.pick(KINDS), strict=True))
        if self.one_in(8):
            facts["gaps"] = {self.pick(("grants", "describe", "tags")): "row/1"}
        if self.one_in(8):
            facts["ram_policy"] = ram(self._key_statement(), arn=arn)
        if self.one_in(9):
            facts |= self.pick(({"manager": "AWS"}, {"multi_region": True}, {"ram_policy_read": False}))
        made = key(*held, *self._statements[: self.random.randint(0, 3)], arn=arn, **facts)
        return replace(made, key_policy=None) if self.one_in(25) else made

    def _grants(self, own: str) -> Iterator[Any]:
        for number in range(self.pick((0, 0, 0, 1, 2))):
            names = (iam(own, "role/App"), iam(MEMBER, "root"), iam(MEMBER, "user/Ann"), "s3.amazonaws.com")
            facts = {"retiring_principal": self.pick(names[:3])} if self.one_in(2) else {}
            operations = dict.fromkeys((self.pick(OPERATIONS), self.pick(OPERATIONS)))
            yield grant(
                self.pick(names), *operations, grant_id=f"g-{number}", constraints=self.pick(CONSTRAINTS),
                issuing_account=self.pick((own, MEMBER, "")), **facts,
            )  # fmt: skip

    def _organizations(self) -> tuple[Organization, ...]:
        members = {AccountId(OWNER): (ROOT, OU), AccountId(MEMBER): (ROOT, OU), AccountId(THIRD): (ROOT, "ou-b")}
        if self.one_in(4):
            members[AccountId(UNREAD)] = (ROOT,)
        scps, rcps = (self._guards(kind) if self.one_in(2) else {} for kind in ("scps", "rcps"))
        own = replace(organization(scps, rcps), members=members)
        changes: tuple[Any, ...] = (
            {"scps": None},
            {"rcps": None},
            {"management_account": MEMBER},
            {"scp_enabled": False},
        )
        own = replace(own, **self.pick(changes)) if self.one_in(5) else own
        partner = Organization(
            "o-partner", "r-p", AccountId("777777777777"), {AccountId(PARTNER): ("r-p",)}, ours=False
        )
        return self.pick(((own,), (own, partner), (own, partner), ()))

    def world(self) -> World:
        """Three accounts that hold the same few documents, and some that were not read."""
        regions = (None, frozenset[str](), frozenset({"me-south-1"}))
        accounts = [account(own, opted_in_regions=self.pick(regions)) for own in ACCOUNTS]
        if self.one_in(6):
            odd: tuple[Any, ...] = ({"organization_unknown": True}, {"collected": False, "gap": "row/c"})
            accounts[1] = replace(accounts[1], **self.pick(odd))
        away = [
            account(UNREAD, collected=False, ours=not self.one_in(3)),
            AccountFacts(AccountId(PARTNER), collected=False),
        ]
        facts = self.pick(({}, {}, {}, {"asserted": {"aws:sourceaccount": (OWNER,)}}, {"credit_rcp": False}))
        things = [p for own in ACCOUNTS for p in self._identities(own)]
        keys = [self._key(number) for number in range(self.pick((2, 3)))]
        return world(*things, *keys, *accounts, *away, organizations=self._organizations(), **facts)

    def variants(self, given: World) -> Iterator[World]:
        """The world, and worlds that differ from it in one thing."""
        yield given
        arn = self.pick(tuple(given.principals))
        identity = text(FULL, DocumentKind.IDENTITY, arn)
        rewritten = replace(given.principals[arn], identity_policies=(identity,))
        yield replace(given, principals={**given.principals, arn: rewritten})
        changes: tuple[Any, ...] = (
            {"credit_scp": False},
            {"organizations": ()},
            {"as_of": "2031-01-01T00:00:00+00:00"},
        )
        yield replace(given, **self.pick(changes))


def callers_in(given: World) -> tuple[Caller, ...]:
    """Callers of every kind, of accounts that were read and of others."""
    found = [resolve_caller(given, arn) for arn in given.principals]
    for own in (*ACCOUNTS, UNREAD, PARTNER, STRANGER):
        sessions = ("assumed-role/Ops/green", "assumed-role/AWSServiceRoleForOdd/green", "federated-user/Eve")
        found.extend(resolve_caller(given, iam(own, name)) for name in ("root", "role/App", *sessions))
        found.extend((any_identity_of(given, own, "aws"), federated_of(resolve_caller(given, iam(own, "user/Ann")))))
    found.extend(resolve_caller(given, name) for name in ("s3.amazonaws.com", "sns.amazonaws.com"))
    providers = (f"arn:aws:iam::{OWNER}:oidc-provider/token.actions.githubusercontent.com", "any identity provider")
    found.extend((some_service(), anyone("aws"), anyone("aws-cn"), *map(vouched_for_by, providers)))
    return tuple({(caller.text, caller.kind): caller for caller in found}.values())
