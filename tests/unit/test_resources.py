"""Shipped files are found in a checkout, in a wheel and in a zipped package; the region list is botocore's."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from scanner import resources
from scanner.errors import UnavailableError

import region_list

CHECKOUT = Path(resources.__file__).parent.parent


def test_checkout_finds_the_folder_beside_the_package() -> None:
    assert Path(str(resources.template_root())).resolve() == CHECKOUT / "reports" / "templates"
    assert resources.example_config() == (CHECKOUT / "config.example.yaml").read_text(encoding="utf-8")


def packed(folder: Path) -> Path:
    """The package as a wheel lays it out."""
    package = folder / "scanner"
    for name in ("__init__.py", "errors.py", "resources.py", "data/regions.json"):
        target = package / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((CHECKOUT / "scanner" / name).read_bytes())
    (package / "_data" / "templates").mkdir(parents=True)
    (package / "_data" / "templates" / "page.j2").write_text("packed page")
    (package / "_data" / "config.example.yaml").write_text("packed: example")
    return package


def read_from(search_path: Path, working_directory: Path) -> str:
    program = (
        "from scanner.resources import example_config, region_names, template_root\n"
        "print(example_config(), template_root().joinpath('page.j2').read_text(), 'aws-cn' in region_names())"
    )
    command = [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(search_path)!r})\n{program}"]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=working_directory).stdout.strip()


def test_installed_package_finds_its_own_data(tmp_path: Path) -> None:
    packed(tmp_path / "site")
    assert read_from(tmp_path / "site", tmp_path) == "packed: example packed page True"


def test_zipped_package_finds_its_own_data(tmp_path: Path) -> None:
    package = packed(tmp_path / "site")
    archive = tmp_path / "app.zip"
    with zipfile.ZipFile(archive, "w") as target:
        for path in sorted(package.rglob("*")):
            target.write(path, path.relative_to(package.parent))
    assert read_from(archive, tmp_path) == "packed: example packed page True"


def test_incomplete_installation_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "files", lambda _package: tmp_path / "scanner")
    with pytest.raises(UnavailableError, match=r"config\.example\.yaml` is missing"):
        resources.example_config()
    with pytest.raises(UnavailableError, match="templates` is missing"):
        resources.template_root()


def test_region_list_equals_the_data_of_botocore() -> None:
    """When botocore learns of a region, `python tests/region_list.py` writes the list again."""
    assert region_list.REGIONS_FILE.read_text(encoding="utf-8") == region_list.rendered()


def test_region_list_holds_every_partition_and_no_pseudo_region() -> None:
    names = resources.region_names()
    assert {"aws", "aws-cn", "aws-us-gov", "aws-eusc", "aws-iso"} <= set(names)
    assert "us-east-1" in names["aws"]
    assert not [region for regions in names.values() for region in regions if region.endswith("-global")]
