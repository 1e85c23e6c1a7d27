"""Finds the files that travel with the program: templates, the example configuration and the list of regions."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import TYPE_CHECKING

from scanner.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping


def template_root() -> Traversable:
    """Folder of the report templates.

    A `Traversable` and not a path, because a zipped package has no paths. Raises UnavailableError where the
    installation lacks it.
    """
    return _packed_or_beside("templates", "reports", "templates")


def example_config() -> str:
    """Text of `config.example.yaml`. Raises UnavailableError where the installation lacks it."""
    return _packed_or_beside("config.example.yaml", "config.example.yaml").read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def region_names() -> Mapping[str, tuple[str, ...]]:
    """Partition to its regions, as botocore knew them when `data/regions.json` was generated.

    A shipped list and not botocore itself, because `config check` has to be fast and the configuration never loads AWS
    code.
    """
    data = json.loads(files("scanner").joinpath("data", "regions.json").read_text(encoding="utf-8"))
    return MappingProxyType({partition: tuple(names) for partition, names in data["partitions"].items()})


def _packed_or_beside(packed: str, *beside: str) -> Traversable:
    """Wheels carry these files in `scanner/_data`; a checkout and an editable install have them beside the package."""
    package = files("scanner")
    inside = package.joinpath("_data", packed)
    if _exists(inside):
        return inside
    outside = package.joinpath("..", *beside)
    if _exists(outside):
        return outside
    raise UnavailableError(
        f"`{packed}` is missing from this installation of kms-scan", hint="install it again, for example with pipx"
    )


def _exists(found: Traversable) -> bool:
    return found.is_file() or found.is_dir()
