"""Case files judged and compared: `kms-scan test` (format: tests/cases/README.md)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scanner.analyze.caller import UnknownPrincipalError, resolve_caller
from scanner.analyze.decide import decide
from scanner.analyze.request import GrantRequest, Request
from scanner.analyze.trust import decide_assume
from scanner.casefile import CaseFormatError, build_world, flag, known_members, texts
from scanner.errors import UsageError
from scanner.model.actions import find_action
from scanner.model.decision import VERDICT_STRENGTH, Decision, Verdict
from scanner.model.key import GrantConstraints, KeyFacts
from scanner.model.world import World
from scanner.yamltext import read_yaml


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


def read_cases(path: Path) -> list[Mapping[str, Any]]:
    """Read a case file, JSON or YAML.

    Raises:
        UsageError: the file cannot be read, is neither, or is no list of cases.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        message = f"case file `{path}` cannot be read: {getattr(error, 'strerror', None) or error}"
        raise UsageError(message) from error
    data = _parse(path, text)
    if not isinstance(data, list) or not all(isinstance(case, dict) for case in data):
        raise UsageError(f"{path}: a case file is a list of cases", hint="the format is in tests/cases/README.md")
    return data


def _parse(path: Path, text: str) -> Any:
    if path.suffix.lower() in {".yaml", ".yml"}:
        document = read_yaml(text)
        if document.problems:
            problem = document.problems[0]
            raise UsageError(f"{path}:{problem.line}: {problem.text}")
        return document.value
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise UsageError(f"{path}:{line}: not JSON: {getattr(error, 'msg', 'nested too deeply')}") from error


def run_case(case: Mapping[str, Any], place: str) -> Iterator[CaseResult]:
    """Judge every request of a case.

    Raises:
        UsageError: the case has no id or requests, or its world has not the documented form.
    """
    case_id, requests = case.get("id"), case.get("requests")
    try:
        known_members("case", case, str(case_id or "case"))
    except CaseFormatError as error:
        raise UsageError(f"{place}: {error}") from error
    if not isinstance(case_id, str) or not isinstance(requests, list) or not requests:
        raise UsageError(f"{place}: a case needs an `id` and `requests`")
    if "snapshot" in case:
        raise UsageError(f"{place}: case `{case_id}`: `snapshot` is not available in this version")
    world_data = case.get("world")
    if not isinstance(world_data, dict):
        raise UsageError(f"{place}: case `{case_id}` has no `world`")
    try:
        world = build_world(world_data)
    except CaseFormatError as error:
        raise UsageError(f"{place}: case `{case_id}`: {error}") from error
    for index, request in enumerate(requests):
        yield _run_request(world, case_id, index, request)


def _run_request(world: World, case_id: str, index: int, request: Any) -> CaseResult:
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
        weakest = min((_decide(world, step) for step in steps), key=lambda d: VERDICT_STRENGTH[d.verdict])
    except (CaseFormatError, UnknownPrincipalError, KeyError, TypeError, AttributeError, ValueError) as error:
        problem = f"{type(error).__name__} {error}" if not isinstance(error, ValueError) else str(error)
        return CaseResult(case_id, index, expect, "", "", (), problem)
    conditions = (weakest.condition,) if weakest.condition else ()
    return CaseResult(case_id, index, expect, weakest.verdict.value, weakest.reason, conditions)


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
