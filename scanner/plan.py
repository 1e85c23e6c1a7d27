"""What collection and analysis take from the configuration."""

from __future__ import annotations

from collections.abc import Mapping

from scanner.analyze.findings import AnalysisRules
from scanner.analyze.party import Trust
from scanner.analyze.severity import Override, SeverityRules
from scanner.config import Settings, config_hash, resolve_external_id
from scanner.errors import UnavailableError, UsageError
from scanner.model.finding import Severity
from scanner.yamltext import read_yaml


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
        workers=limits.workers,
        deadline=limits.deadline,
        connect_timeout=limits.connect_timeout,
        read_timeout=limits.read_timeout,
        max_attempts=limits.max_attempts,
        unit_deadline=limits.unit_deadline,
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


def refuse_suppressions(settings: Settings) -> None:
    """Refuse a suppression file that holds entries: their part is not built, and ignoring them would mislead.

    Raises:
        UnavailableError: the file has entries.
        UsageError: the file cannot be read or is no YAML.
    """
    path = settings.suppressions.file
    if not path.exists():
        return
    try:
        document = read_yaml(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"`{path}` cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if document.problems:
        raise UsageError(f"{path}:{document.problems[0].line}: {document.problems[0].text}")
    if isinstance(document.value, dict) and document.value.get("suppressions"):
        raise UnavailableError(f"`{path}`: suppressions are not available in this version", hint="empty the list")


def analysis_rules(settings: Settings) -> tuple[Trust, AnalysisRules]:
    """What the analysis takes from the configuration."""
    organizations = settings.trust.organizations
    accounts = {str(account): o.id for o in organizations for account in o.accounts}
    trust = Trust(frozenset(o.id for o in organizations), accounts)
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
        settings.analysis.max_role_hops,
    )
