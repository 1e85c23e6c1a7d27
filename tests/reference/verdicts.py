"""Brute force over every context that can matter, combined in the order of design.md section 5."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .completions import completions
from .contexts import contexts, count, dimensions
from .deciding import Verdict, decide
from .facts import Knowledge, World
from .scenes import Request, scene_of

LIMIT = 200_000
MOST_WORLDS = 3_000
_ORDER: tuple[Verdict, ...] = ("denied", "unknown", "latent", "conditional", "allowed")


class TooManyContexts(Exception):
    """Brute force is out of reach for this request."""


def combine(outcomes: Iterable[Verdict]) -> Verdict:
    """Denied or allowed in every context; latent; else unknown; else conditional (design.md section 5)."""
    seen = set(outcomes)
    if seen == {"denied"}:
        return "denied"
    if "unknown" in seen:
        return "unknown"
    if "latent" in seen:
        return "latent"
    return "allowed" if seen == {"allowed"} else "conditional"


def weakest(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict of a path is its weakest step (README)."""
    return min(verdicts, key=_ORDER.index)


def contexts_of(
    world: World, request: Request, knowledge: Knowledge | None = None, limit: int = LIMIT
) -> Iterator[dict[str, Any]]:
    """The contexts that `verdict` tries for one request.

    Raises TooManyContexts where there are more than `limit`.
    """
    given: Mapping[str, Any] = request.get("context") or {}
    scene = scene_of(world, request, given, knowledge or Knowledge())
    alternatives = dimensions(scene, given, bool(request.get("context_complete")))
    total = count(alternatives)
    if total > limit:
        raise TooManyContexts(f"{total} contexts for `{request['action']}` by `{request['principal']}`")
    return contexts(alternatives, given)


def verdict(world: World, request: Request, knowledge: Knowledge | None = None, limit: int = LIMIT) -> Verdict:
    """The verdict of a request or a `path` of a case file.

    Raises TooManyContexts, NoSuchKeyError, and ValueError for an action of another service.
    """
    if "path" in request:
        return weakest(verdict(world, step, knowledge, limit) for step in request["path"])
    return combine(
        _whatever_is_uncollected(world, request, context, knowledge)
        for context in contexts_of(world, request, knowledge, limit)
    )


def _whatever_is_uncollected(
    world: World, request: Request, context: Mapping[str, Any], knowledge: Knowledge | None
) -> Verdict:
    """The verdict in one context; unknown only where worlds that agree with what was collected differ (section 0)."""
    found = decide(world, request, context, knowledge)
    if found != "unknown":
        return found
    worlds = completions(scene_of(world, request, context, knowledge or Knowledge()), MOST_WORLDS)
    seen: set[Verdict] = set()
    for facts in worlds or ():
        seen.add(decide(world, request, {**context, "#facts": facts}, knowledge))
        if len(seen) > 1 or "unknown" in seen:
            return found
    return seen.pop() if seen else found


def as_simulation(request: Request, context: Mapping[str, Any]) -> dict[str, Any]:
    """One brute-force context as a request of a case file with `context_complete` (README).

    A session name becomes the principal, a passed session tag its aws:PrincipalTag key, an encryption context and a
    child grant their own fields. Only for a world that lists no session of that name.
    """
    result = {name: value for name, value in request.items() if name not in {"context", "context_complete"}}
    plain: dict[str, Any] = {name: value for name, value in context.items() if not name.startswith("#")}
    plain |= {f"aws:PrincipalTag/{tag}": value for tag, value in (context.get("#session_tags") or {}).items()}
    if "#session_name" in context:
        _, partition, _, _, account, role = str(request["principal"]).split(":", 5)
        session = f"assumed-role/{role.rsplit('/', 1)[-1]}/{context['#session_name']}"
        result["principal"] = f"arn:{partition}:sts::{account}:{session}"
    if "#encryption_context" in context:
        result["encryption_context"] = dict(context["#encryption_context"])
    if "grant_request" not in result and "#grant_constraints" in context:
        operations = plain["kms:GrantOperations"]
        result["grant_request"] = {"operations": operations, "constraints": context["#grant_constraints"]}
    return {**result, "context": plain, "context_complete": True}
