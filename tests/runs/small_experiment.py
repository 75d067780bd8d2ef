"""An experiment that trains nothing, but writes what a training would."""

import dataclasses

from jaxdl.runs import Run
from jaxdl.runs.options import DataOptions, MachineOptions, RunOptions, to_options
from jaxdl.training.optimization import ClassifierOptimization


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    data: DataOptions = DataOptions()
    optimization: ClassifierOptimization = ClassifierOptimization(
        epochs=2, batch_size=8, learning_rate=0.1
    )
    run: RunOptions = RunOptions()
    machine: MachineOptions = MachineOptions()


def summarise(seed, options=None):
    """Returns what a run of this seed might have given."""
    return {
        "experiment": "tiny",
        "dataset": "mnist",
        "seed": seed,
        "epochs": 2,
        "best_epoch": 1 + seed % 2,
        "steps": 8,
        "parameters": 10,
        "test_accuracy": 0.5 + 0.01 * (seed % 10),
        "test_loss": 0.3 - 0.1 * (seed % 10) ** 2,
        "seconds_total": 10.0,
        "seconds_compile": 1.0,
        "examples_per_second": 1000.0 * (1 + seed),
        "date": f"day {seed}",
        "options": options or {"epochs": 2, "seed": seed, "runs_dir": "runs", "mesh": ""},
    }


def train(config):
    """Writes what a training of these options would."""
    options = to_options(config)
    if config.run.resume:
        run = Run.open(config.run.resume).with_options(options)
    else:
        run = Run.create("tiny", config.run.runs_dir, config.run.seed, options, (), {})
    (run.checkpoints / "8").mkdir(parents=True, exist_ok=True)
    run.write_summary(summarise(config.run.seed, options))
    return run, run.read_summary()
