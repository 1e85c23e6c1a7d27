"""Writes `scanner/data/regions.json` from the installed botocore: `python tests/region_list.py`."""

from __future__ import annotations

import json
from pathlib import Path

import botocore.session

REGIONS_FILE = Path(__file__).parent.parent / "scanner" / "data" / "regions.json"


def partitions_from_botocore() -> dict[str, list[str]]:
    """Partition to its regions; pseudo regions such as `aws-global` are left out.

    Both sources of botocore count: `partitions.json` learns of a region before `endpoints.json` does.
    """
    session = botocore.session.get_session()
    declared = {
        partition["id"]: set(partition["regions"]) for partition in session.get_data("partitions")["partitions"]
    }
    return {
        partition: sorted(
            name
            for name in declared.get(partition, set()) | set(session.get_available_regions("kms", partition))
            if not name.endswith("-global")
        )
        for partition in session.get_available_partitions()
    }


def rendered() -> str:
    """The exact text of the shipped file."""
    return json.dumps({"partitions": partitions_from_botocore()}, indent=2) + "\n"


if __name__ == "__main__":
    REGIONS_FILE.write_text(rendered(), encoding="utf-8")
