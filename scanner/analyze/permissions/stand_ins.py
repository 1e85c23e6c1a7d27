"""Keys that policies name and nobody read: stand-ins that any policy, grant, tag or state may belong to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache

from scanner.analyze.logic.patterns import glob, tokens_of
from scanner.analyze.request.caller import Caller, account_of, organization_of
from scanner.data.opt_in import ENABLED_BY_DEFAULT, OPT_IN
from scanner.model.arn import AccountId, KeyArn, is_account_id, key_id_of, parse_arn
from scanner.model.coverage import Outcome
from scanner.model.key import KeyFacts
from scanner.model.policy import PolicyText
from scanner.model.world import World

_PARTS = ("describe", "key_policy", "ram_policy", "grants", "tags", "aliases")
_LIST = "kms:ListKeys"
_READ = frozenset({Outcome.OK, Outcome.EMPTY})
_NOT_READABLE = "R10.7"
_PARTITIONS = (
    ("cn-", "aws-cn"), ("us-gov-", "aws-us-gov"), ("us-iso-", "aws-iso"), ("us-isob-", "aws-iso-b"),
    ("eu-isoe-", "aws-iso-e"), ("us-isof-", "aws-iso-f"), ("eusc-", "aws-eusc"),
)  # fmt: skip
"""Starts of the names of Regions outside the commercial partition (AWS General Reference)."""

VARIABLE = re.compile(r"\$\{[^}]*\}")
_ANY_ID = "\ufffe"
"""A key id that no policy writes: a pattern fits it only by a wildcard, so what is proven for it holds for any id."""


@dataclass(frozen=True, slots=True)
class KeyPattern:
    """Keys of one account as a policy writes them; without wildcard one key."""

    text: str
    account_id: str
    partition: str
    region: str
    resource: str

    @property
    def is_exact(self) -> bool:
        """Whether it is the ARN of one key."""
        return not any(c in self.text for c in "*?$") and self.resource.startswith("key/")

    def fits(self, arn: str) -> bool:
        """Whether a key is one of them."""
        return glob(tokens_of(self.text)).matches(arn)


@dataclass(slots=True)
class Unread:
    """What of the keys of other accounts was not read, by the coverage ledger."""

    world: World
    _listed: dict[tuple[str, str], bool] = field(default_factory=dict)
    _gaps: dict[str, dict[str, str]] = field(default_factory=dict)
    _left_out: set[tuple[str, str]] = field(default_factory=set)
    _shared: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._shared.update(arn for arns in self.world.shared_keys.values() for arn in arns)
        for row in self.world.coverage:
            own = row.call == _LIST and not row.subject  # the list of keys that others share has a subject
            if own and row.outcome.is_gap:
                self._gaps.setdefault(row.account_id, {})[row.region] = row.ref
            elif own:
                self._listed[row.account_id, row.region] = row.outcome in _READ
            if row.outcome is Outcome.SKIPPED and row.subject:
                self._left_out.add((row.account_id, row.subject))

    def keys_of(self, pattern: KeyPattern) -> Iterator[KeyFacts]:
        """Stand-ins for the keys of a pattern that were not read; none where all of them were.

        One key that was not found where all keys were listed does not exist, unless the configuration left it out or
        a resource share knows it.
        """
        if pattern.is_exact:
            if KeyArn(pattern.text) not in self.world.keys and not self._is_gone(pattern):
                yield _stand_in(pattern.text, self._gap(pattern.account_id, pattern.region))
            return
        account = account_of(self.world, pattern.account_id)
        gaps = self._gaps.get(pattern.account_id, {})
        regions = (
            _regions(pattern.region, pattern.partition)
            if not account.collected or "*" in gaps
            else sorted(set(gaps) - {"*"})
        )
        key = VARIABLE.sub("*", pattern.resource.partition("/")[2]) or "*"
        for region in regions:
            if glob(tokens_of(pattern.region)).matches(region):
                gap = self._gap(pattern.account_id, region)
                for filling in (_ANY_ID, f"mrk-{_ANY_ID}"):
                    name = key.replace("?", _ANY_ID).replace("*", filling)
                    yield _stand_in(f"arn:{pattern.partition}:kms:{region}:{pattern.account_id}:key/{name}", gap)

    def _is_gone(self, pattern: KeyPattern) -> bool:
        listed = self._listed.get((pattern.account_id, pattern.region), False)
        seen = pattern.text in self._shared or (pattern.account_id, key_id_of(pattern.text)) in self._left_out
        return listed and not seen

    def _gap(self, account_id: str, region: str) -> str:
        gaps = self._gaps.get(account_id, {})
        return gaps.get(region) or gaps.get("*") or account_of(self.world, account_id).gap or _NOT_READABLE


@lru_cache(maxsize=1024)
def _regions(region: str, partition: str) -> tuple[str, ...]:
    """Regions that a pattern fits, those that every account has first."""
    if not any(c in region for c in "*?"):
        return (region,)
    known = (*sorted(ENABLED_BY_DEFAULT), *sorted(OPT_IN))
    return tuple(r for r in known if _is_of(r, partition) and glob(tokens_of(region)).matches(r))


def _is_of(region: str, partition: str) -> bool:
    return next((p for start, p in _PARTITIONS if region.startswith(start)), "aws") == partition


def _stand_in(arn: str, gap: str) -> KeyFacts:
    parsed = parse_arn(arn)
    assert parsed is not None
    return KeyFacts(
        KeyArn(arn), AccountId(parsed.account_id), parsed.region, parsed.partition, None, ram_policy_read=False,
        grants=None, tags=None, aliases=None, spec="", usage="", origin="", state="",
        multi_region=key_id_of(arn).startswith("mrk-"), gaps=dict.fromkeys(_PARTS, gap),
    )  # fmt: skip


_TELLS_KEYS_APART = re.compile(r'requestedregion|multiregion|mrk-|:kms:[^:"]*[a-z]|\\u', re.IGNORECASE)
"""What a document must hold to treat one stand-in of an account unlike another; an escape may hide it."""


def tells_keys_apart(world: World, caller: Caller) -> bool:
    """Whether a document on the caller's side may look at the Region of a key, or at its being multi-Region."""
    organization = organization_of(world, caller.account_id)
    above = (*organization.members.get(caller.account_id, ()), caller.account_id) if organization else ()
    scps = (organization.scps if organization else None) or {}
    boundary = (caller.boundary,) if caller.boundary else ()
    policies = (*caller.identity_policies, *boundary, *(p for target in above for p in scps.get(target, ())))
    return any(map(may_tell_keys_apart, policies))


@lru_cache(maxsize=65536)
def may_tell_keys_apart(policy: PolicyText) -> bool:
    """Whether a document may look at the Region of a key, or at its being multi-Region."""
    return _TELLS_KEYS_APART.search(policy.text) is not None


def any_keys_of(account_id: str, partition: str, region: str = "*") -> Iterator[KeyFacts]:
    """Whichever keys of an account, enabled and fit for every use: for questions about the caller's side alone.

    Args:
        region: a Region or pattern; one key stands for each that fits, and one for its multi-Region keys.
    """
    for known in _regions(region, partition):
        for name in (_ANY_ID, f"mrk-{_ANY_ID}"):
            yield _fit_for_all(f"arn:{partition}:kms:{known}:{account_id}:key/{name}")


@lru_cache(maxsize=4096)
def _fit_for_all(arn: str) -> KeyFacts:
    """A stand-in that is enabled and fit for every use; the same for everybody who is asked about it."""
    return replace(_stand_in(arn, _NOT_READABLE), grants=(), ram_policy_read=True, state="Enabled")


def patterns_of(texts: Iterable[str], partition: str) -> tuple[KeyPattern, ...]:
    """Those of some resources that name keys of one account; an alias names no key (R3.24).

    Args:
        partition: of the principal; stands in for a wildcard.
    """
    found: list[KeyPattern] = []
    for text in texts:
        arn = parse_arn(text)
        if arn is None or not _can_be(arn.service, "kms") or not is_account_id(arn.account_id):
            continue
        if _can_be_key(arn.resource):
            own = arn.partition if not any(c in arn.partition for c in "*?") else partition
            found.append(KeyPattern(text, arn.account_id, own, arn.region, arn.resource))
    return tuple(found)


def _can_be(text: str, wanted: str) -> bool:
    return glob(tokens_of(text)).matches(wanted)


def _can_be_key(resource: str) -> bool:
    """Whether a resource can fit `key/…`, judged by what stands before the first wildcard."""
    head = resource.split("*", 1)[0].split("?", 1)[0]
    return resource.startswith("key/") or (head != resource and "key/".startswith(head))
