"""The tags of a principal, and which session tags somebody may pass (R6.6)."""

from collections.abc import Mapping
from typing import Any

from .operators import NEGATED, POSITIVE
from .patterns import action_matches, plain
from .scenes import Scene, text, texts


def principal_tags(scene: Scene) -> Mapping[str, str] | None:
    """The tags that aws:PrincipalTag shows; None where they were not collected (R6.6 a to e)."""
    caller = scene.caller
    if caller.kind in {"root", "service"}:
        return {}
    if not caller.readable:
        return None
    own = {name: text(value) for name, value in ((caller.identity or {}).get("tags") or {}).items()}
    if caller.kind == "user":
        return own
    if caller.session is not None:
        return overlay(own, (caller.session or {}).get("session_tags") or {})
    return overlay(own, {name: value for name, value in passed(scene).items() if passable(scene, name, value)})


def passed(scene: Scene) -> dict[str, str]:
    """Session tags of the request: `#session_tags`, or aws:PrincipalTag given in the context of a case."""
    prefix = "aws:principaltag/"
    given = {name.removeprefix(prefix): values[0] for name, values in scene.context.items() if name.startswith(prefix)}
    return {**given, **{name: text(value) for name, value in scene.session_tags.items()}}


def overlay(tags: Mapping[str, str], over: Mapping[str, Any]) -> dict[str, str]:
    """Session tags win over the role's or user's tags, names compared without case (R6.G)."""
    names = {name.lower() for name in over}
    kept = {name: value for name, value in tags.items() if name.lower() not in names}
    return {**kept, **{name: text(value) for name, value in over.items()}}


def open_to_tags(scene: Scene) -> bool:
    """A role (or an unlisted session of it) whose tags the request may add to (R6.6 d)."""
    return scene.caller.kind in {"role", "session"} and scene.caller.session is None and scene.caller.readable


def passable(scene: Scene, name: str, value: str) -> bool:
    """Whether some statement of the trust policy lets somebody pass this tag with this value (R6.6 d).

    A ForAllValues test on aws:TagKeys narrows the names, a test on aws:RequestTag/K the values; every other condition
    may hold for somebody.
    """
    if not open_to_tags(scene):
        return False
    trust = (scene.caller.identity or {}).get("trust_policy") or {}
    statements = trust.get("Statement") or []
    for statement in [statements] if isinstance(statements, Mapping) else statements:
        if statement.get("Effect") == "Allow" and _covers_tagging(statement) and _lets_pass(statement, name, value):
            return True
    return False


def _covers_tagging(statement: Mapping[str, Any]) -> bool:
    if "NotAction" in statement:
        return not any(action_matches(pattern, "sts:TagSession") for pattern in texts(statement["NotAction"]))
    return any(action_matches(pattern, "sts:TagSession") for pattern in texts(statement.get("Action", [])))


def _lets_pass(statement: Mapping[str, Any], name: str, value: str) -> bool:
    for operator, block in (statement.get("Condition") or {}).items():
        for key, wanted in block.items():
            if key.lower() == "aws:tagkeys" and operator.startswith("ForAllValues:"):
                if not _holds(operator.removeprefix("ForAllValues:"), texts(wanted), name):
                    return False
            elif key.lower() == f"aws:requesttag/{name.lower()}" and not _holds(
                operator.split(":")[-1], texts(wanted), value
            ):
                return False
    return True


def _holds(operator: str, wanted: list[str], value: str) -> bool:
    base = operator.removesuffix("IfExists")
    if base == "Null":
        return "false" in [item.lower() for item in wanted]
    matches = POSITIVE.get(NEGATED.get(base, base))
    if matches is None:
        return True
    found = any(matches(plain(item), value) for item in wanted)
    return not found if base in NEGATED else found
