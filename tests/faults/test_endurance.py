"""Long trainings, and clocks that jump."""

import gc
import resource
import time
from pathlib import Path

import jax
import numpy as np
import pytest

import jaxdl.training.loop
from jaxdl.models.mlp import MLP
from jaxdl.training import ClassifierOptimization, train_classifier

pytestmark = pytest.mark.faults

EPOCHS = 200
COMPARED = (60, 199)


def split(count):
    random = np.random.default_rng(count)
    image = random.normal(size=(count, 64)).astype(np.float32)
    return {"image": image, "label": (image[:, 0] > 0).astype(np.int32)}


@pytest.mark.trials(1)
def test_200_epochs_need_no_more_memory_and_compile_nothing(trial, monkeypatch, tmp_path):
    compiled, memory = [], []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, *_, **__: compiled.append(len(memory)) if "backend_compile" in event else None
    )
    finish = jaxdl.training.loop._finish_epoch

    def finish_epoch(*arguments):
        if len(memory) in COMPARED:
            gc.collect()
        memory.append(resident_megabytes())
        return finish(*arguments)

    monkeypatch.setattr(jaxdl.training.loop, "_finish_epoch", finish_epoch)
    monkeypatch.setattr(jaxdl.training.loop, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    options = ClassifierOptimization(epochs=EPOCHS, batch_size=50, learning_rate=1e-3)
    train_classifier(
        MLP((256, 256), num_classes=2),
        split(500),
        options,
        validation=split(200),
        checkpoints=tmp_path / "c",
    )
    assert len(memory) == EPOCHS
    assert not [epoch for epoch in compiled if 1 < epoch < EPOCHS]
    early, late = (memory[epoch] for epoch in COMPARED)
    assert late < 1.05 * early


def resident_megabytes():
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * resource.getpagesize() / 1e6


@pytest.mark.trials(1)
def test_a_clock_that_jumps_changes_no_result(trial, monkeypatch, tmp_path):
    def train(name):
        options = ClassifierOptimization(epochs=3, batch_size=50, learning_rate=1e-3)
        trained, _ = train_classifier(
            MLP((16,), num_classes=2),
            split(500),
            options,
            validation=split(100),
            checkpoints=tmp_path / name,
        )
        return jax.device_get(trained.variables)

    expected = train("steady")
    random = np.random.default_rng(trial)
    monkeypatch.setattr(time, "time", lambda: random.uniform(0, 4e9))
    jax.tree.map(np.testing.assert_array_equal, train("jumping"), expected)
