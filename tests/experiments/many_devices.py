"""The first losses of an experiment on one device and on eight, as one line of JSON.

XLA_FLAGS=--xla_force_host_platform_device_count=8 python many_devices.py EXPERIMENT
"""

import json
import sys

import jax
import numpy as np

from experiments.registry import find_experiment
from jaxdl.runs.options import with_changes
from jaxdl.training.epoch import CompiledEpoch
from jaxdl.training.mesh import device_put, make_mesh, replicated

STEPS, BATCH_SIZE = 3, 16
SMALLER = {
    "rnn": {"sequence_length": 12},
    "lstm": {"sequence_length": 12, "ngram_buckets": 1024},
    "transformer": {"sequence_length": 12, "ngram_buckets": 1024},
    "language_model": {"sequence_length": 12},
    "gan": {"width": 8},
    "resnet": {"depth": 8},
    "vit": {"num_layers": 2},
    "speedrun": {"width": 8, "precision": "float32"},
}


def random_split(example):
    """Draws the examples of three batches, and two more."""
    random = np.random.default_rng(0)
    ranges = {
        "label": (0, 2),
        "image": (0, 256),
        "tokens": (1, 1000),
        "length": (1, 12),
        "ratios": (-3, 4),
    }
    return {
        name: random.integers(*ranges[name], (50, *one.shape[1:])).astype(one.dtype)
        for name, one in example.items()
    }


def train(name, mesh):
    """Trains three steps; returns the metrics of each, and the number of sharded arrays."""
    experiment = find_experiment(name)
    changes = {"batch_size": BATCH_SIZE, **SMALLER.get(name, {})}
    training = experiment.init(with_changes(experiment.config(), changes), 1000, mesh, 10)
    split = random_split(training.example)
    epoch = CompiledEpoch(training.step, training.state, split, BATCH_SIZE, 0, mesh)
    history = device_put(epoch.empty_history(), replicated(mesh))
    before = jax.tree.map(lambda array: array.sharding, training.state)
    program = epoch.lower().compile()
    state, history = epoch.run(program, training.state, history, 0, STEPS)
    for sharding, array in zip(jax.tree.leaves(before), jax.tree.leaves(state), strict=True):
        assert array.sharding.is_equivalent_to(sharding, array.ndim)
    sharded = [a for a in jax.tree.leaves(state) if not a.sharding.is_fully_replicated]
    return {name: values.tolist() for name, values in history.items()}, len(sharded)


def main():
    meshes = {
        "one": make_mesh(devices=jax.devices()[:1]),
        "data=8": make_mesh("data=8"),
        "data=4,fsdp=2": make_mesh("data=4,fsdp=2"),
    }
    print(json.dumps({layout: train(sys.argv[1], mesh) for layout, mesh in meshes.items()}))


if __name__ == "__main__":
    main()
