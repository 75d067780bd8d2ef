import dataclasses
import json
from functools import partial
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings, strategies

from jaxdl.errors import UsageError, UserError
from jaxdl.files import with_checksum, write_json
from jaxdl.runs import Run
from jaxdl.runs.command_line import parse
from jaxdl.runs.options import DataOptions, MachineOptions, RunOptions, to_options, with_changes
from jaxdl.training.optimization import require


@dataclasses.dataclass(frozen=True, kw_only=True)
class Model:
    embed_dim: int = 16
    num_heads: int = 4

    def __post_init__(self):
        divides = self.embed_dim % self.num_heads == 0
        require(self, "num_heads", divides, f"a divisor of {self.embed_dim}")

    def without_effect(self):
        return {"num_heads": "--embed-dim 1"} if self.embed_dim == 1 else {}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Optimization:
    epochs: int = 10
    learning_rate: float = 0.1
    optimizer: Literal["adam", "adamw"] = "adamw"

    def __post_init__(self):
        require(self, "epochs", self.epochs >= 1, "at least 1")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Augmentation:
    flip: bool = False
    crop: bool = True


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    data: DataOptions = DataOptions(data_dir=Path("data").absolute())
    model: Model = Model()
    optimization: Optimization = Optimization()
    augmentation: Augmentation = Augmentation()
    run: RunOptions = RunOptions()
    machine: MachineOptions = MachineOptions()


PRESETS = {
    "tutorial": {"epochs": 5, "learning_rate": 0.01, "optimizer": "adam"},
    "mirrored": {"flip": True, "crop": False},
    "wide": {"embed_dim": 18, "num_heads": 3},
}


def changed(**changes):
    return with_changes(Config(), changes)


TUTORIAL = changed(preset="tutorial", **PRESETS["tutorial"])


def parse_line(*arguments):
    return parse("tiny", Config, PRESETS, "A tiny training.", arguments)


def test_an_empty_command_line_is_the_default():
    assert parse_line() == parse_line("--preset", "default") == Config()


def test_options_override_the_default():
    config = parse_line("--epochs", "3", "--data-dir", "elsewhere", "--flip", "--optimizer", "adam")
    assert config == changed(
        epochs=3, data_dir=Path("elsewhere").absolute(), flip=True, optimizer="adam"
    )


def test_a_preset_gives_the_options_that_are_not_on_the_command_line():
    assert parse_line("--preset", "tutorial") == TUTORIAL
    config = parse_line("--learning-rate", "0.5", "--preset", "tutorial")
    assert config == with_changes(TUTORIAL, {"learning_rate": 0.5})
    config = parse_line("--preset", "tutorial", "--epochs", "10")  # as without the preset
    assert config == with_changes(TUTORIAL, {"epochs": 10})
    assert parse_line("--preset=tutorial") == TUTORIAL


def test_an_option_has_to_fit_the_preset_or_the_run_and_not_the_default(make_run):
    wide = {"preset": "wide", "embed_dim": 18, "num_heads": 6}
    assert parse_line("--preset", "wide", "--num-heads", "6") == changed(**wide)
    directory = make_run(changed(**wide))
    config = parse_line("--num-heads", "6", "--resume", str(directory))
    assert config == changed(**wide, resume=directory, runs_dir=directory.parent.parent)
    with pytest.raises(UsageError, match="--num-heads is 4, but must be a divisor of 18"):
        parse_line("--preset", "wide", "--num-heads", "4")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--epoch", "3"], "--epoch.*did you mean --epochs"),
        (["--frobnicate"], "--frobnicate.*see python -m experiments.tiny --help"),
        (["--epochs", "many"], "--epochs.*see python -m experiments.tiny --help"),
        (["--epochs"], "--epochs"),
        (["--optimizer", "sgd"], "sgd.*adam"),
        (["--epochs", "0"], "--epochs is 0, but must be at least 1"),
        (["--preset", "worst"], "--preset is worst, .* one of default, tutorial, mirrored, wide"),
        (["--preset"], "--preset.*see python -m experiments.tiny --help"),
        (["--resume"], "--resume.*see python -m experiments.tiny --help"),
        (["--optimization.epochs", "3"], "--optimization.epochs"),
        (["stray"], "stray"),
    ],
)
def test_a_wrong_option_is_one_line_that_names_it(arguments, words):
    with pytest.raises(UsageError, match=rf"^.*{words}.*$") as failure:
        parse_line(*arguments)
    message = str(failure.value)
    assert "\n" not in message
    assert not set("│╭╰─") & set(message)


def test_help_describes_and_exits_with_status_0(capsys):
    with pytest.raises(SystemExit) as exit_:
        parse_line("--help")
    assert not exit_.value.code
    text = capsys.readouterr().out
    assert "python -m experiments.tiny" in text
    assert "A tiny training." in text
    assert "--learning-rate" in text


def test_help_describes_each_preset_by_options_as_they_are_given(capsys):
    with pytest.raises(SystemExit):
        parse_line("--help")
    text = " ".join(capsys.readouterr().out.split())
    given = "--epochs 5 --learning-rate 0.01 --optimizer adam"
    assert f"--preset tutorial sets {given}." in text
    assert parse_line("--preset", "tutorial", *given.split()) == TUTORIAL
    assert "--preset mirrored sets --flip --no-crop." in text
    assert not parse_line("--flip", "--no-crop").augmentation.crop


@pytest.fixture
def make_run(tmp_path):
    def make(config=TUTORIAL, experiment="tiny"):
        return Run.create(experiment, tmp_path, 0, to_options(config), (), {}).directory

    return make


def test_a_resumed_run_has_the_options_it_had(make_run):
    earlier = changed(epochs=4, flip=True, learning_rate=0.3)
    directory = make_run(earlier)
    config = parse_line("--resume", str(directory))
    runs_dir = directory.parent.parent  # other runs are made beside it, wherever it was made
    assert config == with_changes(earlier, {"resume": directory, "runs_dir": runs_dir})


def test_a_run_in_a_folder_of_another_name_does_not_say_where_others_are_made(make_run):
    directory = make_run(changed(runs_dir=Path("/etc")), "tiny")
    copy = directory.rename(directory.parent.parent / "copy")
    assert parse_line("--resume", str(copy)).run.runs_dir == Path("runs")


def test_more_epochs_and_other_directories_may_be_given_to_a_resumed_run(make_run):
    directory = make_run()
    config = parse_line("--resume", str(directory), "--epochs", "50", "--data-dir", "elsewhere")
    assert config == with_changes(
        TUTORIAL,
        {
            "resume": directory,
            "runs_dir": directory.parent.parent,
            "epochs": 50,
            "data_dir": Path("elsewhere").absolute(),
        },
    )


def test_a_run_of_an_experiment_without_epochs_can_be_named(tmp_path):
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class WithoutEpochs:
        data: DataOptions = DataOptions()
        run: RunOptions = RunOptions()
        machine: MachineOptions = MachineOptions()

    options = to_options(WithoutEpochs())
    directory = Run.create("probe", tmp_path, 0, options, (), {}).directory
    config = parse("probe", WithoutEpochs, {}, "A probe.", ["--resume", str(directory)])
    assert config.run.resume == directory


def test_places_in_the_home_directory_are_found_as_a_shell_would(make_run, monkeypatch):
    directory = make_run()
    monkeypatch.setenv("HOME", str(directory.parent))
    config = parse_line("--runs-dir=~/runs", "--data-dir=~/data")
    assert config.run.runs_dir == directory.parent / "runs"
    assert config.data.data_dir == directory.parent / "data"
    assert parse_line(f"--resume=~/{directory.name}").run.resume == directory
    assert parse_line("--runs-dir=~nobody-here/runs").run.runs_dir == Path("~nobody-here/runs")


def test_fewer_epochs_may_not_be_given_to_a_resumed_run(make_run):
    with pytest.raises(UsageError, match="can only be raised from 5"):
        parse_line("--resume", str(make_run()), "--epochs", "4")


def test_a_resumed_run_has_the_devices_of_the_command_line(make_run):
    directory = make_run(changed(mesh="data=4,fsdp=2"))
    assert parse_line("--resume", str(directory)).machine == MachineOptions()
    config = parse_line("--resume", str(directory), "--mesh", "data=2")
    assert config.machine.mesh == "data=2"


def test_a_run_from_another_machine_is_resumed_with_the_data_of_this_one(make_run, tmp_path):
    kept = make_run(changed(data_dir=tmp_path))
    assert parse_line("--resume", str(kept)).data.data_dir == tmp_path
    moved = make_run(changed(data_dir=tmp_path / "gone"))
    assert parse_line("--resume", str(moved)).data.data_dir == Path("data").absolute()


def test_the_folder_of_the_data_of_a_resumed_run_is_named(make_run, tmp_path, capsys):
    directory = make_run(changed(data_dir=tmp_path))
    parse_line("--resume", str(directory))
    line = f"The data is read from {tmp_path}, as config.json of the run says.\n"
    assert capsys.readouterr().err == line
    for option, folder in (("--data-dir", "elsewhere"), ("--data_dir", str(tmp_path))):
        parse_line("--resume", str(directory), option, folder)
        assert capsys.readouterr().err == ""


@pytest.mark.parametrize("folder", ["/", "/etc", "/usr/share", "/tmp/../etc"])
def test_a_resumed_run_does_not_write_into_folders_of_the_system(make_run, folder):
    directory = make_run(changed(data_dir=Path(folder)))
    with pytest.raises(UserError, match=r"^config\.json of .* names .* belongs to the system"):
        parse_line("--resume", str(directory))
    config = parse_line("--resume", str(directory), "--data-dir", folder)
    assert config.data.data_dir == Path(folder)


OTHER_VALUES = strategies.recursive(
    strategies.none()
    | strategies.booleans()
    | strategies.integers()
    | strategies.floats()
    | strategies.text(strategies.characters(exclude_categories=["Cs"]), max_size=5),
    lambda value: strategies.lists(value, max_size=2),
    max_leaves=3,
)


@settings(deadline=None, max_examples=200)
@given(strategies.sampled_from(sorted(to_options(Config()))), OTHER_VALUES)
def test_no_value_in_the_config_of_a_run_is_a_traceback(tmp_path_factory, name, value):
    options = to_options(Config()) | {name: value}
    run = Run.create("tiny", tmp_path_factory.mktemp("runs"), 0, options, (), {})
    try:
        parse_line("--resume", str(run.directory))
    except UserError as error:
        assert "\n" not in str(error)
    else:
        is_number = type(value) in (int, float) and name in ("learning_rate", "validation_fraction")
        assert type(value) is type(to_options(Config())[name]) or is_number or name == "resume"


def test_an_option_without_effect_is_refused_if_it_is_given():
    presets = {"narrow": {"embed_dim": 1, "num_heads": 1}}
    parse_narrow = partial(parse, "tiny", Config, presets, "A tiny training.")
    message = r"^--num-heads has no effect with --embed-dim 1: leave it out\.$"
    with pytest.raises(UsageError, match=message):
        parse_narrow(["--embed-dim", "1", "--num-heads", "1"])
    assert parse_narrow(["--preset", "narrow"]).model == Model(embed_dim=1, num_heads=1)


def test_an_option_may_be_repeated_on_resume_but_not_changed(make_run):
    directory = make_run()
    config = parse_line("--resume", str(directory), "--optimizer", "adam")
    assert config.optimization.optimizer == "adam"
    for arguments in (("--optimizer", "adamw"), ("--learning-rate", "0.1"), ("--flip",)):
        with pytest.raises(UsageError, match=f"^{arguments[0]} cannot be changed"):
            parse_line("--resume", str(directory), *arguments)


def test_a_run_of_another_experiment_is_refused_with_the_command_that_resumes_it(make_run):
    directory = make_run(experiment="other")
    with pytest.raises(UsageError, match=r"python -m experiments\.other --resume") as failure:
        parse_line("--resume", str(directory))
    assert str(directory) in str(failure.value)


def test_a_directory_that_is_no_run_is_not_resumed(tmp_path):
    with pytest.raises(UsageError, match="is not the directory of a run"):
        parse_line("--resume", str(tmp_path))


def test_a_run_with_unknown_options_is_one_clear_line(make_run):
    directory = make_run()
    config = json.loads((directory / "config.json").read_text())
    del config["options"]["flip"]
    config["options"]["momentum"] = 0.9
    write_json(directory / "config.json", with_checksum(config))
    with pytest.raises(UserError, match=r"^.*another version of jaxdl, with options momentum\.$"):
        parse_line("--resume", str(directory))
