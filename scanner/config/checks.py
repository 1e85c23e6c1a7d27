"""Rules that join several settings, and what this version does not have yet."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator

from scanner.config.problems import Problem
from scanner.config.schema import NOT_YET, Settings
from scanner.config.types import REGION_KEYWORDS, all_regions, region_matches
from scanner.model.arn import parse_arn
from scanner.resources import region_names
from scanner.yamltext import YamlPath, dotted

_Check = Callable[[Settings], Iterator[Problem]]


def not_yet(settings: Settings) -> list[Problem]:
    """One problem per setting that asks for a part that this version does not have."""
    defaults = Settings()
    problems = []
    for key in NOT_YET:
        path = tuple(key.split("."))
        if setting(settings, path) != setting(defaults, path):
            problems.append(Problem(path, f"{key} is not available in this version"))
    return problems


def setting(settings: Settings, path: YamlPath) -> object:
    """The value of a dotted key, such as `("limits", "workers")`."""
    value: object = settings
    for part in path:
        value = getattr(value, str(part))
    return value


def cross_problems(settings: Settings, unread: set[YamlPath]) -> list[Problem]:
    """Everything wrong between settings. A rule is left out where one of its settings is itself in error."""
    return [
        problem
        for keys, check in _CHECKS
        if not any(tuple(key.split(".")) in unread or (key.partition(".")[0],) in unread for key in keys)
        for problem in check(settings)
    ]


def cross_warnings(settings: Settings) -> list[Problem]:
    """What is allowed and yet probably not meant."""
    found = []
    if settings.gate.min_coverage == 0:
        found.append(
            Problem(("gate", "min_coverage"), "gate.min_coverage is 0: a run that reads nothing passes this gate")
        )
    source = settings.accounts.source
    for key, wanted in (("ids", settings.accounts.ids), ("file", settings.accounts.file)):
        if wanted and source != key:
            found.append(Problem(("accounts", key), f"accounts.{key} is not used, accounts.source is `{source}`"))
    return found


def _source_has_its_list(settings: Settings) -> Iterator[Problem]:
    accounts = settings.accounts
    if accounts.source == "ids" and not accounts.ids:
        yield Problem(("accounts", "ids"), "accounts.ids is required with accounts.source `ids`")
    if accounts.source == "file" and accounts.file is None:
        yield Problem(("accounts", "file"), "accounts.file is required with accounts.source `file`")


def _accounts_remain(settings: Settings) -> Iterator[Problem]:
    accounts = settings.accounts
    if accounts.source == "ids" and accounts.ids and not set(accounts.ids) - set(accounts.exclude):
        yield Problem(("accounts", "exclude"), "accounts.exclude removes every account of accounts.ids")


def _regions_remain(settings: Settings) -> Iterator[Problem]:
    include, exclude = settings.regions.include, settings.regions.exclude
    wide = any(pattern in REGION_KEYWORDS for pattern in include)
    chosen = [name for name in all_regions() if wide or any(region_matches(pattern, name) for pattern in include)]
    if not [name for name in chosen if not any(region_matches(pattern, name) for pattern in exclude)]:
        yield Problem(("regions", "exclude"), "regions.exclude removes every region of regions.include")


def _hub_role_fits_session(settings: Settings) -> Iterator[Problem]:
    """Role chaining is limited to one hour (IAM User Guide, roles terms and concepts)."""
    if settings.aws.hub_role_arn is not None and settings.aws.session_duration > dt.timedelta(hours=1):
        yield Problem(
            ("aws", "session_duration"),
            "aws.session_duration must be at most 1h with aws.hub_role_arn (AWS caps chained roles)",
        )


def _one_partition(settings: Settings) -> Iterator[Problem]:
    home = settings.aws.home_region
    partition = next(name for name, regions in region_names().items() if home in regions)
    if settings.aws.partition not in ("auto", partition):
        yield Problem(
            ("aws", "home_region"),
            f"aws.home_region `{home}` is in partition `{partition}`, aws.partition is `{settings.aws.partition}`",
        )


def _overrides_name_their_account(settings: Settings) -> Iterator[Problem]:
    for account_id, override in settings.accounts.overrides.items():
        arn = parse_arn(override.role_arn) if override.role_arn is not None else None
        if arn is not None and arn.account_id != account_id:
            path = ("accounts", "overrides", account_id, "role_arn")
            yield Problem(path, f"{dotted(path)} is a role of account {arn.account_id}")


def _new_only_has_baseline(settings: Settings) -> Iterator[Problem]:
    if settings.gate.new_only and settings.gate.baseline is None:
        yield Problem(("gate", "new_only"), "gate.new_only needs gate.baseline")


def _approvals_are_of_strangers(settings: Settings) -> Iterator[Problem]:
    """Accounts read from AWS are compared when the organization is known; here those that the file itself names."""
    ours = set(settings.accounts.ids) if settings.accounts.source == "ids" else set()
    ours.update(account for organization in settings.trust.organizations for account in organization.accounts)
    for index, approval in enumerate(settings.trust.accounts):
        if approval.id in ours:
            path = ("trust", "accounts", index, "id")
            yield Problem(path, f"{dotted(path)} is `{approval.id}`, one of your own accounts (nothing to approve)")


def _boundaries_match_something(settings: Settings) -> Iterator[Problem]:
    for index, boundary in enumerate(settings.trust.boundaries):
        if (boundary.match.ou is None) == (boundary.match.account is None):
            path = ("trust", "boundaries", index, "match")
            yield Problem(path, f"{dotted(path)} must hold one of ou or account")


def _boundaries_have_names_of_their_own(settings: Settings) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, boundary in enumerate(settings.trust.boundaries):
        if boundary.name in seen:
            path = ("trust", "boundaries", index, "name")
            yield Problem(path, f"{dotted(path)} is `{boundary.name}`, which another boundary is called already")
        seen.add(boundary.name)


def _overrides_match_something(settings: Settings) -> Iterator[Problem]:
    for index, override in enumerate(settings.severity.overrides):
        if not override.match.model_dump(exclude_none=True):
            path = ("severity", "overrides", index, "match")
            yield Problem(path, f"{dotted(path)} must name at least one property (it would change every finding)")


_CHECKS: tuple[tuple[tuple[str, ...], _Check], ...] = (
    (("accounts.source", "accounts.ids", "accounts.file"), _source_has_its_list),
    (("accounts.source", "accounts.ids", "accounts.exclude"), _accounts_remain),
    (("regions.include", "regions.exclude"), _regions_remain),
    (("aws.hub_role_arn", "aws.session_duration"), _hub_role_fits_session),
    (("aws.partition", "aws.home_region"), _one_partition),
    (("accounts.overrides",), _overrides_name_their_account),
    (("gate.new_only", "gate.baseline"), _new_only_has_baseline),
    (("accounts.source", "accounts.ids", "trust.accounts", "trust.organizations"), _approvals_are_of_strangers),
    (("trust.boundaries",), _boundaries_match_something),
    (("trust.boundaries",), _boundaries_have_names_of_their_own),
    (("severity.overrides",), _overrides_match_something),
)
