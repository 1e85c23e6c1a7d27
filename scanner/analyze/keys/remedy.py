"""What to do about a finding, in words and as a command where one exists; never executed."""

from __future__ import annotations

from scanner.analyze.keys.shell import revoke_block
from scanner.analyze.principals.selectors import GRANT, Naming
from scanner.model.finding import FindingVerdict, Remediation
from scanner.model.key import KeyFacts


def remediation_of(naming: Naming, key: KeyFacts, verdict: FindingVerdict) -> Remediation:
    """The kind of change that ends the access. It is not tried out on the snapshot in this version."""
    if naming.mechanism == GRANT:
        grant = naming.grants[0]
        command = revoke_block(key, [grant.grant_id])
        more = f" The same for the other {len(naming.grants) - 1} grant(s)." if len(naming.grants) > 1 else ""
        return Remediation("revoke_grant", f"Revoke the grant if the access is not wanted.{more}", command)
    if verdict is FindingVerdict.INEFFECTIVE:
        return Remediation("remove_statement", "Remove the statement, or the principal it names in vain.")
    if naming.mechanism == "ram":
        return Remediation(
            "none", "Change the resource share in AWS Resource Access Manager; the policy is written by it."
        )
    texts = {
        "any": ("add_condition", "Name the accounts or roles that need the key instead of everybody."),
        "account": ("narrow_principal", "Name the roles that need the key instead of their whole account."),
        "organization": (
            "narrow_principal",
            "Name the accounts or roles that need the key instead of an organization.",
        ),
        "service": ("add_condition", "Limit the service with aws:SourceAccount, aws:SourceArn or aws:SourceOrgID."),
    }
    kind, text = texts.get(naming.selector.kind, ("remove_statement", "Remove the principal if it needs no access."))
    return Remediation(kind, text)
