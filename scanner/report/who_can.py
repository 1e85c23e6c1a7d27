"""`who-can` as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict

from scanner import ENGINE
from scanner.model.explanation import Access, WhoCan
from scanner.model.finding import OWN_ACCOUNT, FindingVerdict, Grantee
from scanner.report.diagnostic import Paint, safe, unpainted
from scanner.report.phrases import account_text, counted, whose_choice

WHO_CAN_SCHEMA = 1
"""Rises when a member of the JSON changes its meaning or goes away."""

_MECHANISMS = {"key_policy": "key policy", "grant": "grant", "ram": "resource share", "": "all mechanisms together"}
_PRINCIPALS = 3
_STATEMENTS = 3
_CONDITION = 400
_WHO = 64
_OPEN_FORMS = frozenset({"any", "organization", "account"})


def render_who_can(answer: WhoCan, *, paint: Paint = unpainted) -> str:
    """The key, what was not read, one line per selector, mechanism, verdict and condition, and the counts."""
    key = answer.key
    aliases = ", ".join(safe(alias) for alias in key.aliases[:3]) or "no alias"
    owner = f"{safe(key.account_id)} {safe(key.account_name)}".strip()
    lines = [f"{aliases}  {safe(key.key_id)}  {owner}  {safe(key.region)}  {safe(key.state) or 'state not read'}", ""]
    lines += [f"  NOT READ  {safe(text)}: the list may be incomplete" for text in answer.key_gaps]
    if answer.key_gaps:
        lines.append("")
    width = min(_WHO, max((len(who_text(a)) for a in answer.access), default=0))
    for access in answer.access:
        lines += _access_lines(access, answer.action, width, paint)
    lines += ["", *_footer(answer)] if answer.access else list(_footer(answer))
    return "\n".join(lines)


def who_text(access: Access | Grantee) -> str:
    """Whom a line is about."""
    owner = safe(account_text(access.account_name, access.account_id))
    if access.party == "unknown_third_party" and not access.account_name:
        owner += " (unknown)"
    name = safe(access.selector.split(":", 5)[-1])
    match access.kind:
        case "any":
            return "any principal of any AWS account"
        case "organization":
            return f"any principal of organization {safe(access.selector)}"
        case "account":
            return f"any principal of {owner}"
        case "federated" if "#" in access.selector or not access.account_id:
            provider, _, subject = access.selector.partition("#")
            who = safe(provider.split("-provider/", 1)[-1])
            return f"{safe(subject)} via {who}" if subject not in {"", "*"} else f"anybody with an identity of {who}"
        case "service":
            return f"the service {safe(access.selector)}"
        case "unknown_id" | "malformed":
            return f"{safe(access.selector)}, which is no principal that exists"
        case "root_user":
            return f"the root user of {owner}"
    return f"{name} of {owner}"


def _access_lines(access: Access, action: str, width: int, paint: Paint) -> Iterator[str]:
    condition = f" if {safe(access.condition, _CONDITION)}" if access.condition else ""
    choice = whose_choice(caller_chosen=access.caller_chosen, vouched=access.vouched) if access.condition else ""
    chosen = f" ({choice})" if choice else ""
    does = "" if action else f": {', '.join(access.capabilities)}"
    verdict = paint(f"{access.verdict.value:<11}", "verdict")
    yield f"  {verdict}  {who_text(access):<{width}}  {_through(access)}{does}{condition}{chosen}"
    if access.verdict in {FindingVerdict.POSSIBLE, FindingVerdict.BLOCKED, FindingVerdict.INEFFECTIVE}:
        yield f"               because of {', '.join(safe(reason) for reason in access.reasons)}"
    if access.kind in _OPEN_FORMS and access.principals and access.principals != (access.selector,):
        shown = ", ".join(_short(arn, access.account_id) for arn in access.principals[:_PRINCIPALS])
        more = len(access.principals) - _PRINCIPALS
        yield f"               that is {shown}{f' and {more:,} more' if more > 0 else ''}"


def _short(arn: str, account_id: str) -> str:
    parts = arn.split(":", 5)
    if len(parts) < 6:
        return "accounts this run does not know" if arn == "*" else safe(arn)
    return safe(parts[5] if parts[4] == account_id else f"{parts[5]} of {parts[4]}")


def _through(access: Access) -> str:
    """The mechanism with the statements or grants, and their lines."""
    if access.grants:
        more = f" and {len(access.grants) - 1} more" if len(access.grants) > 1 else ""
        return f"grant `{safe(access.grants[0], 20)}`{more}"
    named = [
        f"{f'`{safe(ref.sid)}`' if ref.sid else f'statement {ref.index}'}, lines {ref.line_from}-{ref.line_to}"
        for ref in access.statements[:_STATEMENTS]
    ]
    more = f" and {len(access.statements) - _STATEMENTS} more" if len(access.statements) > _STATEMENTS else ""
    if access.mechanism == "role":
        roles = ", then ".join(_role_text(arn) for arn in access.path.split(" > "))
        return f"assumes {roles}: trust policy {'; '.join(named)}{more}"
    mechanism = _MECHANISMS.get(access.mechanism, access.mechanism)
    return f"{mechanism} {'; '.join(named)}{more}" if named else mechanism


def _role_text(arn: str) -> str:
    """`role/x of 111122223333`."""
    parts = arn.split(":", 5)
    return safe(f"{parts[5]} of {parts[4]}" if len(parts) > 5 else arn)


def _footer(answer: WhoCan) -> Iterator[str]:
    if answer.total > len(answer.access):
        yield f"{len(answer.access):,} of {answer.total:,} lines are shown; --limit shows more"
    if answer.key.manager == "AWS":
        yield "AWS managed keys cannot be used from another account (R9.5)"
    doing = f"do {safe(answer.action)} with" if answer.action else "use"
    known = "in what was read, " if answer.key_gaps else ""
    further = "more could" if answer.today else "could"
    more = f", {answer.perhaps:,} {further}" if answer.perhaps else ""
    yield (
        f"{known}{counted(answer.today, 'selector')} outside the account can {doing} this key today"
        f"{_lines_of(answer)}{more}"
    )
    if answer.accounts_not_read:
        named = ", ".join(safe(name) for name in answer.accounts_not_read[:_PRINCIPALS])
        rest = len(answer.accounts_not_read) - _PRINCIPALS
        yield f"not read: the IAM of {named}{f' and {rest:,} more accounts' if rest > 0 else ''}"
    if answer.left_out:
        yield f"services that are limited to a source are not listed: {', '.join(safe(s) for s in answer.left_out)}"
    yield f"paths through assumed roles: {safe(answer.role_paths, _CONDITION)}"


def _lines_of(answer: WhoCan) -> str:
    """How many lines those who can today have, where that is another number than theirs or not all are listed."""
    outside = (a for a in answer.access if a.party != OWN_ACCOUNT)
    listed = sum(a.verdict in {FindingVerdict.CONFIRMED, FindingVerdict.CONDITIONAL} for a in outside)
    if listed == answer.today_lines == answer.today:
        return ""
    cut = f", {listed:,} of them listed" if listed != answer.today_lines else ""
    return f" ({counted(answer.today_lines, 'line')}{cut})"


def dump_who_can(answer: WhoCan) -> str:
    """One JSON object with sorted members; docs/explain.md describes them."""
    fields = {"schema_version": WHO_CAN_SCHEMA, "engine": ENGINE, "paths_through_assumed_roles": answer.role_paths}
    members = asdict(answer)
    del members["role_paths"]
    return json.dumps(fields | members, indent=1, sort_keys=True, allow_nan=False)
