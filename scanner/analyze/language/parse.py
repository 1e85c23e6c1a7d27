"""Policy text to a document with spans; what AWS would have refused becomes damage, never an exception."""

from __future__ import annotations

import re
from functools import lru_cache

from scanner.analyze.language.jsontext import JsonTextError, Node, read_json
from scanner.model.policy import (
    ConditionTest,
    Document,
    DocumentKind,
    Effect,
    Element,
    PolicyText,
    PrincipalEntry,
    Span,
    Statement,
)

OPERATORS = (
    "StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike",
    "StringNotLike", "NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals",
    "NumericGreaterThan", "NumericGreaterThanEquals", "DateEquals", "DateNotEquals", "DateLessThan",
    "DateLessThanEquals", "DateGreaterThan", "DateGreaterThanEquals", "Bool", "BinaryEquals", "IpAddress",
    "NotIpAddress", "ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike", "Null",
)  # fmt: skip
_OPERATOR_BY_NAME = {name.lower(): name for name in OPERATORS}
_QUALIFIERS = {"foranyvalue": "ForAnyValue", "forallvalues": "ForAllValues"}
_OPERATOR = re.compile(r"(?:(?P<qualifier>[A-Za-z]+):)?(?P<base>[A-Za-z]+?)(?P<if_exists>IfExists)?\Z", re.IGNORECASE)
_ELEMENTS = frozenset({
    "sid", "effect", "principal", "notprincipal", "action", "notaction", "resource", "notresource", "condition",
})  # fmt: skip
_VERSIONS = frozenset({"2012-10-17", "2008-10-17"})
_PRINCIPAL_TYPES = {"aws": "AWS", "service": "Service", "federated": "Federated", "canonicaluser": "CanonicalUser"}


@lru_cache(maxsize=65536)
def parse_policy(policy: PolicyText) -> Document:
    """Parse a policy document once per distinct text and place (R5.28, I:reference_policies_grammar).

    A text that is no JSON object yields a document without statements whose `problems` say why: it proves nothing.
    """
    return Document(policy, *_read_text(policy.text, policy.kind))


@lru_cache(maxsize=65536)
def _read_text(text: str, kind: DocumentKind) -> tuple[str, tuple[Statement, ...], tuple[str, ...]]:
    """Version, statements and problems of a text: the same on every role or key that it hangs on."""
    try:
        root = read_json(text)
    except JsonTextError as error:
        return "", (), (str(error),)
    if root.kind != "object":
        return "", (), ("the document is not a JSON object",)
    return _read_document(kind, root)


def _read_document(kind: DocumentKind, root: Node) -> tuple[str, tuple[Statement, ...], tuple[str, ...]]:
    problems: list[str] = []
    version = ""
    statements: tuple[Statement, ...] = ()
    seen: set[str] = set()
    for name, _, node in root.members():
        lower = name.lower()
        if lower in seen:
            problems.append(f"the element `{name[:64]}` appears twice")
        seen.add(lower)
        if lower == "version":
            version = node.scalar() or ""
            if version not in _VERSIONS:
                problems.append(f"the version is `{version[:64]}`")
        elif lower == "statement":
            statements = tuple(_read_statement(kind, index, item) for index, item in enumerate(node.items()))
        elif lower != "id":
            problems.append(f"`{name[:64]}` is not an element of a policy")
    if "statement" not in seen:
        problems.append("there is no Statement")
    return version, statements, tuple(problems)


def _read_statement(kind: DocumentKind, index: int, node: Node) -> Statement:
    damage: list[str] = []
    parts: dict[str, Node] = {}
    repeated: set[str] = set()
    if node.kind != "object":
        damage.append("a statement is not an object")
    for name, _, value in node.members():
        lower = name.lower()
        if lower not in _ELEMENTS:
            damage.append(f"`{name[:64]}` is not an element of a statement")
        elif lower in parts:
            damage.append(f"the element `{name[:64]}` appears twice")
            repeated.add(lower)
        else:
            parts[lower] = value
    for lower in repeated:
        del parts[lower]  # which of the two AWS reads is not known, so neither limits what the statement may do
    effect = _read_effect(parts.get("effect"), damage)
    names_principals = kind in {
        DocumentKind.KEY_POLICY, DocumentKind.RAM_POLICY, DocumentKind.TRUST, DocumentKind.RCP,
    }  # fmt: skip
    pairs = (("principal", "notprincipal"), ("action", "notaction"), ("resource", "notresource"))
    damage.extend(f"both {one} and {other} are given" for one, other in pairs if one in parts and other in parts)
    if not names_principals and ("principal" in parts or "notprincipal" in parts):
        damage.append(f"{kind.in_words} names no principals")
    if not names_principals and node.kind == "object":
        missing = (one for one, other in pairs[1:] if one not in parts and other not in parts)
        damage.extend(f"there is no {one.capitalize()}" for one in missing)
    if names_principals and "principal" not in parts and "notprincipal" not in parts and node.kind == "object":
        damage.append("there is no Principal")
    sid = parts["sid"].scalar() if "sid" in parts else ""
    return Statement(
        index=index,
        sid=sid or "",
        effect=effect,
        principals=_read_principals(parts.get("principal"), damage),
        not_principals=_read_principals(parts.get("notprincipal"), damage),
        actions=_read_elements(parts.get("action"), "Action", damage),
        not_actions=_read_elements(parts.get("notaction"), "NotAction", damage),
        resources=_read_elements(parts.get("resource"), "Resource", damage),
        not_resources=_read_elements(parts.get("notresource"), "NotResource", damage),
        conditions=_read_conditions(parts.get("condition"), damage),
        span=node.span,
        damage=tuple(damage),
    )


def _read_effect(node: Node | None, damage: list[str]) -> Effect:
    text = node.scalar() if node else None
    if text == "Allow":
        return Effect.ALLOW
    if text == "Deny":
        return Effect.DENY
    damage.append("there is no Effect" if node is None else f"the effect is `{(text or node.kind)[:64]}`")
    return Effect.DAMAGED


def _read_principals(node: Node | None, damage: list[str]) -> tuple[PrincipalEntry, ...] | None:
    """The values of a Principal; None where it is absent, empty where it is damaged: then it may be anybody."""
    if node is None:
        return None
    if node.kind == "string":
        if node.value == "*":
            return (PrincipalEntry("*", "*", node.span),)
        damage.append(f"the principal is `{str(node.value)[:64]}`")
        return ()
    if node.kind != "object":
        damage.append("the principal is neither `*` nor a map")
        return ()
    entries: list[PrincipalEntry] = []
    before = len(damage)
    for name, span, values in node.members():
        principal_type = _PRINCIPAL_TYPES.get(name.lower())
        if principal_type is None:
            damage.append(f"`{name[:64]}` is not a type of principal")
            continue
        for item in values.items():
            if item.kind != "string":
                damage.append(f"a value of the principal `{name[:64]}` is not text")
            else:
                value = str(item.value)
                everybody = principal_type == "AWS" and value == "*"
                entries.append(PrincipalEntry("*" if everybody else principal_type, value, item.span or span))
    return tuple(entries) if len(damage) == before else ()


def _read_elements(node: Node | None, name: str, damage: list[str]) -> tuple[Element, ...] | None:
    """The values of an element; None where it is absent, or damaged: then it limits nothing."""
    if node is None:
        return None
    items = node.items()
    if not all(item.kind == "string" for item in items):
        damage.append(f"a value of {name} is not text")
        return None
    return tuple(Element(str(item.value), item.span) for item in items)


def _read_conditions(node: Node | None, damage: list[str]) -> tuple[ConditionTest, ...]:
    if node is None:
        return ()
    if node.kind != "object":
        damage.append("the condition is not a map")
        return ()
    tests: list[ConditionTest] = []
    for operator_text, _, keys in node.members():
        match = _OPERATOR.match(operator_text)
        base = _OPERATOR_BY_NAME.get(match["base"].lower()) if match else None
        qualifier = _QUALIFIERS.get((match["qualifier"] or "").lower(), "") if match else ""
        if match is None or base is None or (match["qualifier"] and not qualifier):
            damage.append(f"`{operator_text[:64]}` is not an operator")
            continue
        if base == "Null" and match["if_exists"]:
            damage.append("`NullIfExists` is not an operator")
            continue
        if keys.kind != "object":
            damage.append(f"the operator `{operator_text[:64]}` holds no map of keys")
            continue
        for key, key_span, values in keys.members():
            texts = _condition_values(key, values, damage)
            span = Span(key_span.line_from, key_span.col_from, values.span.line_to, values.span.col_to)
            if texts is not None:
                tests.append(ConditionTest(base, qualifier, bool(match["if_exists"]), key, texts, span))
    return tuple(tests)


def _condition_values(key: str, node: Node, damage: list[str]) -> tuple[str, ...] | None:
    texts: list[str] = []
    for item in node.items():
        text = item.scalar()
        if text is None:
            damage.append(f"a value of the condition key `{key[:64]}` is neither text, number nor boolean")
            return None
        texts.append(text)
    return tuple(texts)
