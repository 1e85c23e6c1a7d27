"""Prints the effective configuration, its JSON Schema and its hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import yaml

from scanner.config.schema import Settings
from scanner.config.vendors import NONE
from scanner.model.neutral import terminal_safe

if TYPE_CHECKING:
    from scanner.config import LoadedSettings

HASHED_SECTIONS = ("accounts", "regions", "keys", "trust", "analysis", "severity", "suppressions")
"""What can change a finding; where output goes or how fast it was read cannot."""

_MASK = "********"


def show(loaded: LoadedSettings, *, origin: bool) -> str:
    """The effective values as YAML, or with `origin` one line per value and where it came from.

    A literal ExternalId is masked; `env:NAME` and `file:PATH` say where it is, not what it is.
    """
    values = _masked(loaded.settings.model_dump(mode="json"))
    if not origin:
        return yaml.safe_dump(values, sort_keys=False, width=120)
    lines = []
    for key, source in loaded.origins.items():
        section, _, name = key.partition(".")
        value = values[section][name] if name else values[section]
        lines.append((f"{key}: {_flow(value)}", source))
    width = min(60, max(len(text) for text, _ in lines))
    return "".join(f"{text:<{width}}  # {terminal_safe(source)}\n" for text, source in lines)


def show_json(loaded: LoadedSettings, *, origin: bool) -> dict[str, Any]:
    """The effective values as a tree; with `origin` every setting is `{"value": …, "origin": …}`. Masked as `show`."""
    values = _masked(loaded.settings.model_dump(mode="json"))
    if not origin:
        return values
    for key, source in loaded.origins.items():
        section, _, name = key.partition(".")
        holder, entry = (values[section], name) if name else (values, section)
        holder[entry] = {"value": holder[entry], "origin": source}
    return values


def config_hash(settings: Settings, vendors: Mapping[str, str] | None = None) -> str:
    """SHA-256 over the canonical JSON of the sections that can change a finding, without ExternalIds.

    Args:
        vendors: what the list of `trust.known_vendors` says; it counts in place of where the list is.
    """
    values = settings.model_dump(mode="json", include=set(HASHED_SECTIONS))
    for override in values["accounts"]["overrides"].values():
        del override["external_id"]
    if vendors is not None:
        values["trust"]["known_vendors"] = dict(vendors) or NONE
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def config_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of the configuration file, for editors."""
    schema = Settings.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "kms-scan configuration"
    schema["required"] = ["version", "aws"]
    schema["$defs"]["Aws"]["required"] = ["member_role"]
    return schema


def _masked(values: dict[str, Any]) -> dict[str, Any]:
    holders = [values["aws"], *values["accounts"]["overrides"].values()]
    for holder in holders:
        text = holder["external_id"]
        if text is not None and not text.startswith(("env:", "file:")):
            holder["external_id"] = _MASK
    return values


def _flow(value: object) -> str:
    """One line of YAML that the configuration file would accept."""
    text: str = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=1_000_000)
    return text.removesuffix("...\n").strip()
