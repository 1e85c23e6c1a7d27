"""What became of findings since an earlier run; resolved is a proof that what they were about was read again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from scanner.analyze.history.difference import compare_findings
from scanner.analyze.keys.damaged import has_damage, is_opaque
from scanner.analyze.keys.severity import rank
from scanner.analyze.logic.patterns import glob, tokens_of
from scanner.analyze.paths.paths import IN_ANY_ACCOUNT
from scanner.analyze.principals.party import EXPIRED_PARTNER
from scanner.analyze.principals.reach import CLOSED
from scanner.analyze.request.caller import account_of
from scanner.model.arn import AccountId, KeyArn, key_id_of, parse_arn
from scanner.model.coverage import LedgerRow, Outcome
from scanner.model.difference import Change
from scanner.model.finding import Finding, FindingVerdict, Kind, Path, Reach, Rise
from scanner.model.lifecycle import Lifecycle
from scanner.model.world import World

_OF_KEYS = frozenset({Kind.EXTERNAL_ACCESS, Kind.INEFFECTIVE_PERMISSION, Kind.KEY_HYGIENE})
"""Kinds that the documents of their key decide; the others hang on the IAM of accounts as well."""
_OF_IAM = frozenset({Kind.FOREIGN_KEY_USE, Kind.BROAD_KEY_PERMISSION})
"""Kinds that policies of IAM alone decide; the keys they reach may be of accounts that nobody reads."""
_PARTS = {"key_policy": ("key_policy",), "grant": ("grants",), "ram": ("ram_policy",)}
"""What of a key decides a finding of each mechanism; both policies and grants decide the others."""
_LISTED = frozenset({Outcome.OK, Outcome.EMPTY})
_STALE = "stale_grant"
_LIST_KEYS = "kms:ListKeys"
_REFS = 20


@dataclass(frozen=True, slots=True)
class Former:
    """What an earlier run said: its findings, and those that were resolved by then.

    `comparable` is false where another engine or configuration judged it: what differs is `engine_changed` then.
    """

    findings: tuple[Finding, ...]
    resolved: tuple[Finding, ...] = ()
    comparable: bool = True


@dataclass(frozen=True, slots=True)
class Followed:
    """The present findings with those that stand as they were (`kept`), the resolved ones, and counts by lifecycle."""

    findings: tuple[Finding, ...]
    resolved: tuple[Finding, ...]
    counts: dict[str, int]
    kept: tuple[str, ...]


def follow(present: Sequence[Finding], former: Former, world: World) -> Followed:
    """Give every finding its lifecycle, the time it was first seen, and its former severity where that was lower.

    Severity is no part of the fingerprint: an approval that ends, or a tag on the key, moves it and leaves the access
    as it was. Such a finding keeps its lifecycle, and `rise` says that it ranks higher now.

    A former finding that is gone is `resolved` where what it was about was read again, in short form and outside of
    `findings`; otherwise it stays among them as it was, `not_rechecked`.

    Args:
        world: what was read this time; the ledger in it is the proof.
    """
    before = {f.id: f for f in former.findings}
    closed = {f.id: f for f in former.resolved}
    now = {f.id for f in present}
    reading = _Reading(world)
    findings = [_present(f, before.get(f.id), closed.get(f.id), former) for f in present]
    resolved = [f for f in former.resolved if f.id not in now and f.id not in before]
    ended = 0
    for gone in (f for f in former.findings if f.id not in now):
        if reading.is_read_again(gone):
            ended += 1
            resolved.append(_resolved(gone, former))
        else:
            refs = tuple(dict.fromkeys((*gone.coverage_refs, *reading.gaps_of(gone))))
            findings.append(replace(
                gone, lifecycle=Lifecycle.NOT_RECHECKED, coverage_refs=refs, suppression=None, rise=None
            ))  # fmt: skip
    counts = Counter(f.lifecycle for f in findings) + Counter({str(Lifecycle.RESOLVED): ended})
    kept = tuple(sorted(f.id for f in findings if f.id not in now))
    ordered = tuple(sorted(resolved, key=lambda f: f.id))
    return Followed(worst_first(findings), ordered, dict(sorted(counts.items())), kept)


def worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The order of findings.json."""
    return tuple(
        sorted(findings, key=lambda f: (-rank(f.severity), f.resource.account_id, f.resource.arn, f.kind, f.id))
    )


def _present(finding: Finding, old: Finding | None, closed: Finding | None, former: Former) -> Finding:
    if old is None:
        if closed is None:
            return replace(finding, lifecycle=Lifecycle.NEW, rise=None)
        return replace(finding, lifecycle=Lifecycle.REOPENED, first_seen=closed.first_seen, rise=None)
    lifecycle = lifecycle_of(old, finding)
    rise = _rise(old, finding)
    if not former.comparable and (lifecycle is not Lifecycle.UNCHANGED or rise):
        lifecycle, rise = Lifecycle.ENGINE_CHANGED, None
    return replace(finding, lifecycle=lifecycle, first_seen=old.first_seen, rise=rise)


def _rise(old: Finding, new: Finding) -> Rise | None:
    """That the severity was lower: an approval that ended is named, else the steps of the trail that were not there."""
    if rank(new.severity) <= rank(old.severity):
        return None
    approval = new.grantee.approval
    if approval is not None and new.grantee.party == EXPIRED_PARTNER != old.grantee.party:
        return Rise(old.severity, f"the approval ended on {approval.expires}")
    return Rise(old.severity, "; ".join(s.text for s in new.severity_reasons if s not in old.severity_reasons))


def lifecycle_of(old: Finding, new: Finding) -> Lifecycle:
    """How one finding compares with its former state.

    What cannot be named although the fingerprint differs is `widened`, unless nobody can do anything on either side or
    every decision is the same and only the gates behind them differ.
    """
    if old.fingerprint == new.fingerprint:
        return Lifecycle.UNCHANGED
    changes = {d.change for d in compare_findings(old, new)}
    if changes & {Change.GAINED, Change.WIDENED}:
        return Lifecycle.WIDENED
    if Change.NOT_RECHECKED in changes:
        return Lifecycle.NOT_RECHECKED
    if changes:
        return Lifecycle.NARROWED
    without_effect = old.verdict is new.verdict is FindingVerdict.INEFFECTIVE
    same_decisions = bool(old.reach.digest) and old.reach.digest == new.reach.digest
    return Lifecycle.UNCHANGED if without_effect or same_decisions else Lifecycle.WIDENED


def _resolved(finding: Finding, former: Former) -> Finding:
    """The claim that is gone, without its evidence."""
    lifecycle = Lifecycle.RESOLVED if former.comparable else Lifecycle.ENGINE_CHANGED
    return replace(
        finding, lifecycle=lifecycle, severity_reasons=(), conditions=(), path=Path(), reach=Reach(), evidence=(),
        rules=(), coverage_refs=(), suppression=None, rise=None,
    )  # fmt: skip


# -- what was read again ----------------------------------------------------------------------------------------------


class _Reading:
    """Answers from the world and its ledger whether what a former finding was about was read this time."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._gaps = [row for row in world.coverage if row.outcome.is_gap]
        rows = [row for row in world.coverage if row.call.startswith("kms:")]
        self._listed = {(r.account_id, r.region) for r in rows if r.call == _LIST_KEYS and r.outcome in _LISTED}
        self._doubted = {
            (r.account_id, r.region, r.subject) for r in rows if r.outcome.is_gap or r.outcome is Outcome.SKIPPED
        }

    def is_read_again(self, finding: Finding) -> bool:
        """Whether the absence of the finding is a proof."""
        parts = _PARTS.get(finding.mechanism.kind, ("key_policy", "grants"))
        keys = [self._key_is_read(k.arn, parts) for k in ((finding.key,) if finding.key else finding.keys)]
        if finding.kind in _OF_KEYS:
            return all(keys) and not self._hangs_on_unread_iam(finding)
        if not all(map(self._iam_is_read, self._accounts_of(finding))):
            return False
        if finding.kind in _OF_IAM or (finding.kind is Kind.ASSUMED_ROLE_PATH and self._is_gone(finding.resource.arn)):
            return True
        of_keys = {_account_of(k.arn) for k in finding.keys}
        if not all(keys) or not all(map(self._iam_is_read, of_keys)):
            return False
        return finding.keys_total <= len(keys) or self._every_key_is_read(parts)

    def gaps_of(self, finding: Finding) -> tuple[str, ...]:
        """Rows of the ledger that stand in the way, the worst-hit unit first; at most 20."""
        keys = (finding.key,) if finding.key else finding.keys
        units = {(k.account_id, k.region) for k in keys}
        accounts = {a for a, _ in units} | {finding.resource.account_id}
        accounts.update(_account_of(hop.role_arn) for hop in finding.path.hops)
        near = [r for r in self._gaps if (r.account_id, r.region) in units]
        wide = [r for r in self._gaps if r.account_id in accounts and r.region in {"*", "global"}]
        return tuple(row.ref for row in (*near, *wide) if _concerns(row, finding))[:_REFS]

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

    def _hangs_on_unread_iam(self, finding: Finding) -> bool:
        """Whether a grant was of nobody's, and who exists where its grantee was is not known now (R4.5)."""
        if _STALE not in finding.verdict_reasons:
            return False
        account_id = finding.grantee.account_id
        accounts = {account_id} if account_id else self._ours()
        return not all(map(self._iam_is_read, accounts))

    def _accounts_of(self, finding: Finding) -> set[str]:
        """Accounts whose IAM decides; a role that many accounts have may be in each of ours."""
        accounts = {finding.resource.account_id, *(_account_of(hop.role_arn) for hop in finding.path.hops)}
        if finding.grantee.account_id in self._world.accounts:
            accounts.add(finding.grantee.account_id)
        return accounts | self._ours() if IN_ANY_ACCOUNT in finding.resource.arn else accounts

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


def _concerns(row: LedgerRow, finding: Finding) -> bool:
    """Whether a gap can be about the finding: that of another key of the same unit is not."""
    ids = {k.key_id for k in ((finding.key,) if finding.key else finding.keys)}
    return not row.call.startswith("kms:") or row.subject == "" or row.subject in ids


def _account_of(arn: str) -> str:
    parts = parse_arn(arn)
    return parts.account_id if parts else ""
