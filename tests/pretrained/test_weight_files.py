import json
import os
import pickle
import struct

import jax.numpy as jnp
import numpy as np
import pytest
import small_models
from hypothesis import given, settings, strategies
from safetensors.flax import save_file as save_flax
from safetensors.numpy import save_file

from jaxdl.errors import UserError
from jaxdl.pretrained.weight_files import read_tensors

TENSORS = {
    "first": np.arange(6, dtype=np.float32).reshape(2, 3),
    "second": np.float32([1.5]),
    "third": np.zeros((2, 0), np.float32),
}


def assert_same(read, expected):
    assert read.keys() == expected.keys()
    for name, tensor in expected.items():
        assert read[name].dtype == np.float32
        np.testing.assert_array_equal(read[name], tensor)


def test_a_safetensors_file_is_read(tmp_path):
    save_file(TENSORS, tmp_path / "a.safetensors")
    assert_same(read_tensors(tmp_path / "a.safetensors"), TENSORS)


def test_half_precision_is_converted_and_integers_are_omitted(tmp_path):
    values = jnp.array([0.5, -2.0])
    tensors = {
        "a": values.astype(jnp.bfloat16),
        "b": values.astype(jnp.float16),
        "c": jnp.arange(3),
    }
    save_flax(tensors, tmp_path / "a.safetensors")
    assert_same(read_tensors(tmp_path / "a.safetensors"), {"a": values, "b": values})


@pytest.mark.parametrize("shard_bytes", [8, 1000])
def test_a_tensorflow_js_model_is_read(tmp_path, shard_bytes):
    assert_same(read_tensors(small_models.write_tfjs(TENSORS, tmp_path, shard_bytes)), TENSORS)


def write_header(path, header, content=b""):
    encoded = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(encoded)) + encoded + content)


@pytest.mark.parametrize(
    "header",
    [
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 400]}},
        {"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}},
        {"a": {"dtype": "F32", "shape": [0, 2**63], "data_offsets": [0, 0]}},
        {"a": {"dtype": "F99", "shape": [1], "data_offsets": [0, 4]}},
        {"a": "nothing"},
    ],
)
def test_an_invalid_header_gives_an_error_of_one_line(tmp_path, header):
    write_header(tmp_path / "a.safetensors", header, b"\0" * 4)
    with pytest.raises(
        UserError, match=r"^\S+a.safetensors is not a valid safetensors file: .+"
    ) as e:
        read_tensors(tmp_path / "a.safetensors")
    assert "\n" not in str(e.value)


side = strategies.sampled_from([0, 1, 2, 2**31 - 1, 2**31, 2**62, 2**63, 2**64, -1, 1.0, True, ""])
any_json = strategies.none() | side | strategies.text(max_size=5)
any_json |= strategies.lists(any_json, max_size=3)
shape = strategies.lists(side, max_size=4) | strategies.just([1] * 70) | any_json
name = strategies.sampled_from(["a", "b", "\x1b[31m\n", "x" * 2000]) | any_json
dtype = strategies.sampled_from(["F32", "F64", "BF16", "F8_E4M3", "C64", "I8", "float32", "\n\x1b"])
entry = strategies.fixed_dictionaries(
    {"dtype": dtype, "shape": shape},
    optional={
        "name": name,
        "data_offsets": strategies.lists(strategies.sampled_from([0, 4, 8, 2**63]), max_size=3),
    },
)
safetensors_file = strategies.builds(
    lambda header, content, change: struct.pack("<Q", len(header) + change) + header + content,
    strategies.dictionaries(strategies.text(max_size=3), entry, max_size=3).map(
        lambda header: json.dumps(header).encode()
    ),
    strategies.binary(max_size=9),
    strategies.sampled_from([0, 0, 0, 1, 2**40]),
)


def assert_read_or_refused(path):
    try:
        tensors = read_tensors(path)
    except UserError as error:
        assert str(error).isprintable()
        assert len(str(error)) < 1000
    else:
        assert all(tensor.dtype == np.float32 for tensor in tensors.values())
        assert all(map(str.isprintable, tensors))


@settings(max_examples=200, deadline=None)
@given(strategies.binary(max_size=200) | safetensors_file)
def test_any_safetensors_file_is_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("bytes") / "a.safetensors"
    path.write_bytes(content)
    assert_read_or_refused(path)


@settings(max_examples=200, deadline=None)
@given(
    paths=strategies.lists(name | strategies.sampled_from(["a.bin", "../a.bin"]), max_size=2)
    | any_json,
    weights=strategies.lists(entry | any_json, max_size=3) | any_json,
    content=strategies.binary(max_size=8),
)
def test_any_manifest_is_read_or_refused(tmp_path_factory, paths, weights, content):
    folder = tmp_path_factory.mktemp("manifest")
    (folder / "a.bin").write_bytes(content)
    manifest = {"weightsManifest": [{"paths": paths, "weights": weights}]}
    (folder / "model.json").write_text(json.dumps(manifest))
    assert_read_or_refused(folder / "model.json")


@pytest.mark.parametrize("content", [b"[" * 100_000, b'{"a":' * 100_000, b"\xff", b"[1", b"3"])
@pytest.mark.parametrize("suffix", [".json", ".safetensors"])
def test_json_that_is_deep_or_damaged_is_refused(tmp_path, content, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content if suffix == ".json" else struct.pack("<Q", len(content)) + content)
    with pytest.raises(UserError, match="is not"):
        read_tensors(path)


def test_a_tensor_that_fills_a_sparse_file_is_not_read(tmp_path):
    size = 30 * 10**9
    path = tmp_path / "a.safetensors"
    write_header(path, {"a": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}})
    os.truncate(path, path.stat().st_size + size)
    with pytest.raises(UserError, match=r"a\.safetensors is too large: 30,000,"):
        read_tensors(path)


def test_a_sparse_manifest_is_not_read(tmp_path):
    path = tmp_path / "model.json"
    path.touch()
    os.truncate(path, 30 * 10**9)
    with pytest.raises(UserError, match="is too large"):
        read_tensors(path)


def test_a_shard_that_is_listed_thousands_of_times_is_not_read(tmp_path):
    path = small_models.write_tfjs(TENSORS, tmp_path)
    manifest = json.loads(path.read_text())
    manifest["weightsManifest"][0]["paths"] *= 2500
    path.write_text(json.dumps(manifest))
    with pytest.raises(UserError, match="is too large: 70,000 bytes, where at most 1,000 are read"):
        read_tensors(path, most_bytes=1000)


def test_a_pickle_is_refused_and_its_code_is_not_executed(tmp_path):
    class Trap:
        def __reduce__(self):
            return (tmp_path.joinpath("ran").touch, ())

    for name in ("pytorch_model.bin", "model.pt", "model.pth"):
        (tmp_path / name).write_bytes(pickle.dumps(Trap()))
        with pytest.raises(UserError, match=r"is a PyTorch pickle.*safetensors.torch.save_file"):
            read_tensors(tmp_path / name)
    assert not (tmp_path / "ran").exists()


def change(manifest, **entries):
    manifest["weightsManifest"][0]["weights"][0] |= entries


@pytest.mark.parametrize(
    ("mutate", "message"),
    [
        (lambda m: change(m, shape=[2, 4]), "the shards end within the tensor first"),
        (lambda m: change(m, shape=[2, 2]), "the shards are 8 bytes too long"),
        (lambda m: change(m, shape=[-2, 3]), r"the tensor first has the invalid shape \[-2, 3\]"),
        (lambda m: change(m, shape=[2**63, 0]), "the tensor first has the invalid shape"),
        (lambda m: change(m, name=5), "has an invalid name of a tensor or a shard: 5"),
        (lambda m: change(m, dtype="uint8"), "the tensor first is not float32"),
        (lambda m: change(m, quantization={}), "the tensor first is not float32"),
        (lambda m: m["weightsManifest"][0]["paths"].append("no.bin"), "names the shard no.bin"),
        (lambda m: m.pop("weightsManifest"), "is not the model.json of a TensorFlow.js"),
    ],
)
def test_an_invalid_manifest_is_refused(tmp_path, mutate, message):
    path = small_models.write_tfjs(TENSORS, tmp_path)
    manifest = json.loads(path.read_text())
    mutate(manifest)
    path.write_text(json.dumps(manifest))
    with pytest.raises(UserError, match=message):
        read_tensors(path)


def test_shards_are_read_from_the_folder_of_the_manifest_only(tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    path = small_models.write_tfjs(TENSORS, inside)
    (tmp_path / "group1-shard1.bin").write_bytes((inside / "group1-shard1.bin").read_bytes())
    (inside / "group1-shard1.bin").unlink()
    path.write_text(path.read_text().replace("group1-shard1", "../group1-shard1"))
    with pytest.raises(UserError, match="put it into the same folder"):
        read_tensors(path)


def test_other_formats_and_missing_files_are_refused(tmp_path):
    (tmp_path / "weights.h5").touch()
    with pytest.raises(UserError, match=r"give weights as \.safetensors"):
        read_tensors(tmp_path / "weights.h5")
    with pytest.raises(UserError, match=r"absent\.safetensors does not exist"):
        read_tensors(tmp_path / "absent.safetensors")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e38, -1e38])
def test_values_that_are_not_finite_or_absurd_are_refused(tmp_path, value):
    changed = TENSORS | {"second": np.float32([value])}
    save_file(changed, tmp_path / "a.safetensors")
    for path in (tmp_path / "a.safetensors", small_models.write_tfjs(changed, tmp_path, 100)):
        with pytest.raises(UserError, match="the tensor second has values that are not finite"):
            read_tensors(path)
