"""Every reason code that the analysis can give has words: in the report, in summaries, and in `explain`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import scanner.analyze
from scanner.analyze.keys.rules import _RULES
from scanner.analyze.keys.sentences import blocked_in_words
from scanner.analyze.logic.wording import reason_in_words
from scanner.model.actions import KEY_ACTIONS, state_blocks
from scanner.report.reasons import REASONS

CODE = re.compile(r"[a-z]+(_[a-z]+)*")
GIVES_A_REASON = {"unknown", "_unread", "_data", "Decision", "Judgement"}
"""Functions and classes that take a reason code by position."""
STATES = (
    "Disabled",
    "PendingDeletion",
    "PendingReplicaDeletion",
    "PendingImport",
    "Creating",
    "Unavailable",
    "Updating",
)
OF_FINDINGS = {
    "action_not_cross_account", "asserted_context", "attribute_decides_access", "attribute_opens_access",
    "create_grant_escalation", "delegated_to_third_party", "depth_limit", "explicit_deny", "foreign_attribute",
    "key_can_be_woken", "subject_without_tenant",
    "no_external_id", "no_foreign_key_seen", "nobody_there", "account_suspended",
    "no_kms_principal", "not_yet", "owner_side_not_collected", "principal_deleted",
    "root_user_only", "stale_grant", "trust_open", "unlimited_create_grant", "unmanageable_key", "weak_fence",
    "wrong_partition",
}  # fmt: skip
"""Codes that findings alone have; `explain` tells the decision behind them."""


def texts(node: ast.AST | None) -> Iterator[str]:
    """The codes among the string constants of an expression."""
    for inner in ast.walk(node) if node else ():
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str) and CODE.fullmatch(inner.value):
            yield inner.value


def parts_of(value: ast.expr | None) -> Iterator[ast.expr]:
    """The constants that a return gives back, alone, in a tuple, or as one of two."""
    match value:
        case ast.Constant():
            yield value
        case ast.Tuple(elts=[first, *_]):
            yield from parts_of(first)
        case ast.IfExp(body=body, orelse=other):
            yield from parts_of(body)
            yield from parts_of(other)


def codes_of(tree: ast.Module) -> Iterator[str]:
    """The reason codes that a module gives: to calls, as `reason`, from functions about reasons, and from tables."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in GIVES_A_REASON:
                yield from (t for arg in node.args for t in texts(arg) if isinstance(arg, ast.Constant) and "_" in t)
            yield from (t for word in node.keywords if word.arg in {"reason", "dead"} for t in texts(word.value))
        if isinstance(node, ast.FunctionDef) and re.search(r"reason|refus|asleep", node.name):
            returns = (inner for inner in ast.walk(node) if isinstance(inner, ast.Return))
            yield from (t for inner in returns for part in parts_of(inner.value) for t in texts(part))
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Dict):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if re.fullmatch(r"_EXPLICIT|_BLOCKED_REASONS|_WITHOUT_EFFECT|_STATES", getattr(target, "id", "")):
                yield from (t for value in node.value.values for t in texts(value))


def all_codes() -> set[str]:
    """Every reason code found in scanner/analyze."""
    folder = Path(scanner.analyze.__path__[0])
    found = {code for path in folder.rglob("*.py") for code in codes_of(ast.parse(path.read_text("utf-8")))}
    return found | set(_RULES)


def state_codes() -> set[str]:
    """The reasons for keys whose state stops some action, as `judge` makes them."""
    short = {"Disabled": "key_disabled", "PendingDeletion": "key_pending_deletion"}
    stopped = {s for s in STATES if any(state_blocks(a, s) for a in KEY_ACTIONS)}
    return {short.get(state, f"key_{state.lower()}") for state in stopped}


def test_codes_are_found_at_all() -> None:
    assert {"key_not_described", "scp_deny", "nobody_there", "not_yet", "boundary", "ambiguous_tag"} <= all_codes()
    assert len(all_codes()) > 45


@pytest.mark.parametrize("code", sorted(all_codes() | state_codes()))
def test_every_reason_code_has_words_in_the_report(code: str) -> None:
    assert " " in REASONS.get(code, ""), code


@pytest.mark.parametrize("code", sorted(all_codes() - state_codes() - OF_FINDINGS))
def test_every_reason_code_of_a_decision_has_words_in_explain(code: str) -> None:
    assert reason_in_words(code) != code.replace("_", " ")


@pytest.mark.parametrize("code", sorted(state_codes() | {"unsatisfiable_condition", "session"}))
def test_every_reason_that_blocks_has_words_in_the_summary(code: str) -> None:
    assert blocked_in_words(code) != code.replace("_", " ")
