"""Identity statements whose resource covers keys of any account, and who holds them under which policy."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import product, zip_longest

from scanner.analyze.keys.uses import Place
from scanner.analyze.language.parse import parse_policy
from scanner.analyze.logic.patterns import glob, tokens_of
from scanner.analyze.permissions.statement_actions import key_actions
from scanner.analyze.principals.principal_classes import EVERY_ACCOUNT, holders_of, organization_wide
from scanner.analyze.principals.selectors import NamedStatement
from scanner.model.arn import parse_arn
from scanner.model.policy import Effect, PolicyText, Statement
from scanner.model.world import World

_ANY_KEY = "\ufffe"
_ANY_KEYS = (f"key/{_ANY_KEY}", f"key/mrk-{_ANY_KEY}")
"""Account and id that no policy writes: only a wildcard fits them."""

_DIGITS = 12
"""Of an account id."""

_AWS = "aws"
"""Account part of the ARN of a policy that AWS writes."""


@dataclass(slots=True)
class Broad:
    """One statement, or all of them in a policy of AWS, with every policy and principal that holds it."""

    statements: list[NamedStatement]
    by_aws: bool
    sources: set[str] = field(default_factory=set)
    holders: dict[str, None] = field(default_factory=dict)
    places: set[Place] = field(default_factory=set)

    @property
    def first(self) -> NamedStatement:
        """The statement that names the finding."""
        return self.statements[0]

    @property
    def is_inline(self) -> bool:
        """Whether the policy belongs to a user, role or group."""
        arn = parse_arn(self.first.document.policy.source)
        return arn is None or not arn.resource.startswith("policy/")

    @property
    def source(self) -> str:
        """The ARN of the policy, or of whoever holds it inline; parts in which several differ are `*`."""
        parts = sorted({tuple(_common_form(s, self.is_inline).split(":", 5)) for s in self.sources})
        if len(parts) == 1:
            return ":".join(parts[0])
        resources = sorted({p[5] for p in parts if len(p) == 6})
        accounts = sorted({p[4] for p in parts if len(p) == 6})
        kinds = sorted({r.partition("/")[0] for r in resources})
        resource = resources[0] if len(resources) == 1 else f"{kinds[0] if len(kinds) == 1 else '*'}/*"
        account = accounts[0] if len(accounts) == 1 else EVERY_ACCOUNT
        return f"arn:{parts[0][1]}:iam::{account}:{resource}"

    @property
    def regions(self) -> tuple[str, ...]:
        """Regions of the keys that the statements cover, as patterns."""
        elements = [e.value for n in self.statements for e in n.statement.resources or ()]
        arns = [parse_arn(text) for text in elements if accounts_of(text)]
        return tuple(sorted({arn.region if arn else "*" for arn in arns})) or ("*",)

    @property
    def accounts(self) -> tuple[str, ...]:
        """Accounts of the keys that the statements cover, as patterns with a wildcard."""
        return tuple(sorted({pattern for n in self.statements for pattern in open_accounts(n.statement)}))

    @property
    def label(self) -> str:
        """What identifies the statement in its policy: its Sid, or its index."""
        return self.first.statement.sid or f"[{self.first.statement.index}]"


def _common_form(source: str, inline: bool) -> str:
    """An ARN with the role name that a role has in every account, where it is such a role."""
    shared = organization_wide(source) if inline else ""
    return f"{source.rsplit('/', 1)[0]}/{shared}" if shared else source


def broad_statements(world: World) -> list[Broad]:
    """Every statement that may allow something on keys of any account, gathered over accounts.

    Policies of the same name and text are one; so are, whatever their text, the inline policies of a role that AWS
    puts into every account. A policy that AWS writes is one, however many statements it has.
    """
    found: dict[tuple[str, ...], Broad] = {}
    for facts, policies in holders_of(world, lambda p: bool(broad_in(p))):
        shared = organization_wide(facts.arn)
        for policy in policies:
            for named in broad_in(policy):
                broad = found.setdefault(_group(named, shared), Broad([], _is_of_aws(policy)))
                if named.place not in {n.place for n in broad.statements}:
                    broad.statements.append(named)
                broad.sources.add(policy.source)
                broad.holders[facts.arn] = None
                broad.places.add((policy.name, *named.place))
    return [broad for _, broad in sorted(found.items())]


def _group(named: NamedStatement, shared: str) -> tuple[str, ...]:
    policy, statement = named.document.policy, named.statement
    if _is_of_aws(policy):
        return _AWS, policy.source
    label = statement.sid or f"[{statement.index}]"
    if shared and parse_arn(policy.source) is not None and ":policy/" not in policy.source:
        return "shared", shared, policy.name, label
    return "text", policy.name, policy.sha256, str(statement.index)


def _is_of_aws(policy: PolicyText) -> bool:
    arn = parse_arn(policy.source)
    return arn is not None and arn.account_id == _AWS


def broad_in(policy: PolicyText) -> tuple[NamedStatement, ...]:
    """The statements of a policy that may allow an action on keys of any account."""
    document = parse_policy(policy)
    return tuple(
        NamedStatement(document, s)
        for s in document.statements
        if s.effect is not Effect.DENY and open_accounts(s) and key_actions((NamedStatement(document, s),))
    )


def open_accounts(statement: Statement) -> tuple[str, ...]:
    """Accounts of which some resource fits whichever keys, as patterns; `*` for all, none where ids are written out."""
    if statement.not_resources is not None:
        return (EVERY_ACCOUNT,)
    return tuple(pattern for pattern in (accounts_of(e.value) for e in statement.resources or ()) if pattern)


def accounts_of(text: str) -> str:
    """The accounts that a resource leaves open, as a pattern; empty where it does not.

    It must fit whichever keys, or whichever multi-Region keys: everybody can have such.
    """
    arn = parse_arn(text)
    if arn is None:
        whole = glob(tokens_of(text))
        fits = any(whole.matches(f"arn:aws:kms:{_ANY_KEY}:{_ANY_KEY}:{key}") for key in _ANY_KEYS)
        return EVERY_ACCOUNT if fits else ""
    if not glob(tokens_of(arn.service)).matches("kms") or not set(arn.account_id) & {"*", "?"}:
        return ""
    if not any(glob(tokens_of(arn.resource)).matches(key) for key in _ANY_KEYS):
        return ""
    return EVERY_ACCOUNT if glob(tokens_of(arn.account_id)).matches(_ANY_KEY * 12) else arn.account_id


def account_fitting(pattern: str, known: Collection[str]) -> str:
    """An account that fits a pattern and is not among those known; empty where there is none."""
    free = _DIGITS - len(pattern.replace("*", ""))
    if free < 0 or not set(pattern) <= set("0123456789*?"):
        return ""
    parts = pattern.replace("*", "?" * free, 1).replace("*", "").split("?")
    if sum(map(len, parts)) + len(parts) - 1 != _DIGITS:
        return ""
    filled = (
        "".join(f"{part}{digit}" for part, digit in zip_longest(parts, digits, fillvalue=""))
        for digits in product("9876543210", repeat=len(parts) - 1)
    )  # fmt: skip
    return next((account for account in filled if account not in known), "")


def is_administrator(statement: Statement) -> bool:
    """Whether the statement allows every action of AWS on everything (`*` on `*`)."""
    return any(e.value in {"*", "*:*"} for e in statement.actions or ()) or (
        statement.not_actions is not None and all(not e.value.lower().startswith("kms:") for e in statement.not_actions)
    )
