"""Which Regions an account has to enable before it can use them (R9.20)."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

ENABLED_BY_DEFAULT = frozenset({
    "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1", "ap-southeast-2",
    "ca-central-1", "eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3", "sa-east-1", "us-east-1",
    "us-east-2", "us-west-1", "us-west-2", "cn-north-1", "cn-northwest-1", "us-gov-east-1", "us-gov-west-1",
    "eusc-de-east-1", "us-iso-east-1", "us-iso-west-1", "us-isob-east-1", "us-isob-west-1", "us-isof-east-1",
    "us-isof-south-1", "eu-isoe-west-1",
})  # fmt: skip
"""Regions every account of their partition has (AWS General Reference, "Managing AWS Regions")."""

OPT_IN = frozenset({
    "af-south-1", "ap-east-1", "ap-east-2", "ap-south-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5",
    "ap-southeast-6", "ap-southeast-7", "ca-west-1", "eu-central-2", "eu-south-1", "eu-south-2", "il-central-1",
    "me-central-1", "me-south-1", "mx-central-1",
})  # fmt: skip
"""Regions an account has to enable first."""


def is_opt_in_region(region: str, enabled_by_default: AbstractSet[str] | None = None) -> bool | None:
    """Whether a Region must be enabled; None for a Region in neither list.

    Args:
        enabled_by_default: the owner's own list (`ENABLED_BY_DEFAULT` of account:ListRegions), where it was read.
    """
    if enabled_by_default and region in enabled_by_default:
        return False
    if region in ENABLED_BY_DEFAULT:
        return False
    return True if region in OPT_IN else None
