import dataclasses

import jax
import jax.export
import numpy as np
import pytest
import small_models
from modules import draw
from safetensors.numpy import load_file

from experiments import export
from experiments.trained_networks import load_network
from jaxdl.models.rnn import TextRNN
from jaxdl.models.transformer import TextTransformer
from jaxdl.pretrained import PUBLISHED, load_published
from jaxdl.runs import networks


@pytest.fixture
def small_dir(tmp_path, monkeypatch):
    for name in small_models.SMALL:
        monkeypatch.setitem(PUBLISHED, name, small_models.place(name, tmp_path))
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("name", small_models.SMALL)
def test_stablehlo_runs_on_three_platforms_for_any_batch(name, small_dir, command, tmp_path):
    path = tmp_path / "program.stablehlo"
    options = ("--data-dir", small_dir, "--output", path)
    status, _output, errors = command("export", name, *options)
    assert status == 0, errors
    program = jax.export.deserialize(bytearray(path.read_bytes()))
    assert program.platforms == ("cpu", "cuda", "tpu")
    network = load_network(name, small_dir)
    for count in (1, 3):
        features = export.draw_examples(network, count)
        expected = network.logits(dict(zip(network.example_shapes, features, strict=True)))
        np.testing.assert_allclose(program.call(*features), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", small_models.SMALL)
def test_safetensors_can_be_loaded_again(name, small_dir, command, tmp_path):
    path = tmp_path / "weights.safetensors"
    status, _, errors = command(
        "export", name, "--format", "safetensors", "--data-dir", small_dir, "--output", path
    )
    assert status == 0, errors
    _, again = load_published(name, small_dir, weights=path)
    jax.tree.map(np.testing.assert_array_equal, again, load_published(name, small_dir)[1])
    assert any(
        key.split(".")[0] in ("bert", "distilbert", "vit", "resnet") for key in load_file(path)
    )


def test_a_run_is_exported_too(command, trained_run, tmp_path):
    for format in ("stablehlo", "safetensors"):
        path = tmp_path / f"run.{format}"
        status, _, errors = command("export", trained_run, "--format", format, "--output", path)
        assert status == 0, errors
        assert path.stat().st_size > 1000
    assert "params.conv_0.kernel" in load_file(path)
    assert not list(tmp_path.glob(".*"))


def test_a_file_that_is_read_back_differently_is_not_kept(small_dir, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "read_tensors", lambda *_: {})
    network = load_network("resnet50", small_dir)
    with pytest.raises(export.UserError, match="What was read back is not what was written"):
        export.export(network, "safetensors", tmp_path / "a.safetensors")
    assert not list(tmp_path.glob("*.safetensors")) + list(tmp_path.glob(".*"))


def test_a_program_has_the_precision_of_its_network_and_is_compared_under_the_highest(
    small_dir, tmp_path, monkeypatch
):
    logits, compared = networks.TrainedNetwork.logits, []

    def recorded(network, examples):
        compared.append(network.precision)
        return logits(network, examples)

    monkeypatch.setattr(networks.TrainedNetwork, "logits", recorded)
    network = load_network("minilm", small_dir)
    for precision, highest in (("float32", False), ("float32-highest", True)):
        network = dataclasses.replace(network, precision=precision)
        path = tmp_path / precision
        export.export(network, "stablehlo", path)
        program = jax.export.deserialize(bytearray(path.read_bytes()))
        assert ("HIGHEST" in program.mlir_module()) == highest
    assert compared == ["float32-highest"] * 2


@pytest.mark.parametrize(
    ("format", "precision", "backend", "expected"),
    [
        ("stablehlo", "float32", "cpu", export.TOLERANCE),
        ("stablehlo", "float32", "gpu", export.TOLERANCE_WHERE_ROUNDED),
        ("stablehlo", "float32-highest", "gpu", export.TOLERANCE),
        ("onnx", "float32", "gpu", export.TOLERANCE),
        ("onnx", "bfloat16", "cpu", export.TOLERANCE_WHERE_ROUNDED),
    ],
)
def test_logits_may_differ_more_where_factors_of_products_are_rounded(
    small_dir, monkeypatch, format, precision, backend, expected
):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    network = dataclasses.replace(load_network("minilm", small_dir), precision=precision)
    assert export.tolerance(network, format) == expected


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("nowhere",), 2, "is not the directory of a run, nor one of minilm"),
        (("resnet50", "--format", "pickle"), 2, "pickle"),
        (("resnet50", "--output", "no/such/folder/a"), 2, "must be a file in a folder that exists"),
    ],
)
def test_wrong_usage_is_one_line(command, small_dir, arguments, status, words):
    actual, _, errors = command("export", *arguments, "--data-dir", small_dir)
    assert actual == status
    (line,) = errors.splitlines()
    assert words in line


@pytest.mark.peers
@pytest.mark.parametrize("name", small_models.SMALL)
def test_onnx_gives_the_same_logits(name, small_dir, command, tmp_path):
    pytest.importorskip("jax2onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    path = tmp_path / "program.onnx"
    options = ("--format", "onnx", "--data-dir", small_dir, "--output", path)
    status, _, errors = command("export", name, *options)
    assert status == 0, errors
    network = load_network(name, small_dir)
    session = onnxruntime.InferenceSession(path)
    features = dict(zip(network.example_shapes, export.draw_examples(network, 3), strict=True))
    (logits,) = session.run(["logits"], features)
    np.testing.assert_allclose(logits, network.logits(features), atol=1e-5, rtol=1e-4)


@pytest.mark.peers
@pytest.mark.parametrize(
    "model",
    [
        TextRNN(cell="lstm", vocabulary_size=23, hidden_dim=4, pooling="max"),
        TextRNN(cell="gru", vocabulary_size=23, hidden_dim=4, pooling="mean", bidirectional=True),
        TextTransformer(vocabulary_size=23, max_length=64, embed_dim=8, num_heads=2),
    ],
    ids=["maximum", "mean", "transformer"],
)
def test_onnx_of_networks_that_classify_texts(model, small_dir, tmp_path):
    pytest.importorskip("jax2onnx")
    network = load_network("minilm", small_dir)
    features = export.draw_examples(network, 3)
    variables = draw(model, *features, train=False)
    network = dataclasses.replace(network, model=model, variables=variables)
    export.export(network, "onnx", tmp_path / "program.onnx")  # compares what it reads back


def test_without_jax2onnx_it_says_what_to_install(small_dir, command, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "jax2onnx", None)
    options = ("--format", "onnx", "--data-dir", small_dir, "--output", tmp_path / "a.onnx")
    status, _, errors = command("export", "resnet50", *options)
    assert status == 1
    assert 'pip install -e ".[onnx]"' in errors
