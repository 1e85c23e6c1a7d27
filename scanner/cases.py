"""Case files judged and compared: `kms-scan test` (format: tests/cases/README.md)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scanner.analyze.decision.decide import decide
from scanner.analyze.decision.trust import decide_assume
from scanner.analyze.language.jsontext import JsonTextError, read_json
from scanner.analyze.principals.question import find_key, refuse_absent
from scanner.analyze.request.caller import UnknownPrincipalError, resolve_caller
from scanner.analyze.request.request import GrantRequest, Request
from scanner.casefile import CaseFormatError, build_world, flag, known_members, texts
from scanner.errors import UsageError
from scanner.model.actions import find_action
from scanner.model.decision import VERDICT_STRENGTH, Decision, Verdict
from scanner.model.key import GrantConstraints, KeyFacts
from scanner.model.world import World
from scanner.yamltext import YamlPath, read_yaml


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One request compared: `got` is empty and `problem` set where it could not be judged."""

    id: str
    index: int
    expect: str
    got: str
    reason: str
    conditions: tuple[str, ...]
    problem: str = ""

    @property
    def holds(self) -> bool:
        """Whether the verdict is the expected one."""
        return self.got == self.expect

    def as_json(self) -> str:
        """One JSON line as `kms-scan test --json` prints it."""
        line: dict[str, object] = {
            "id": self.id, "index": self.index, "expect": self.expect, "got": self.got or None,
            "reason": self.problem or self.reason, "conditions": list(self.conditions),
        }  # fmt: skip
        return json.dumps(line)


@dataclass(frozen=True, slots=True)
class CaseFile:
    """The cases of a file, and the lines they stand on."""

    path: Path
    cases: list[Mapping[str, Any]]
    lines: Mapping[YamlPath, int]

    def place(self, *where: str | int) -> str:
        """`file:line` of a case (its index), of a part of it, or of what stands around that."""
        known = (where[:length] for length in range(len(where), 0, -1))
        return f"{self.path}:{next((self.lines[part] for part in known if part in self.lines), 1)}"


def read_case_file(path: Path) -> CaseFile:
    """Read a case file, JSON or YAML.

    Raises:
        UsageError: the file cannot be read, is neither, or is no list of cases.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        message = f"case file `{path}` cannot be read: {getattr(error, 'strerror', None) or error}"
        raise UsageError(message) from error
    data, lines = _parse(path, text)
    if not isinstance(data, list) or not all(isinstance(case, dict) for case in data):
        raise UsageError(f"{path}: a case file is a list of cases", hint="the format is in tests/cases/README.md")
    return CaseFile(path, data, lines)


def _parse(path: Path, text: str) -> tuple[Any, Mapping[YamlPath, int]]:
    if path.suffix.lower() in {".yaml", ".yml"}:
        document = read_yaml(text)
        if document.problems:
            problem = document.problems[0]
            raise UsageError(f"{path}:{problem.line}: {problem.text}")
        return document.value, document.lines
    try:
        data = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise UsageError(f"{path}:{line}: not JSON: {getattr(error, 'msg', 'nested too deeply')}") from error
    return data, dict(_lines_of_json(text))


def _lines_of_json(text: str) -> Iterator[tuple[YamlPath, int]]:
    """The line of every case and request; none of a text that holds what our reader of policies refuses."""
    try:
        cases = read_json(text).items()
    except JsonTextError:
        return
    for index, case in enumerate(cases):
        yield (index,), case.span.line_from
        for name, span, value in case.members():
            yield (index, name), span.line_from
            requests = value.items() if name == "requests" else ()
            yield from (((index, name, number), r.span.line_from) for number, r in enumerate(requests))


WorldOf = Callable[[Path], World]
"""Opens a snapshot file or the snapshot of a run directory."""


def run_case(
    case: Mapping[str, Any], place: str, *, requests_at: Sequence[str] = (), base: Path = Path(), world_of: WorldOf
) -> Iterator[CaseResult]:
    """Judge every request of a case.

    Args:
        place: where the case stands, for errors; `requests_at` the same of each request.
        base: the folder that `snapshot` is relative to.
        world_of: opens it.

    Raises:
        UsageError: the case has no id or requests, its world has not the documented form, or its snapshot cannot be
            read.
    """
    case_id, requests = case.get("id"), case.get("requests")
    try:
        known_members("case", case, str(case_id or "case"))
    except CaseFormatError as error:
        raise UsageError(f"{place}: {error}") from error
    if not isinstance(case_id, str) or not isinstance(requests, list) or not requests:
        raise UsageError(f"{place}: a case needs an `id` and `requests`")
    collected = "snapshot" in case
    world = _snapshot(case, f"{place}: case `{case_id}`", base, world_of) if collected else _world(case, place, case_id)
    for index, request in enumerate(requests):
        result = _run_request(world, case_id, index, request, collected=collected)
        at = f"{requests_at[index]}: " if result.problem and index < len(requests_at) else ""
        yield replace(result, problem=at + result.problem)


def _world(case: Mapping[str, Any], place: str, case_id: str) -> World:
    written = case.get("world")
    if not isinstance(written, dict):
        raise UsageError(f"{place}: case `{case_id}` has no `world`", hint="give a `world`, or a `snapshot`")
    try:
        return build_world(written)
    except CaseFormatError as error:
        raise UsageError(f"{place}: case `{case_id}`: {error}") from error


def _snapshot(case: Mapping[str, Any], place: str, base: Path, world_of: WorldOf) -> World:
    """The world of the snapshot that a case names."""
    name = case["snapshot"]
    if "world" in case:
        raise UsageError(f"{place}: has a `world` and a `snapshot`", hint="leave one of them out")
    if not isinstance(name, str) or not name:
        raise UsageError(f"{place}: `snapshot` is no path", hint="name a snapshot file or a run directory")
    path = base / name
    if not path.exists():
        hint = "the path of a snapshot file or a run directory, relative to the case file"
        raise UsageError(f"{place}: there is no snapshot `{path}`", hint=hint)
    try:
        return world_of(path)
    except UsageError as error:
        raise UsageError(f"{place}: {error.message}", hint=error.hint) from error


def _run_request(world: World, case_id: str, index: int, request: Any, *, collected: bool) -> CaseResult:
    expect = str(request.get("expect", "")) if isinstance(request, Mapping) else ""
    try:
        known_members("request", request, f"requests.{index}")
        if expect not in set(Verdict):
            msg = f"`expect` is `{expect}`, must be one of {', '.join(Verdict)}"
            raise CaseFormatError(msg)
        steps = request.get("path", [request])
        if not isinstance(steps, list) or not steps:
            msg = "`path` is no list of steps"
            raise CaseFormatError(msg)
        for number, step in enumerate(steps if "path" in request else ()):
            known_members("request", step, f"requests.{index}.path.{number}")
        named = [_named(world, step) if collected else step for step in steps]
        weakest = min((_decide(world, step) for step in named), key=lambda d: VERDICT_STRENGTH[d.verdict])
    except UsageError as error:
        hint = f" ({error.hint})" if error.hint else ""
        return CaseResult(case_id, index, expect, "", "", (), error.message + hint)
    except (CaseFormatError, UnknownPrincipalError, KeyError, TypeError, AttributeError, ValueError) as error:
        problem = f"{type(error).__name__} {error}" if not isinstance(error, ValueError) else str(error)
        return CaseResult(case_id, index, expect, "", "", (), problem)
    conditions = (weakest.condition,) if weakest.condition else ()
    return CaseResult(case_id, index, expect, weakest.verdict.value, weakest.reason, conditions)


def _named(world: World, step: Mapping[str, Any]) -> Mapping[str, Any]:
    """A request to a snapshot: its key by the ARN, wherever it was named by id or alias, and its principal must exist.

    Raises:
        UsageError: the snapshot holds no such key or principal, or several such keys.
    """
    refuse_absent(world, resolve_caller(world, str(step["principal"])))
    resource, action = str(step["resource"]), find_action(str(step["action"]))
    of_an_alias = action is not None and action.resource == "alias"
    about_a_key = action is None or action.resource == "key"
    if resource == "*" or of_an_alias or not about_a_key or str(step["action"]).lower().startswith("sts:"):
        return step
    key = find_key(world, resource)
    return step if ":alias/" in resource else {**step, "resource": key.arn}


def _decide(world: World, step: Mapping[str, Any]) -> Decision:
    request = build_request(world, step)
    return decide_assume(world, request) if request.role is not None else decide(world, request)


def build_request(world: World, data: Mapping[str, Any]) -> Request:
    """Build the request of a case.

    Raises:
        CaseFormatError: the resource is not in the world, or a part has the wrong form.
        UnknownPrincipalError: the principal is no principal.
    """
    iam_action, resource = str(data["action"]), str(data["resource"])
    action = find_action(iam_action)
    role, key, alias = None, world.keys.get(resource), ""  # type: ignore[call-overload]  # ids are texts
    if iam_action.lower().startswith("sts:"):
        role = world.principals.get(resource)
        if role is None:
            msg = f"role `{resource}` is not in the world"
            raise CaseFormatError(msg)
    elif ":alias/" in resource and (action is None or action.resource != "alias"):
        key, alias = _key_by_alias(world, resource)
        resource = key.arn
    elif key is None and ":key/" in resource:
        msg = f"key `{resource}` is not in the world"
        raise CaseFormatError(msg)
    elif key is None and action is not None and action.resource == "key":
        msg = f"`{iam_action}` needs the ARN of a key, not `{resource}`"
        raise CaseFormatError(msg)
    asked = data.get("grant_request")
    known_members("grant request", asked, "grant_request")
    pairs = data.get("encryption_context")
    if pairs is not None and not isinstance(pairs, Mapping):
        msg = "`encryption_context` is no map"
        raise CaseFormatError(msg)
    return Request(
        caller=resolve_caller(world, str(data["principal"])),
        iam_action=iam_action,
        resource=resource,
        action=action,
        key=key,
        role=role,
        alias=alias,
        context={k.lower(): _texts(v) for k, v in data.get("context", {}).items()},
        complete=flag(data.get("context_complete", False)),
        encryption_context=pairs,
        grant_request=None
        if asked is None
        else GrantRequest(
            texts(asked["operations"], "operations"), GrantConstraints.from_api(asked.get("constraints"))
        ),
    )


def _key_by_alias(world: World, alias_arn: str) -> tuple[KeyFacts, str]:
    place, _, alias = alias_arn.rpartition(":")
    for key in world.keys.values():
        if alias in (key.aliases or ()) and key.arn.startswith(f"{place}:"):
            return key, alias
    unread = [k for k in world.keys.values() if k.aliases is None and k.arn.startswith(f"{place}:")]
    if len(unread) == 1:
        return unread[0], alias
    msg = f"no key of the world has the alias `{alias_arn}`"
    raise CaseFormatError(msg)


def _texts(value: Any) -> tuple[str, ...]:
    """A context value as the texts that policies compare."""
    values: Sequence[Any] = value if isinstance(value, list) else [value]
    return tuple(str(v).lower() if isinstance(v, bool) else str(v) for v in values)
