"""What collection and analysis take from the configuration."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING

from scanner.analyze.keys.severity import Override, SeverityRules
from scanner.analyze.principals.approvals import ApprovedAccount, ApprovedProvider
from scanner.analyze.principals.borders import InnerBoundary, holds
from scanner.analyze.principals.party import Trust
from scanner.analyze.request.caller import account_of, organization_of
from scanner.config import Settings, config_hash, read_vendors, resolve_external_id
from scanner.errors import UsageError
from scanner.model.finding import Severity
from scanner.model.world import World
from scanner.resume import configuration_of
from scanner.suppressions import SuppressionFile, SuppressionRules, read_suppressions

if TYPE_CHECKING:
    from scanner.analyze.parts import AnalysisRules


def collect_settings(settings: Settings, environ: Mapping[str, str], run_id: str):  # type: ignore[no-untyped-def]  # loaded with boto3
    """The collector's settings from the configuration."""
    from scanner.collect.settings import AccountOverride, CollectSettings  # noqa: PLC0415

    aws, accounts, limits = settings.aws, settings.accounts, settings.limits
    assert aws.member_role is not None
    overrides = {
        str(account): AccountOverride(o.role_arn, resolve_external_id(o.external_id, environ), tuple(o.regions or ()))
        for account, o in accounts.overrides.items()
    }
    return CollectSettings(
        run_id=run_id,
        member_role=aws.member_role,
        scope=scope_in_words(settings),
        config_hash=config_hash(settings),
        configuration=configuration_of(settings),
        as_of=settings.analysis.as_of,
        profile=aws.profile,
        partition=aws.partition,
        home_region=aws.home_region,
        hub_role_arn=aws.hub_role_arn,
        external_id=resolve_external_id(aws.external_id, environ),
        session_name=aws.session_name,
        session_duration=aws.session_duration,
        scope_down=aws.scope_down,
        source=accounts.source,
        management_account_role_arn=accounts.management_account_role_arn,
        ids=accounts.ids,
        file=accounts.file,
        include_ous=accounts.include_ous,
        exclude_ous=accounts.exclude_ous,
        exclude=accounts.exclude,
        overrides=overrides,
        regions_include=settings.regions.include,
        regions_exclude=settings.regions.exclude,
        opt_in=settings.regions.opt_in,
        keys_include=settings.keys.include,
        keys_include_tags=settings.keys.include_tags,
        keys_states=settings.keys.states,
        keys_last_usage=settings.keys.last_usage,
        workers=limits.workers,
        deadline=limits.deadline,
        connect_timeout=limits.connect_timeout,
        read_timeout=limits.read_timeout,
        max_attempts=limits.max_attempts,
        unit_deadline=limits.unit_deadline,
        kms_quota_share=limits.kms_quota_share,
    )


def scope_in_words(settings: Settings) -> str:
    """What was asked for, in one sentence; filters are repeated so that a report never claims more than it saw."""
    accounts = {
        "organization": "every account of the organization",
        "ids": f"{len(settings.accounts.ids)} listed accounts",
        "file": "the accounts of a file",
    }[settings.accounts.source]
    parts = [accounts]
    for label, values in (
        ("only in", settings.accounts.include_ous),
        ("without organizational units", settings.accounts.exclude_ous),
        ("without accounts", settings.accounts.exclude),
    ):
        if values:
            parts.append(f"{label} {', '.join(values)}")
    parts.append("regions " + ", ".join(settings.regions.include))
    if settings.regions.exclude:
        parts.append("without regions " + ", ".join(settings.regions.exclude))
    if not settings.regions.opt_in:
        parts.append("without opt-in regions")
    managed = {"customer": "customer managed", "aws": "AWS managed"}
    keys = "every " + " and ".join(managed[m] for m in settings.keys.managers) + " key"
    keys = ", ".join(settings.keys.include) or keys
    tags = "; ".join(f"{k} = {' or '.join(v)}" for k, v in sorted(settings.keys.include_tags.items()))
    parts.append(keys + (f" tagged {tags}" if tags else ""))
    all_states = type(settings.keys)().states
    if set(settings.keys.states) != set(all_states):
        parts.append("in state " + ", ".join(settings.keys.states))
    return "; ".join(parts)


def suppressions_of(settings: Settings, today: dt.date) -> SuppressionFile:
    """The reviewed exceptions that the configuration names; none where its default file is missing.

    Raises:
        ConfigError: with every problem in the file.
        UsageError: the file cannot be read.
    """
    asked = settings.suppressions
    return read_suppressions(
        asked.file, suppression_rules(settings), today, must_exist=asked.file != type(asked)().file
    )  # fmt: skip


def suppression_rules(settings: Settings) -> SuppressionRules:
    """What the configuration asks of an entry."""
    return SuppressionRules(settings.suppressions.max_days, settings.suppressions.require)


def analysis_rules(settings: Settings) -> tuple[Trust, AnalysisRules]:
    """What the analysis takes from the configuration."""
    from scanner.analyze.parts import AnalysisRules  # noqa: PLC0415  # half of the analysis, which one question spares

    trust = trust_of(settings)
    overrides = tuple(
        Override(
            Severity(o.severity),
            o.reason,
            kind=o.match.kind or "",
            party=o.match.party or "",
            capability=o.match.capability or "",
            key=o.match.key or "",
            grantee=o.match.grantee or "",
        )
        for o in settings.severity.overrides
    )
    severity = SeverityRules({k: tuple(v) for k, v in settings.severity.sensitive_tags.items()}, overrides)
    return trust, AnalysisRules(
        trust,
        severity,
        settings.analysis.service_principals,
        settings.analysis.insiders,
        settings.keys.managers,
        max_role_hops=settings.analysis.max_role_hops,
    )


def trust_of(settings: Settings) -> Trust:
    """Who is ours and who is approved, as the analysis takes it.

    Raises:
        ConfigError: the list of vendors cannot be read.
    """
    given = settings.trust
    return Trust(
        organizations=frozenset(o.id for o in given.organizations),
        accounts={str(account): o.id for o in given.organizations for account in o.accounts},
        approvals=tuple(
            ApprovedAccount(
                id=a.id, name=a.name, expires=a.expires.isoformat(), approved_by=a.approved_by or "",
                purpose=a.purpose, owner=a.owner, keys=a.keys, capabilities=a.capabilities,
            )
            for a in given.accounts
        ),
        providers=tuple(
            ApprovedProvider(p.issuer, p.subjects, p.expires.isoformat(), p.owner, p.name or "")
            for p in given.identity_providers
        ),
        vendors=read_vendors(given.known_vendors),
        boundaries=tuple(
            InnerBoundary(b.name, b.match.ou or "", b.match.account or "", b.sensitive) for b in given.boundaries
        ),
    )  # fmt: skip


def check_trust(trust: Trust, world: World) -> None:
    """Refuse what the organization that was read contradicts: an approval of an own account, a boundary around nothing.

    Raises:
        UsageError: with every contradiction; what was collected can be judged again with a corrected configuration.
    """
    problems = [
        f"trust.accounts.{index}.id is `{approval.id}`, one of your own accounts (nothing to approve)"
        for index, approval in enumerate(trust.approvals)
        if account_of(world, approval.id).ours or organization_of(world, approval.id)
    ]
    for index, boundary in enumerate(trust.boundaries if world.organizations else ()):
        path = f"trust.boundaries.{index}.match"
        if boundary.account and organization_of(world, boundary.account) is None:
            problems.append(f"{path}.account is `{boundary.account}`, no account of the organization")
        if boundary.ou and not _has_unit(boundary, world):
            problems.append(f"{path}.ou is `{boundary.ou}`, no organizational unit of the organization")
    if problems:
        hint = "correct the configuration; `kms-scan analyze RUN` judges what was collected"
        raise UsageError("\n".join(problems), hint=hint)


def _has_unit(boundary: InnerBoundary, world: World) -> bool:
    """Whether a boundary's OU exists; of a path without accounts only the last name can be looked up."""
    names = {unit: name for o in world.organizations for unit, name in o.ou_names.items()}
    if any(holds(boundary, account_id, world) for o in world.organizations for account_id in o.members):
        return True
    return boundary.ou in names or boundary.ou.rsplit("/", 1)[-1] in names.values()
