"""Whether what a former finding was about was read again, so that its absence now is a proof."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property

from scanner.analyze.keys.damaged import has_damage, is_opaque
from scanner.analyze.keys.unread_rows import MOST_CITED, UnreadRows
from scanner.analyze.language.parse import parse_policy
from scanner.analyze.logic.patterns import glob, tokens_of
from scanner.analyze.paths.paths import IN_ANY_ACCOUNT
from scanner.analyze.paths.sources import admissions_of, is_unread
from scanner.analyze.principals.reach import CLOSED
from scanner.analyze.principals.selectors import operations_by_selector, selectors_of
from scanner.analyze.request.caller import account_of
from scanner.model.arn import AccountId, KeyArn, key_id_of, parse_arn
from scanner.model.coverage import LedgerRow, Outcome
from scanner.model.finding import Finding, Kind
from scanner.model.key import KeyFacts
from scanner.model.world import World

_OF_KEYS = frozenset({Kind.EXTERNAL_ACCESS, Kind.INEFFECTIVE_PERMISSION, Kind.KEY_HYGIENE})
"""Kinds that the documents of their key decide; the others hang on the IAM of accounts as well."""
_PARTS = {"key_policy": ("key_policy",), "grant": ("grants",), "ram": ("ram_policy",)}
"""What of a key decides a finding of each mechanism; both policies and grants decide the others."""
_WHOLE = ("key_policy", "ram_policy", "grants")
_LISTED = frozenset({Outcome.OK, Outcome.EMPTY})
_CROSS_CHECK = "kms:ListRetirableGrants"
"""A second list of grants, whose subjects are principals; what it finds stands in the row of the first."""
_LIST_KEYS, _LIST_REGIONS = "kms:ListKeys", ("account:ListRegions", "ec2:DescribeRegions")
_OF_GUARDRAILS = ("organizations:ListPolicies", "organizations:DescribePolicy", "organizations:ListTargetsForPolicy")
_OF_ORGANIZATION = "organizations:"


class Reading:
    """Answers from the world and its ledger whether what a former finding was about was read this time."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._gaps = [row for row in world.coverage if row.outcome.is_gap]
        rows = [row for row in world.coverage if row.call.startswith("kms:") and row.call != _CROSS_CHECK]
        own = [row for row in rows if row.call == _LIST_KEYS and not row.subject]
        self._listed = {(row.account_id, row.region) for row in own if row.outcome in _LISTED}
        self._doubted = {
            (r.account_id, r.region, r.subject) for r in rows if r.outcome.is_gap or r.outcome is Outcome.SKIPPED
        }

    def is_read_again(self, finding: Finding) -> bool:
        """Whether the absence of the finding is a proof."""
        if finding.kind in _OF_KEYS:
            return self._is_proof_of_key(finding)
        if finding.kind is Kind.ASSUMED_ROLE_PATH and self._is_shut_out(finding):
            return True
        if not all(map(self._iam_is_read, self._accounts_of(finding))):
            return False
        if finding.kind is Kind.BROAD_KEY_PERMISSION:
            return True
        if finding.kind is Kind.ASSUMED_ROLE_PATH and self._is_gone(finding.resource.arn):
            return True
        parts = _PARTS.get(finding.mechanism.kind, ("key_policy", "grants"))
        keys = [self._key_is_read(k.arn, parts) for k in finding.keys]
        if not all(keys) or (finding.keys_total > len(keys) and not self._every_key_is_read(parts)):
            return False
        if finding.kind is Kind.FOREIGN_KEY_USE:
            return self._guardrails_are_read and self._keys_are_read({finding.resource.account_id})
        rules_are_read = finding.kind is Kind.ASSUMED_ROLE_PATH or self._guardrails_are_read
        return rules_are_read and self._everything_is_read

    def _is_proof_of_key(self, finding: Finding) -> bool:
        """The same for a finding about one key.

        That somebody is let in, its documents say alone. That something has no effect, or nobody manages the key, ends
        as well where less is known: of the key, or of who exists. What names nobody any more is gone.
        """
        arn = (finding.key or finding.resource).arn
        parts = _PARTS.get(finding.mechanism.kind, ("key_policy", "grants"))
        if not self._key_is_read(arn, parts):
            return False
        key = self._world.keys.get(KeyArn(arn))
        if key is None or finding.kind is Kind.EXTERNAL_ACCESS:
            return True
        of_named = finding.kind is Kind.INEFFECTIVE_PERMISSION or finding.mechanism.kind == "grant"
        if of_named and not _names(key, finding.grantee.selector):
            return True
        account_id = finding.grantee.account_id
        known = account_id in self._ours or account_id in self._world.accounts
        accounts = {account_id} if known else self._ours if not account_id else set()
        read = not key.gaps and self._tree_is_read
        return read and all(map(self._iam_is_read, {*accounts, str(key.account_id)}))

    def _is_shut_out(self, finding: Finding) -> bool:
        """Whether the trust policy of the role that was entered was read, and names the one who entered no more.

        What lies behind the role does not matter then. Who is admitted as everybody, or by a unique id, may be told
        under another name where accounts or organizations are not known.
        """
        role = self._world.principals.get(finding.resource.arn)
        if role is None or is_unread(role):
            return False
        selectors = [admission.selector for admission in admissions_of(role)]
        return not any(s.kind in {"any", "unknown_id"} or s.text == finding.grantee.selector for s in selectors)

    def is_unread(self, name: str) -> bool:
        """Whether a policy or the grants of a key, or what an identity of ours may do, were not read or understood."""
        parts = parse_arn(name)
        if parts is None or parts.service == "kms":
            return parts is not None and not self._key_is_read(name, _WHOLE)
        if parts.account_id not in self._ours:
            return False
        account, facts = self._world.accounts.get(AccountId(parts.account_id)), self._world.principals.get(name)
        listed = account is not None and account.collected and account.iam_complete
        return not listed or (facts is not None and (not facts.complete or has_damage(facts)))

    def gaps_of(self, finding: Finding) -> tuple[str, ...]:
        """Rows of the ledger that stand in the way, the worst-hit unit first; at most 20.

        Where none of them is about the finding's own keys and accounts, those of the organization's tree and of the
        other accounts of ours: each could hold a part of it.
        """
        keys = (finding.key,) if finding.key else finding.keys
        units = {(k.account_id, k.region) for k in keys}
        accounts = {a for a, _ in units} | {finding.resource.account_id}
        accounts.update(_account_of(hop.role_arn) for hop in finding.path.hops)
        accounts.add(finding.grantee.account_id)
        near = [r for r in self._gaps if (r.account_id, r.region) in units]
        wide = [r for r in self._gaps if r.account_id in accounts and r.region in {"*", "global"}]
        own = tuple(row.ref for row in (*near, *wide) if _concerns(row, finding))
        of_organization = (row.ref for row in self._gaps if row.call.startswith(_OF_ORGANIZATION))
        return (own or (*of_organization, *UnreadRows(self._world).of_everything(())))[:MOST_CITED]

    def _key_is_read(self, arn: str, parts: Collection[str]) -> bool:
        """Whether these parts of the key were read, or it is proven to be no more."""
        key = self._world.keys.get(KeyArn(arn))
        if key is not None:
            return not any(p in key.gaps for p in parts) and ("key_policy" not in parts or not is_opaque(key))
        where = parse_arn(arn)
        if where is None:
            return False
        unit = (where.account_id, where.region)
        return unit in self._listed and not {(*unit, ""), (*unit, key_id_of(arn))} & self._doubted

    def _every_key_is_read(self, parts: Collection[str]) -> bool:
        """Whether no key can be among those that a finding reaches and does not list."""
        keys = self._world.keys
        known = {(k.account_id, k.region, key_id_of(k.arn)) for k in keys.values()}
        unlisted = {unit for unit in self._doubted if unit not in known and "/" not in unit[2]}
        return not unlisted and all(self._key_is_read(k.arn, parts) for k in keys.values() if k.manager != "AWS")

    @cached_property
    def _everything_is_read(self) -> bool:
        """Whether every account of ours is known with all its roles and keys: each could be on a chain of roles.

        Guardrails are no part of it: one that was not read refuses nothing, and so hides nothing.
        """
        return self._tree_is_read and all(map(self._iam_is_read, self._ours)) and self._keys_are_read(self._ours)

    def _keys_are_read(self, accounts: Collection[str]) -> bool:
        """Whether every key of these accounts is known, with its policies and grants."""
        if any(r.account_id in accounts and r.call in _LIST_REGIONS for r in self._gaps):
            return False
        keys = {k.arn: k for k in self._world.keys.values() if k.account_id in accounts and k.manager != "AWS"}
        known = {(k.account_id, k.region, key_id_of(arn)) for arn, k in keys.items()}
        unlisted = (
            (r.account_id, r.region, r.subject) not in known and "/" not in r.subject
            for r in self._gaps if r.call.startswith("kms:") and r.account_id in accounts
        )  # fmt: skip
        return not any(unlisted) and all(self._key_is_read(arn, _WHOLE) for arn in keys)

    @cached_property
    def _tree_is_read(self) -> bool:
        """Whether it is known which accounts there are, and to which organizations they belong."""
        unknown = any(a.organization_unknown for a in self._world.accounts.values() if a.ours)
        tree = (r for r in self._gaps if r.call.startswith(_OF_ORGANIZATION) and r.call not in _OF_GUARDRAILS)
        return not unknown and not any(tree)

    @cached_property
    def _guardrails_are_read(self) -> bool:
        """Whether every control policy is known; a rule about tags may stand in one."""
        blind = any(o.scps is None or o.rcps is None for o in self._world.organizations)
        return self._tree_is_read and not blind and not any(r.call in _OF_GUARDRAILS for r in self._gaps)

    def _accounts_of(self, finding: Finding) -> set[str]:
        """Accounts whose IAM decides; a role that many accounts have may be in each of ours."""
        accounts = {finding.resource.account_id, *(_account_of(hop.role_arn) for hop in finding.path.hops)}
        if finding.grantee.account_id in self._world.accounts:
            accounts.add(finding.grantee.account_id)
        everywhere = IN_ANY_ACCOUNT in finding.resource.arn
        of_many = finding.kind is Kind.FOREIGN_KEY_USE and not finding.grantee.account_id
        return accounts | self._ours if everywhere or of_many else accounts

    @cached_property
    def _ours(self) -> set[str]:
        """Accounts of ours, and of our organizations, in which somebody can still act."""
        listed = {a for o in self._world.organizations for a in (*o.members, o.management_account)}
        listed.update(a.id for a in self._world.accounts.values() if a.ours)
        return {a for a in listed if account_of(self._world, a).status not in CLOSED}

    def _is_gone(self, role_arn: str) -> bool:
        """Whether no role has this ARN, which for a role that many accounts have is a pattern."""
        if IN_ANY_ACCOUNT not in role_arn:
            return role_arn not in self._world.principals
        name = glob(tokens_of(role_arn.rsplit("/", 1)[-1]))
        return not any(name.matches(arn.rsplit("/", 1)[-1]) for arn in self._world.principals)

    def _iam_is_read(self, account_id: str) -> bool:
        """Whether the IAM of an account was enumerated, and every document of it is known and understood."""
        account = self._world.accounts.get(AccountId(account_id))
        return account is not None and account.collected and account.iam_complete and account_id not in self._half_read

    @cached_property
    def _half_read(self) -> frozenset[str]:
        """Accounts with a user or role of which a document is missing or damaged (R3.74, R10.12)."""
        return frozenset(p.account_id for p in self._world.principals.values() if not p.complete or has_damage(p))


def _names(key: KeyFacts, selector: str) -> bool:
    """Whether a policy or grant of the key, as far as they were read, still names somebody."""
    policies = [parse_policy(p) for p in (key.key_policy, key.ram_policy) if p is not None]
    named = [s for d in policies for statement in d.statements for s in selectors_of(statement, key.partition)]
    named += [s for grant in key.grants or () for s in operations_by_selector(grant, key.partition)]
    return any(s.text == selector for s in named)


def _concerns(row: LedgerRow, finding: Finding) -> bool:
    """Whether a gap can be about the finding: that of another key of the same unit is not."""
    ids = {k.key_id for k in ((finding.key,) if finding.key else finding.keys)}
    return not row.call.startswith("kms:") or row.subject == "" or row.subject in ids


def _account_of(arn: str) -> str:
    parts = parse_arn(arn)
    return parts.account_id if parts else ""
