"""What became of findings since an earlier run; resolved is a proof that what they were about was read again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from scanner.analyze.history.blind import Blind, nothing
from scanner.analyze.history.difference import OF_OUTSIDERS, compare_findings, gains_nothing
from scanner.analyze.history.formerly import Formerly
from scanner.analyze.history.other_ways import OtherWays, is_open, keys_of, ways_in_words
from scanner.analyze.history.reading import Reading
from scanner.analyze.keys.identity import without
from scanner.analyze.keys.severity import rank
from scanner.analyze.principals.party import EXPIRED_PARTNER
from scanner.model.difference import GREW, Change
from scanner.model.finding import Finding, FindingVerdict, Path, Reach, Rise
from scanner.model.lifecycle import Lifecycle
from scanner.model.world import World


@dataclass(frozen=True, slots=True)
class Former:
    """What an earlier run said: its findings, and those that were resolved by then.

    `comparable` is false where another engine or configuration judged it: what differs is `engine_changed` then.
    `world` is what it read, where that is at hand: without it whoever is named anew is `new`, whoever they are.
    """

    findings: tuple[Finding, ...]
    resolved: tuple[Finding, ...] = ()
    comparable: bool = True
    world: World | None = None


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
    reading = Reading(world)
    formerly = Formerly(former.findings, former.world if former.comparable else None)
    findings = [
        _present(f, before[f.id], former, reading) if f.id in before else _unknown(f, closed.get(f.id), formerly)
        for f in present
    ]
    resolved = [f for f in former.resolved if f.id not in now and f.id not in before]
    ended: list[Finding] = []
    for gone in (f for f in former.findings if f.id not in now):
        if reading.is_read_again(gone):
            ended.append(gone)
        else:
            refs = tuple(dict.fromkeys((*gone.coverage_refs, *reading.gaps_of(gone))))
            findings.append(replace(
                gone, lifecycle=Lifecycle.NOT_RECHECKED, coverage_refs=refs, suppression=None, rise=None
            ))  # fmt: skip
    others = OtherWays(f for f in findings if f.kind in OF_OUTSIDERS)
    resolved += [_resolved(gone, former, others) for gone in ended]
    counts = Counter(f.lifecycle for f in findings) + Counter({str(Lifecycle.RESOLVED): len(ended)})
    kept = tuple(sorted(f.id for f in findings if f.id not in now))
    ordered = tuple(sorted(resolved, key=lambda f: f.id))
    return Followed(worst_first(findings), ordered, dict(sorted(counts.items())), kept)


def worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The order of findings.json."""
    return tuple(
        sorted(findings, key=lambda f: (-rank(f.severity), f.resource.account_id, f.resource.arn, f.kind, f.id))
    )


def _unknown(finding: Finding, closed: Finding | None, formerly: Formerly) -> Finding:
    """A finding that the former run did not have: new, reopened, or the rest of a wider one that ranked as high."""
    if closed is not None:
        return replace(finding, lifecycle=Lifecycle.REOPENED, first_seen=closed.first_seen, rise=None)
    ranks_as_high = any(rank(f.severity) >= rank(finding.severity) for f in formerly.holders(finding))
    narrowed = ranks_as_high and gains_nothing(finding, formerly)
    return replace(finding, lifecycle=Lifecycle.NARROWED if narrowed else Lifecycle.NEW, rise=None)


def _present(finding: Finding, old: Finding, former: Former, reading: Reading) -> Finding:
    lifecycle = lifecycle_of(old, finding, reading.is_unread)
    if lifecycle is not Lifecycle.UNCHANGED and _hangs_on_unread_keys(old, finding, reading):
        lifecycle = Lifecycle.NOT_RECHECKED
    rise = _rise(old, finding)
    if not former.comparable and (lifecycle is not Lifecycle.UNCHANGED or rise):
        lifecycle, rise = Lifecycle.ENGINE_CHANGED, None
    return replace(finding, lifecycle=lifecycle, first_seen=old.first_seen, rise=rise)


def _hangs_on_unread_keys(old: Finding, new: Finding, reading: Reading) -> bool:
    """Whether two states of a path differ only in what it can do with keys that were not read this time.

    An unread key may be open to the role for everything: that is no more access than before, and no less.
    """
    unread = {arn for arn in (*old.reach.by_key, *new.reach.by_key) if reading.is_unread(arn)}
    beside = [without(f.reach.digest, (d for k, d in f.reach.by_key.items() if k in unread)) for f in (old, new)]
    people = [(f.reach.principals_total, f.reach.principals_sample) for f in (old, new)]
    return bool(unread) and beside[0] == beside[1] and people[0] == people[1]


def _rise(old: Finding, new: Finding) -> Rise | None:
    """That the severity was lower: an approval that ended is named, else the steps of the trail that were not there."""
    if rank(new.severity) <= rank(old.severity):
        return None
    approval = new.grantee.approval
    if approval is not None and new.grantee.party == EXPIRED_PARTNER != old.grantee.party:
        return Rise(old.severity, f"the approval ended on {approval.expires}")
    return Rise(old.severity, "; ".join(s.text for s in new.severity_reasons if s not in old.severity_reasons))


def lifecycle_of(old: Finding, new: Finding, is_unread: Callable[[str], bool] = nothing) -> Lifecycle:
    """How one finding compares with its former state.

    What cannot be named although the fingerprint differs is `widened`, unless nobody can do anything on either side or
    every decision is the same and only the gates behind them differ. Where one of the two runs read less, it is
    `not_rechecked` if all who are reached are named, or nobody is and the same lines are cited.

    Args:
        is_unread: whether a key or principal was not read this time.
    """
    if old.fingerprint == new.fingerprint:
        return Lifecycle.UNCHANGED
    changes = {d.change for d in compare_findings(old, new, is_unread)}
    if changes & GREW:
        return Lifecycle.WIDENED
    if Change.NOT_RECHECKED in changes:
        return Lifecycle.NOT_RECHECKED
    if changes:
        return Lifecycle.NARROWED
    without_effect = old.verdict is new.verdict is FindingVerdict.INEFFECTIVE
    same_decisions = bool(old.reach.digest) and old.reach.digest == new.reach.digest
    if without_effect or same_decisions:
        return Lifecycle.UNCHANGED
    blind = Blind.between((old,), (new,))
    is_told = not new.reach.truncated if new.reach.principals_total else old.mechanism == new.mechanism
    return Lifecycle.NOT_RECHECKED if is_told and (blind.fresh or blind.lifted) else Lifecycle.WIDENED


def _resolved(finding: Finding, former: Former, others: OtherWays) -> Finding:
    """The claim that is gone, without its evidence; its title says by what else the same one reached the key then."""
    lifecycle = Lifecycle.RESOLVED if former.comparable else Lifecycle.ENGINE_CHANGED
    return replace(
        finding, lifecycle=lifecycle, severity_reasons=(), conditions=(), path=Path(), reach=Reach(), evidence=(),
        rules=(), coverage_refs=(), suppression=None, rise=None, title=finding.title + _otherwise(finding, others),
    )  # fmt: skip


def _otherwise(gone: Finding, others: OtherWays) -> str:
    ways = others.of(gone, keys_of(gone)) if gone.kind in OF_OUTSIDERS and is_open(gone) else ()
    if not ways:
        return ""
    may = "" if ways[0].sure else "perhaps "
    what = "the key" if gone.key is not None else "such keys"
    return f"; when this ended, {what} could {may}still be reached {ways_in_words(ways)}"
