"""Whether a statement covers a scene: action, resource, condition (5.5); the principal is judged elsewhere."""

from collections.abc import Mapping
from typing import Any

from .conditions import Document, condition_holds, expand
from .context_keys import Unknown
from .logic import Tri, all_of, any_of, negate
from .patterns import Pattern, action_matches, glob, plain
from .scenes import Scene, texts


def action_covered(statement: Mapping[str, Any], action: str) -> bool:
    """Action, or NotAction negated (R5.41); a statement with neither has no effect (R2.17)."""
    if "Action" in statement:
        return any(action_matches(pattern, action) for pattern in texts(statement["Action"]))
    if "NotAction" in statement:
        return not any(action_matches(pattern, action) for pattern in texts(statement["NotAction"]))
    return False


def resource_covered(statement: Mapping[str, Any], scene: Scene, document: Document) -> Tri:
    """Glob on the full ARN (R5.40), NotResource negated (R5.41); neither: no effect, trust policies aside (README)."""
    if "Resource" in statement:
        return any_of(_entry(entry, scene, document) for entry in texts(statement["Resource"]))
    if "NotResource" in statement:
        return negate(any_of(_entry(entry, scene, document) for entry in texts(statement["NotResource"])))
    return document.kind == "trust_policy"


def _entry(entry: str, scene: Scene, document: Document) -> Tri:
    """Variables count after the fifth colon only (R5.31); without a value the entry matches no resource (R5.33)."""
    pattern: Pattern | Unknown | None
    parts = entry.split(":", 5)
    if len(parts) == 6:
        tail = expand(parts[5], scene, document)
        pattern = tail if tail is None or isinstance(tail, Unknown) else plain(":".join(parts[:5]) + ":") + tail
    else:
        pattern = plain(entry)
    if isinstance(pattern, Unknown):
        return None
    return pattern is not None and glob(pattern, scene.resource)


def covers(statement: Mapping[str, Any], scene: Scene, document: Document) -> Tri:
    """Action, resource and condition together."""
    if not action_covered(statement, scene.action):
        return False
    return all_of([resource_covered(statement, scene, document), condition_holds(statement, scene, document)])
