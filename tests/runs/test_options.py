import dataclasses
import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies

from jaxdl.errors import UsageError, UserError
from jaxdl.runs.options import (
    DataOptions,
    MachineOptions,
    RunOptions,
    TextData,
    from_options,
    to_options,
    with_changes,
)
from jaxdl.runs.text_options import TextAugmentation
from jaxdl.training.images import ImageAugmentation
from jaxdl.training.optimization import ClassifierOptimization

GROUPS = {
    "data": TextData(),
    "optimization": ClassifierOptimization(epochs=3, batch_size=8, learning_rate=0.1),
    "augmentation": ImageAugmentation(),
    "run": RunOptions(),
    "machine": MachineOptions(),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    data: TextData = GROUPS["data"]
    optimization: ClassifierOptimization = GROUPS["optimization"]
    augmentation: ImageAugmentation = GROUPS["augmentation"]
    run: RunOptions = GROUPS["run"]
    machine: MachineOptions = GROUPS["machine"]


paths = strategies.text("abc./ -", min_size=1).map(Path)
changes = strategies.fixed_dictionaries(
    {},
    optional={
        "resume": strategies.none() | paths,
        "epochs": strategies.integers(1),
        "learning_rate": strategies.floats(0, exclude_min=True, allow_infinity=False),
        "flip": strategies.booleans(),
        "data_dir": paths,
        "runs_dir": paths,
        "truncation": strategies.sampled_from(["start", "end"]),
        "mesh": strategies.sampled_from(["", "data=4,fsdp=2"]),
    },
)


@settings(max_examples=50, deadline=None)
@given(changes)
def test_options_survive_json(changes):
    config = with_changes(Config(), changes)
    options = json.loads(json.dumps(to_options(config)))
    assert from_options(Config, options) == config


def test_options_are_flat_by_name():
    options = to_options(with_changes(Config(), {"epochs": 9, "resume": Path("run")}))
    fields = [field.name for group in GROUPS.values() for field in dataclasses.fields(group)]
    assert sorted(options) == sorted(fields)
    assert (options["epochs"], options["resume"], options["mesh"]) == (9, "run", "")


def test_changes_go_to_the_groups_that_have_the_options():
    changed = with_changes(Config(), {"epochs": 9, "vocabulary_size": 50, "flip": True})
    assert changed == Config(
        data=TextData(vocabulary_size=50),
        optimization=dataclasses.replace(GROUPS["optimization"], epochs=9),
        augmentation=ImageAugmentation(flip=True),
    )
    assert with_changes(changed, {}) == changed


def test_changes_that_are_valid_only_together_are_made_together():
    changed = with_changes(Config(), {"batch_size": 9, "micro_batches": 3})
    assert (changed.optimization.batch_size, changed.optimization.micro_batches) == (9, 3)


def test_a_change_of_an_option_that_there_is_not_is_an_error():
    with pytest.raises(KeyError, match="no such options: momentum"):
        with_changes(Config(), {"epochs": 9, "momentum": 0.9})


def test_options_that_a_run_lacks_have_their_defaults():
    assert from_options(Config, {"epochs": 9}) == with_changes(Config(), {"epochs": 9})


def test_unknown_options_of_a_run_are_one_clear_line():
    with pytest.raises(UserError, match=r"^.*another version of jaxdl, with options a, b\.$"):
        from_options(Config, {"epochs": 9, "b": 1, "a": 2})


@pytest.mark.parametrize("value", ["many", None, []])
def test_damaged_values_of_a_run_are_one_clear_line(value):
    with pytest.raises(UserError, match=r"^config\.json of the run is damaged: --epochs is "):
        from_options(Config, {"epochs": value})


@pytest.mark.parametrize(
    ("group", "name", "values"),
    [
        (DataOptions, "validation_fraction", (-0.1, 1.0, math.nan)),
        (TextData, "validation_fraction", (-0.1, 1.0)),
        (TextData, "vocabulary_size", (2, -1)),
        (TextData, "sequence_length", (0, -1)),
        (TextAugmentation, "word_dropout_rate", (-0.1, 1.0)),
        (RunOptions, "seed", (-1,)),
        (RunOptions, "seeds", (0, -1)),
        (MachineOptions, "process_count", (0, -1)),
        (MachineOptions, "process_id", (1, -1)),
        (MachineOptions, "coordinator", ("host", "host:port", ":", "10.0.0.1")),
    ],
)
def test_a_value_out_of_range_is_refused_by_the_name_of_its_option(group, name, values):
    for value in values:
        option = "--" + name.replace("_", "-")
        with pytest.raises(UsageError, match=rf"^{option} is {value}, but must be .*\.$"):
            group(**{name: value})


@pytest.mark.parametrize("layout", ["data", "data=0", "model=2", "data=2;fsdp=2"])
def test_a_malformed_mesh_is_refused(layout):
    with pytest.raises(UsageError, match=r"^--mesh is .* must look like data=4,fsdp=2\.$"):
        MachineOptions(mesh=layout)


def test_several_processes_need_a_coordinator():
    with pytest.raises(UsageError, match="--process-count above 1 needs --coordinator"):
        MachineOptions(process_count=2)
    for coordinator in ("host:1234", "[::1]:1234", "auto"):
        machine = MachineOptions(process_count=2, process_id=1, coordinator=coordinator)
        assert machine.process_id == 1


def test_every_bound_of_a_range_is_accepted():
    assert TextData(validation_fraction=0.0, vocabulary_size=3, sequence_length=1)
    assert RunOptions(seed=0, seeds=1)
    assert TextAugmentation(word_dropout_rate=0.0)


def test_a_configuration_cannot_be_changed_in_place():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().run.seed = 2
