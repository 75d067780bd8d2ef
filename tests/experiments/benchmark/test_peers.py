"""Checks that the peers compute what ours computes, and as often."""

import os
import subprocess
import sys

import flax.traverse_util
import jax
import numpy as np
import pytest

from experiments.benchmark.ours import MODELS
from experiments.benchmark.workloads import WORKLOADS, random_data

pytestmark = pytest.mark.peers
for_each_model = pytest.mark.parametrize(
    "name", ["resnet20", "resnet18", "speedrun", "vit", "transformer"]
)

# Loading TensorFlow and the compiler of PyTorch crashes the process.
os.environ["KERAS_BACKEND"] = "jax"

FIRST, LAST = ("embedding", "positions", "stem_conv", "stem_norm"), ("norm", "head")
LAYERS_OF_TORCH = (
    *("conv_0", "norm_0", "query_key_value", "output", "conv_1", "norm_1", "dense_0", "dense_1"),
    *("shortcut_conv", "shortcut_norm"),
)
# Keras lists layers by their distance from the output.
LAYERS_OF_KERAS = (
    *("conv_0", "norm_0", "query_key_value", "output", "conv_1", "shortcut_conv", "norm_1"),
    *("shortcut_norm", "dense_0", "dense_1"),
)
LEAVES = ("kernel", "embedding", "scale", "positions", "bias", "mean", "var")


def random_model(name):
    """Returns inputs, random variables and logits of our model."""
    workload = WORKLOADS[name]
    random, inputs = np.random.default_rng(0), random_data(workload, 3)[workload.input]
    others = []
    if workload.input == "image":
        inputs = inputs.astype(np.float32) / 255
    else:
        others = [np.full(len(inputs), inputs.shape[1])]
    model = MODELS[name](dtype=np.float32)
    variables = jax.jit(model.init, static_argnames="train")(
        jax.random.key(0), inputs, *others, train=False
    )

    def vary(leaf):  # no bias is 0, no scale is 1 or 0
        return np.asarray(leaf) + random.uniform(0.1, 0.3, leaf.shape).astype(np.float32) * (
            1 if leaf.ndim < 2 else random.choice([-0.1, 0.1], leaf.shape).astype(np.float32)
        )

    variables = jax.tree.map(vary, variables)
    if name == "speedrun":  # the peers have this mean as a constant
        variables["batch_stats"]["stem_conv"]["mean"] = np.full(3, 0.5, np.float32)
    logits = np.asarray(model.apply(variables, inputs, *others, train=False))
    return inputs, variables, logits[:, 1:] if workload.num_classes == 2 else logits


def in_order(variables, layers):
    """Returns layer, name and array of each of our leaves, in the order of a peer's layers."""
    leaves = {}
    for (_, *path), leaf in flax.traverse_util.flatten_dict(variables).items():
        if path == ["stem_conv", "mean"]:
            continue
        block = next((int(p.split("_")[1]) for p in path if p.startswith("block_")), -1)
        layer = path[-2] if len(path) > 1 else path[-1]
        if block < 0:
            place = (-1, FIRST.index(layer)) if layer in FIRST else (np.inf, LAST.index(layer))
        else:
            place = (block, layers.index(layer))
        leaves[(*place, LEAVES.index(path[-1]))] = (layer, path[-1], leaf)
    return [leaves[place] for place in sorted(leaves)]


def assert_equal_logits(ours, peers):
    np.testing.assert_allclose(ours, peers, atol=1e-4 * np.abs(ours).max())
    assert ours.std(axis=0).max() > 1e-3 * np.abs(ours).max()  # they depend on the inputs


@for_each_model
def test_logits_of_pytorch(name):
    torch = pytest.importorskip("torch")
    from experiments.benchmark import torch_models

    inputs, variables, ours = random_model(name)
    peer = torch_models.CLASSIFIERS[name]().eval()
    theirs = [
        (key, value)
        for key, value in peer.state_dict().items()
        if "num_batches" not in key and not (name == "vit" and key == "positions")
    ]
    if name == "speedrun":  # its scales stay 1
        theirs = [(k, v) for k, v in theirs if not (k.endswith("weight") and v.ndim == 1)]
    if name == "transformer":  # its parameter belongs to no layer and comes first
        theirs[:2] = theirs[1::-1]
    with torch.no_grad():
        for (_, leaf, value), (_, target) in zip(
            in_order(variables, LAYERS_OF_TORCH), theirs, strict=True
        ):
            if leaf == "kernel" and target.ndim == 4:
                height, width = target.shape[2:]
                value = value.reshape(height, width, -1, target.shape[0]).transpose(3, 2, 0, 1)
            elif leaf == "kernel":
                value = value.reshape(target.shape[::-1]).T
            target.copy_(torch.from_numpy(np.ascontiguousarray(value.reshape(target.shape))))
        batch = torch.from_numpy(inputs)
        logits = peer(batch.permute(0, 3, 1, 2) if inputs.ndim == 4 else batch)
    assert_equal_logits(ours, logits.numpy().reshape(ours.shape))


@for_each_model
def test_logits_of_keras(name):
    pytest.importorskip("keras")
    from experiments.benchmark import keras_models

    inputs, variables, ours = random_model(name)
    peer = keras_models.CLASSIFIERS[name]()
    ordered = []
    for layer, leaf, value in in_order(variables, LAYERS_OF_KERAS):
        if layer != "query_key_value":
            ordered.append(value)
        elif leaf == "kernel":
            kernel = value
        else:  # Keras has three layers in the place of this one
            ordered += [part for n in range(3) for part in (kernel[:, n], value[n])]
    weights = [weight for layer in peer.layers for weight in layer.weights]
    weights = [weight for weight in weights if "seed" not in weight.path]  # of dropout
    for weight, value in zip(weights, ordered, strict=True):
        weight.assign(value.reshape(weight.shape))
    assert_equal_logits(ours, np.asarray(peer(inputs, training=False)))


COUNT_STEPS = """
from experiments.benchmark import keras_peer
from experiments.benchmark.workloads import WORKLOADS, random_data

keras_peer.STEPS_PER_EXECUTION = 4
data = random_data(WORKLOADS["mlp"], 22)
for build in (keras_peer.build, keras_peer.build_many_steps):
    contestant = build(WORKLOADS["mlp"], data, 2, "float32")
    for steps in (3, 11, 1, 22, 25):
        contestant.train(steps)
        print(int(contestant.model.optimizer.iterations))
"""


@pytest.mark.parametrize("backend", ["jax", "tensorflow"])
def test_keras_makes_as_many_steps_as_are_timed(backend):
    pytest.importorskip("keras")
    environment = os.environ | {"KERAS_BACKEND": backend}
    printed = subprocess.check_output([sys.executable, "-c", COUNT_STEPS], env=environment)
    assert [int(line) for line in printed.split()] == [3, 14, 15, 37, 62] * 2
