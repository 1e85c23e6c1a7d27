"""Estimates what a run would cost: its calls, and the time they take at our share of AWS's quotas."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from scanner.collect.rates import Rates
from scanner.collect.settings import CollectSettings

_PER_ACCOUNT = 5
"""AssumeRole, regions, authorization details, OIDC and SAML providers; large accounts have more pages of details."""
_PER_REGION = 3
"""Keys, keys that others share, aliases. The cross-check of grants is not counted: its principals are not known yet."""
_PER_KEY = 5
"""Describe, tags, two policies, grants; a sixth one for the last use."""


@dataclass(frozen=True, slots=True)
class Probed:
    """What the probes saw of an account: regions in scope, and the keys of one of them."""

    entered: bool
    regions: int
    keys: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A run's size between two readings: no key but those that were seen, and as many in every region.

    `keys`, `calls` and `seconds` hold the lesser and the greater.
    """

    accounts: int
    account_regions: int
    keys: tuple[int, int]
    calls: tuple[int, int]
    seconds: tuple[float, float]


def plan(settings: CollectSettings, probed: Iterable[Probed], organization_calls: int, pace: float) -> Plan:
    """The plan of a run.

    Args:
        organization_calls: calls before the first account; a run makes the same.
        pace: seconds that a call took, waiting included.
    """
    entered = [account for account in probed if account.entered]
    regions = sum(account.regions for account in entered)
    per_key = _PER_KEY + settings.keys_last_usage
    fixed = organization_calls + _PER_ACCOUNT * len(entered) + _PER_REGION * regions
    keys = (sum(account.keys for account in entered), sum(account.keys * account.regions for account in entered))
    calls = (fixed + per_key * keys[0], fixed + per_key * keys[1])
    slowest = _at_our_share(settings, max((account.keys for account in entered), default=0))
    at_once = max(1, min(settings.workers, regions))
    seconds = (max(slowest, calls[0] * pace / at_once), max(slowest, calls[1] * pace / at_once))
    return Plan(len(entered), regions, keys, calls, seconds)


def _at_our_share(settings: CollectSettings, keys: int) -> float:
    """Seconds that the largest unit takes whatever the workers: quotas are counted per account and region."""
    rates = Rates(settings.kms_quota_share)
    asked = ["kms:ListGrants", *(["kms:GetKeyLastUsage"] if settings.keys_last_usage else [])]
    return max(keys / rates.per_second(operation) for operation in asked)
