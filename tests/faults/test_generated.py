"""Generated files, given to each parser: none may crash it, keep it busy, or fill the memory."""

import gzip
import io
import json
import multiprocessing
import resource
import tarfile
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save
from tokenizers import Tokenizer

from jaxdl.data.cifar import Cifar10, read_archive, read_labels
from jaxdl.data.idx import read_idx
from jaxdl.data.pictures import FORMATS, read_photograph
from jaxdl.data.tokenizer import load_tokenizer
from jaxdl.errors import UserError
from jaxdl.files import with_checksum
from jaxdl.pretrained.weight_files import read_tensors
from jaxdl.runs.run import FORMAT, Run
from jaxdl.training.metrics_log import read_records

pytestmark = pytest.mark.faults

INPUTS_OF_A_TRIAL = 5000
MOST_SECONDS, MOST_BYTES = 5.0, 1e9
MOST_BYTES_OF_WEIGHTS = 2**24


def idx_file():
    content = bytes((0, 0, 8, 3)) + np.array([3, 4, 5], ">u4").tobytes() + bytes(range(60))
    return "images.gz", content


def cifar_archive():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for names in Cifar10.MEMBERS.values():
            for name in names:
                member = tarfile.TarInfo(name)
                member.size = 3073
                archive.addfile(member, io.BytesIO(bytes(3073)))
    return "cifar.tar.gz", buffer.getvalue()


def labels():
    return "labels.json", json.dumps(list(range(10)) * 3).encode()


def safetensors():
    return "model.safetensors", save({"a": np.ones((3, 4), np.float32), "b": np.ones(5, "f2")})


def manifest():
    weights = [
        {"name": name, "shape": shape, "dtype": "float32"}
        for name, shape in (("a", [3, 4]), ("b", [5]), ("c", []))
    ]
    groups = [{"paths": ["shard1", "shard2"], "weights": weights}]
    return "model.json", json.dumps({"modelTopology": {}, "weightsManifest": groups}).encode()


def config():
    options = {"epochs": 3, "learning_rate": 0.1, "widths": [3, 4], "optimizer": "adam"}
    run = {"format": FORMAT, "experiment": "mlp", "class_names": ["a", "b"], "options": options}
    return "config.json", json.dumps(with_checksum(run | {"data": {}}), indent=2).encode()


def metrics():
    records = [{"step": step, "epoch": 1, "train_loss": 0.5} for step in range(5)]
    return "metrics.jsonl", "".join(json.dumps(r) + "\n" for r in records).encode()


def tokenizer():
    vocabulary = {"[PAD]": 0, "[UNK]": 1, "good": 2, "bad": 3}
    model = {"type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]"}
    described = json.loads(Tokenizer.from_str(json.dumps({"model": model})).to_str())
    return "tokenizer.json", json.dumps(described).encode()


def picture(kind):
    def example():
        random = np.random.default_rng(0)
        image = Image.fromarray(random.integers(0, 256, (16, 20, 3), np.uint8))
        buffer = io.BytesIO()
        image.save(buffer, kind)
        return f"picture.{kind.lower()}", buffer.getvalue()

    return example


def read_manifest(path):
    for name in ("shard1", "shard2"):
        if not (path.parent / name).exists():
            (path.parent / name).write_bytes(bytes(36))
    return read_tensors(path, MOST_BYTES_OF_WEIGHTS)


PARSERS = {
    "idx": (idx_file, lambda path: read_idx(path, 3)),
    "CIFAR archive": (cifar_archive, lambda path: read_archive(path, Cifar10.MEMBERS, 1)),
    "CIFAR labels": (labels, read_labels),
    "safetensors": (safetensors, lambda path: read_tensors(path, MOST_BYTES_OF_WEIGHTS)),
    "TensorFlow.js manifest": (manifest, read_manifest),
    "config.json": (config, lambda path: Run.open(path.parent)),
    "metrics.jsonl": (metrics, read_records),
    "tokenizer.json": (tokenizer, load_tokenizer),
    **{kind: (picture(kind), lambda path: read_photograph(path, 32)) for kind in FORMATS},
}


def mutate(content, random):
    """Changes a valid file in a few places: bytes, numbers at their limits, parts moved or lost."""
    changed = bytearray(content)
    for _ in range(random.integers(1, 5)):
        start, stop = sorted(random.integers(0, len(changed) + 1, 2))
        kind = random.integers(6)
        if kind == 0 and changed:
            changed[random.integers(len(changed))] = random.integers(256)
        elif kind == 1:
            changed[start : start + 4] = random.choice(
                (b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff")
            )
        elif kind == 2:
            del changed[start : min(stop, start + 30)]
        elif kind == 3:
            changed[start:start] = changed[start : min(stop, start + 200)]
        elif kind == 4:
            interesting = (b"-1", b"1e999", b"[" * 5000, b'"', b"\\ud800", b"null", b"9" * 30)
            changed[start:start] = interesting[random.integers(len(interesting))]
        else:
            changed[start : start + 16] = random.bytes(16)
    return bytes(changed)


@pytest.mark.trials(1)
@pytest.mark.parametrize("name", PARSERS)
def test_generated_files(trial, name, tmp_path, record_property):
    context = multiprocessing.get_context("spawn")  # in this process, trainings use memory, too
    with ProcessPoolExecutor(1, context) as pool:
        failures = pool.submit(failures_of, name, trial, tmp_path).result()
    record_property(f"generated {name}", (INPUTS_OF_A_TRIAL, len(failures)))
    assert not failures


def failures_of(name, trial, folder):
    """Gives a parser the files of a trial; returns number and description of each failure."""
    example, parse = PARSERS[name]
    file_name, valid = example()
    path = folder / file_name
    path.write_bytes(packed(file_name, valid))
    parse(path)  # the valid file can be read
    random = np.random.default_rng((sum(name.encode()), trial))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    failures = []
    for number in range(INPUTS_OF_A_TRIAL):
        content = mutate(valid, random)
        content = packed(file_name, content) if random.random() < 0.9 else content
        path.write_bytes(content)
        started = time.monotonic()
        try:
            parse(path)
        except UserError as error:
            if "\n" in str(error):
                failures.append((number, "several lines"))
        except BaseException as error:
            failures.append((number, repr(error)))
        if time.monotonic() - started > MOST_SECONDS:
            failures.append((number, "too long"))
    peak = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    if peak > MOST_BYTES:
        failures.append((number, f"{peak} bytes"))
    return failures


def packed(file_name, content):
    return gzip.compress(content, 1) if file_name.endswith("gz") else content
