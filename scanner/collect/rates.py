"""How fast a unit may ask each operation: a share of AWS's request quota, less after throttling.

AWS counts requests per account, region and operation, and a customer's own calls count against the same number
(R10.2). A unit is one account and region, so each unit keeps its own buckets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf

KMS_QUOTAS: Mapping[str, float] = {
    "kms:ListKeys": 500,
    "kms:ListAliases": 500,
    "kms:DescribeKey": 2000,
    "kms:GetKeyPolicy": 1000,
    "kms:ListGrants": 100,
    "kms:ListRetirableGrants": 100,
    "kms:ListResourceTags": 2000,
    "kms:GetKeyLastUsage": 5,
}
"""Requests per second and account-region, before the share is taken (KMS developer guide, requests-per-second)."""

FIXED_RATES: Mapping[str, tuple[float, int]] = {
    "organizations:DescribeOrganization": (1, 2),
    "organizations:ListRoots": (1, 2),
    "organizations:ListAccounts": (8, 12),
    "organizations:ListAccountsForParent": (5, 8),
    "organizations:ListOrganizationalUnitsForParent": (5, 8),
    "organizations:ListPolicies": (5, 8),
    "organizations:ListTargetsForPolicy": (5, 8),
    "organizations:DescribePolicy": (2, 2),
    "account:ListRegions": (5, 5),
}
"""Requests per second, and at once, that are kept to whatever the share (Organizations user guide, throttling)."""

_SLOWEST = 1 / 16
"""The least part of a rate that throttling leaves."""
_RECOVERY = 1 / 60
"""The part of its full rate that a bucket regains each second."""
_SAVED = 0.1
"""Seconds of a KMS rate that may be spent at once after a pause; AWS publishes no burst."""


@dataclass(slots=True)
class Bucket:
    """The pace of one operation: `take` says how long to wait, `slow_down` halves the pace, time brings it back."""

    full: float
    burst: float = 1.0
    rate: float = 0.0
    due: float = 0.0
    at: float = 0.0

    def take(self, now: float) -> float:
        """Seconds until the next request may be sent; the request counts as sent then."""
        self._recover(now)
        slot = max(self.due, now - (self.burst - 1) / self.rate)
        self.due = slot + 1 / self.rate
        return max(0.0, slot - now)

    def slow_down(self, now: float) -> None:
        """AWS throttled a request: half the pace from here on."""
        self._recover(now)
        self.rate = max(self.rate / 2, self.full * _SLOWEST)
        self.due = max(self.due, now + 1 / self.rate)

    def _recover(self, now: float) -> None:
        if self.rate == 0.0:
            self.rate, self.due = self.full, now - self.burst / self.full
        else:
            self.rate = min(self.full, self.rate + (now - self.at) * self.full * _RECOVERY)
        self.at = now


@dataclass(slots=True)
class Rates:
    """The buckets of one unit. Operations without a published quota are slowed by their retries alone.

    `share` is the part of each KMS quota that may be used, in percent (`limits.kms_quota_share`).
    """

    share: int
    _buckets: dict[str, Bucket] = field(default_factory=dict)

    def wait(self, operation: str, now: float) -> float:
        """Seconds to wait before an operation is asked."""
        bucket = self._bucket(operation)
        return bucket.take(now) if bucket else 0.0

    def throttled(self, operation: str, now: float) -> None:
        """Note that AWS throttled an operation."""
        bucket = self._bucket(operation)
        if bucket:
            bucket.slow_down(now)

    def per_second(self, operation: str) -> float:
        """The full pace of an operation; endless for one without a quota."""
        bucket = self._bucket(operation)
        return bucket.full if bucket else inf

    def _bucket(self, operation: str) -> Bucket | None:
        if operation not in self._buckets:
            quota = KMS_QUOTAS.get(operation, 0.0) * self.share / 100
            full, burst = (quota, max(1.0, quota * _SAVED)) if quota else FIXED_RATES.get(operation, (0.0, 0))
            if not full:
                return None
            self._buckets[operation] = Bucket(full, burst)
        return self._buckets[operation]
