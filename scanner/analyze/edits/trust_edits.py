"""The edits of a trust policy that could keep somebody from entering a role, smallest first."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from scanner.analyze.edits.edits import in_words, label_of, take_values
from scanner.analyze.edits.surroundings import with_text
from scanner.analyze.edits.textedit import PolicyDraft, as_cli_prints
from scanner.analyze.keys.shell import Place, change_block
from scanner.analyze.language.parse import parse_policy
from scanner.analyze.paths.paths import Claim
from scanner.analyze.paths.sources import Source, partition_of
from scanner.analyze.principals.selectors import selector_of
from scanner.model.policy import PolicyText, PrincipalEntry, Statement
from scanner.model.principal import PrincipalFacts


class TrustWay(StrEnum):
    """What happens to the statements that admit everybody, or everybody behind a condition."""

    NAMED = "named"
    """Nothing: the grantee is written out."""
    VALUES = "values"
    OWN_ACCOUNT = "own_account"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class TrustEdit:
    """One way to keep somebody out of a role: the policy as it would be, and how it gets there."""

    kind: str
    way: TrustWay
    text: str
    cli: str
    diff: str
    policy: PolicyText


def trust_edits(claim: Claim, role: PrincipalFacts, policy: PolicyText) -> Iterator[TrustEdit]:
    """The edits of an entry role's trust policy that could end a claim; none where no statement is known to admit."""
    named = {n.statement.index: source for source in claim.sources for n in source.admission.statements}
    if not named:
        return
    text = as_cli_prints(policy.text)  # INVARIANT: a policy that has statements is JSON
    shown = with_text(policy, text)
    statements = parse_policy(shown).statements
    by_index = {s.index: s for s in statements}
    admitting = [_admitting(by_index[index], source) for index, source in sorted(named.items())]
    for way in _ways(admitting):
        draft = PolicyDraft(text)
        done = [_apply(draft, a, way, role) for a in admitting]
        said = [sentence for sentence in done if sentence]
        if len(said) < len(admitting) or not said:
            continue
        gone = [a.statement for a, what in zip(admitting, said, strict=True) if what.startswith("remove")]
        if len(gone) == len(statements):
            said = [_refuse(draft, statement) for statement in gone]
        else:
            for statement in gone:
                draft.remove_statement(statement.index)
        yield TrustEdit(
            _kind(way, said), way, in_words(said), _commands(role), draft.patch(f"{policy.name} of {role.arn}"),
            with_text(policy, draft.edited()),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Admitting:
    """A statement that admits the grantee: the entries that write it out, or those for everybody."""

    statement: Statement
    entries: tuple[PrincipalEntry, ...]
    everybody: bool
    selector: str


def _admitting(statement: Statement, source: Source) -> _Admitting:
    wanted = source.admission.provider or source.selector.text
    principals = statement.principals or ()
    written = tuple(e for e in principals if e.type != "*" and _text_of(e, source.role) == wanted)
    if written:
        return _Admitting(statement, written, everybody=False, selector=wanted)
    open_to_all = tuple(e for e in principals if e.type == "*")
    return _Admitting(statement, open_to_all, everybody=True, selector=source.selector.text)


def _text_of(entry: PrincipalEntry, role: PrincipalFacts) -> str:
    return selector_of(entry.value, partition_of(role)).text if entry.type == "AWS" else entry.value


def _ways(admitting: Sequence[_Admitting]) -> tuple[TrustWay, ...]:
    if any(a.everybody for a in admitting):
        return TrustWay.VALUES, TrustWay.OWN_ACCOUNT, TrustWay.REMOVE
    return (TrustWay.NAMED,)


def _apply(draft: PolicyDraft, admitting: _Admitting, way: TrustWay, role: PrincipalFacts) -> str:
    """Change one statement, or say that it is to be removed; empty where the way is no way."""
    statement, label = admitting.statement, label_of(admitting.statement)
    if admitting.everybody and way is TrustWay.VALUES:
        return take_values(draft, statement, admitting.selector, partition_of(role)) or ""
    if admitting.everybody and way is TrustWay.OWN_ACCOUNT:
        beside = any(e not in admitting.entries for e in statement.principals or ())
        name = "aws:PrincipalAccount"
        if beside or not draft.add_condition(statement, "StringEquals", name, role.account_id):
            return ""
        return f"add `{name}` = `{role.account_id}` to {label}"
    if draft.remove_principals(statement, [e.span for e in admitting.entries]):
        who = "everybody" if admitting.everybody else f"`{admitting.selector}`"
        return f"take {who} out of {label}"
    return f"remove {label}" if admitting.everybody else f"remove {label}, which names only this grantee"


def _refuse(draft: PolicyDraft, statement: Statement) -> str:
    draft.refuse(statement)
    return (
        f"make {label_of(statement)} a Deny: the role then admits no principal, and AWS takes no trust policy "
        "without a statement; delete the role if it is not needed"
    )


def _kind(way: TrustWay, said: Sequence[str]) -> str:
    if way is TrustWay.OWN_ACCOUNT:
        return "add_condition"
    return "remove_statement" if all(s.startswith("remove") for s in said) else "narrow_trust"


def _commands(role: PrincipalFacts) -> str:
    """How the policy is read, patched and written."""
    return change_block(
        Place(
            role.account_id,
            f"--role-name {shlex.quote(role.arn.rsplit('/', 1)[-1])}",
            'aws iam get-role "$@" --query Role.AssumeRolePolicyDocument --output json',
            'aws iam update-assume-role-policy "$@" --policy-document',
            "--trust-policy",
            role.arn,
        )
    )
