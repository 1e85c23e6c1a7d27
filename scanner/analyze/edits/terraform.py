"""Where an edit belongs in Terraform: the resource and attribute, with the document where it is short."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from scanner.analyze.edits.textedit import narrow
from scanner.analyze.edits.whatif import is_managed, plain_name
from scanner.model.key import Grant, KeyFacts
from scanner.model.policy import PolicyText
from scanner.model.principal import PrincipalFacts

LONGEST = 1_000
"""Characters of a document that is written out; of a longer one only the patch is shown."""
_GRANTS_SHOWN = 20
_END = "POLICY"


def key_policy_hint(key: KeyFacts, edited: str) -> str:
    """The policy of a key."""
    return _resource(
        "aws_kms_key_policy", [("key_id", key.arn)], "policy", edited,
        "or the policy argument of the key's own aws_kms_key",
    )  # fmt: skip


def trust_policy_hint(role: PrincipalFacts, edited: str) -> str:
    """The trust policy of a role."""
    name = role.arn.rsplit("/", 1)[-1]
    return _resource("aws_iam_role", [("name", name)], "assume_role_policy", edited)


def identity_policy_hint(policy: PolicyText, edited: str) -> str:
    """An inline or managed policy; without a text it is to be deleted."""
    if is_managed(policy):
        return _resource("aws_iam_policy", [("name", policy.source.rsplit("/", 1)[-1])], "policy", edited)
    kind, _, path = policy.source.split(":", 5)[5].partition("/")
    found = [("name", plain_name(policy)), (kind, path.rsplit("/", 1)[-1])]
    if not edited:
        return _removed([(f"aws_iam_{kind}_policy", found)])
    return _resource(f"aws_iam_{kind}_policy", found, "policy", edited)


def grants_hint(key: KeyFacts, grants: Sequence[Grant]) -> str:
    """The grants that are to go."""
    return _removed(
        ("aws_kms_grant", [("key_id", key.arn), ("grantee_principal", g.grantee_principal or "")])
        for g in grants[:_GRANTS_SHOWN]
    )


def quoted(text: str) -> str:
    """A string of HCL: letters beyond printable ASCII are escaped, and no interpolation or directive can start."""
    letters = (f"\\{c}" if c in '"\\' else c if " " <= c <= "~" else f"\\U{ord(c):08x}" for c in text)
    return f'"{_no_template("".join(letters))}"'


def _no_template(text: str) -> str:
    return text.replace("${", "$${").replace("%{", "%%{")


def _resource(kind: str, found: Iterable[tuple[str, str]], attribute: str, edited: str, place: str = "") -> str:
    """A resource as it would read; the names by which it is found stand first."""
    more = f" ({place})" if place else ""
    lines = [f"# the patch belongs in this resource, if Terraform holds it{more}", f'resource "{kind}" "this" {{']
    lines += [f"  {name} = {quoted(value)}" for name, value in found]
    if len(edited) > LONGEST:
        lines.append(f"  # {attribute}: too long to show, change it as the patch shows")
    else:
        lines += [f"  {attribute} = <<{_END}", _no_template(narrow(edited)), _END]
    return "\n".join([*lines, "}"])


def _removed(resources: Iterable[tuple[str, Sequence[tuple[str, str]]]]) -> str:
    lines = ["# remove these resources, if Terraform holds them"]
    for kind, found in resources:
        lines.append(f"# {kind}: {', '.join(f'{name} = {quoted(value)}' for name, value in found)}")
    return "\n".join(lines)
