"""The first losses of an experiment on one device and on eight, as one line of JSON.

XLA_FLAGS=--xla_force_host_platform_device_count=8 python many_devices.py EXPERIMENT
"""

import dataclasses
import json
import sys

import jax
import numpy as np

from experiments.train_steps import EXPERIMENTS, begin_training
from jaxdl.training.mesh import copied, make_mesh, place
from jaxdl.training.steps import empty_history, epoch_order, make_train_steps

STEPS, BATCH_SIZE = 3, 16
SMALLER = {
    "rnn": {"sequence_length": 12},
    "lstm": {"sequence_length": 12},
    "transformer": {"sequence_length": 12},
    "resnet": {"depth": 8},
    "vit": {"num_blocks": 2},
}


def random_data(example):
    """As many as three batches need, and two more."""
    random = np.random.default_rng(0)
    highest = {"label": 2, "length": 12, "tokens": 1000, "image": 256}
    return {
        name: random.integers(1, highest[name], (50, *one.shape[1:])).astype(one.dtype)
        for name, one in example.items()
    }


def train(name, mesh):
    config = EXPERIMENTS[name].PRESETS["default"]
    config = dataclasses.replace(config, batch_size=BATCH_SIZE, **SMALLER.get(name, {}))
    training = begin_training(name, config, mesh)
    data = random_data(training.example)
    history = empty_history(training.step, training.state, data, BATCH_SIZE)
    order = place(epoch_order(0, np.int32(0), len(data[next(iter(data))])), copied(mesh))
    train_steps = make_train_steps(training.step, BATCH_SIZE, 0, mesh)
    before = jax.tree.map(lambda array: array.sharding, training.state)
    carry = (training.state, place(history, copied(mesh)))
    args = (place(data, copied(mesh)), order, np.int32(0), np.int32(STEPS))
    state, history = train_steps(carry, *args)
    for sharding, array in zip(jax.tree.leaves(before), jax.tree.leaves(state), strict=True):
        assert array.sharding.is_equivalent_to(sharding, array.ndim)
    divided = [a for a in jax.tree.leaves(state) if not a.sharding.is_fully_replicated]
    return {name: values.tolist() for name, values in history.items()}, len(divided)


def main():
    meshes = {
        "one": make_mesh(devices=jax.devices()[:1]),
        "data=8": make_mesh("data=8"),
        "data=4,fsdp=2": make_mesh("data=4,fsdp=2"),
    }
    print(json.dumps({layout: train(sys.argv[1], mesh) for layout, mesh in meshes.items()}))


if __name__ == "__main__":
    main()
