"""What the administrator of an account outside our view chooses of a condition (R3.30)."""

from __future__ import annotations

from dataclasses import replace

from scanner.analyze.logic.expression import (
    And,
    Const,
    Expression,
    Literal,
    Or,
    Origin,
    ValueType,
    Variable,
    conj,
    disj,
)

_OF_THE_CALLER = frozenset({
    "caller_side_not_collected", "organization_not_read", "principal_id_not_collected",
})  # fmt: skip


def chosen_by_strangers(expression: Expression) -> Expression:
    """The expression with a stranger's tags, names and organization as things the caller chooses.

    That no permissions boundary stands in the way is its administrator's choice.
    """
    match expression:
        case Literal(test, positive) if test.variable.ref == "R2.16":
            return Const(positive)
        case Literal(test, positive):
            return Literal(replace(test, variable=_chosen(test.variable)), positive)
        case And(parts):
            return conj(chosen_by_strangers(p) for p in parts)
        case Or(parts):
            return disj(chosen_by_strangers(p) for p in parts)
        case _:
            return expression


def _chosen(variable: Variable) -> Variable:
    of_the_caller = variable.origin is Origin.DATA and variable.reason in _OF_THE_CALLER
    if not of_the_caller or variable.type is ValueType.FLAG or variable.name.startswith("aws:resource"):
        return variable
    return replace(variable, origin=Origin.REQUEST, caller_chosen=True)
