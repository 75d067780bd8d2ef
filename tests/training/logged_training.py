"""Small trainings with checkpoints and a log in a directory, as the experiments make them."""

import signal

import small_training as small

from jaxdl.training import loop
from jaxdl.training.checkpoints import CheckpointStore
from jaxdl.training.epoch import CompiledEpoch
from jaxdl.training.metrics_log import MetricsLog, read_records

TOTAL_STEPS = 4 * small.STEPS_PER_EPOCH


def checkpoints_of(directory):
    return directory / "checkpoints"


def read_log(directory):
    return read_records(directory / "metrics.jsonl")


def fit(directory, step=small.step, **changes):
    """Trains with checkpoints and a log in a directory, as the experiments do."""
    return loop.fit(
        small.new_state(),
        step,
        small.new_data(),
        small.new_plan(**changes),
        checkpoints_of(directory),
        MetricsLog(directory / "metrics.jsonl"),
    )


def last_checkpoint(directory):
    """The newest checkpoint, without its times, which differ between any two trainings."""
    plan, state, data = small.new_plan(), small.new_state(), small.new_data()
    epoch = CompiledEpoch(small.step, state, data, plan.batch_size, plan.seed, plan.mesh)
    with CheckpointStore(checkpoints_of(directory)) as store:
        step, training = loop._init_or_restore(store, state, epoch, plan)
    return step, training.replace(seconds=None, examples_per_second=None)


def without_seconds(records):
    return [
        {name: value for name, value in record.items() if name != "seconds"} for record in records
    ]


def assert_same_training(directory, trained, other_directory, other):
    small.assert_bitwise_identical(trained.variables, other.variables)
    assert (trained.best_epoch, trained.epochs, trained.steps) == (
        *(other.best_epoch, other.epochs),
        other.steps,
    )
    (step, checkpoint), (other_step, other_checkpoint) = map(
        last_checkpoint, (directory, other_directory)
    )
    assert step == other_step
    small.assert_bitwise_identical(checkpoint, other_checkpoint)
    assert without_seconds(read_log(directory)) == without_seconds(read_log(other_directory))
    for one, where in ((trained, directory), (other, other_directory)):
        assert one.history == read_log(where)


def interrupt():
    signal.raise_signal(signal.SIGINT)
