import dataclasses
import json
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings, strategies

from jaxdl.errors import UsageError, UserError
from jaxdl.runs import Run
from jaxdl.runs.command_line import from_options, parse, run_command, to_options


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    preset: Literal["default", "seed"] = "default"
    resume: Path | None = None
    epochs: int = 10
    learning_rate: float = 0.1
    optimizer: Literal["adam", "adamw"] = "adamw"
    flip: bool = False
    data_dir: Path = Path("data")
    runs_dir: Path = Path("runs")

    def __post_init__(self):
        if self.epochs < 1:
            raise UsageError(f"--epochs is {self.epochs}, but must be at least 1.")


PRESETS = {
    "default": Config(),
    "seed": Config(preset="seed", epochs=5, learning_rate=0.01, optimizer="adam"),
}


def parse_line(*arguments):
    return parse("tiny", PRESETS, "A tiny training.", arguments)


def test_an_empty_command_line_is_the_default():
    assert parse_line() == PRESETS["default"]


def test_options_override_the_default():
    config = parse_line("--epochs", "3", "--data-dir", "elsewhere", "--flip", "--optimizer", "adam")
    assert config == Config(epochs=3, data_dir=Path("elsewhere"), flip=True, optimizer="adam")


def test_a_preset_gives_the_options_that_are_not_on_the_command_line():
    assert parse_line("--preset", "seed") == PRESETS["seed"]
    config = parse_line("--learning-rate", "0.5", "--preset", "seed")
    assert config == dataclasses.replace(PRESETS["seed"], learning_rate=0.5)
    config = parse_line("--preset", "seed", "--epochs", "10")  # as in the other preset
    assert config == dataclasses.replace(PRESETS["seed"], epochs=10)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--epoch", "3"], "--epoch.*did you mean --epochs"),
        (["--frobnicate"], "--frobnicate.*see python -m experiments.tiny --help"),
        (["--epochs", "many"], "--epochs.*see python -m experiments.tiny --help"),
        (["--epochs"], "--epochs"),
        (["--optimizer", "sgd"], "sgd.*adam"),
        (["--epochs", "0"], "--epochs is 0, but must be at least 1"),
        (["--preset", "worst"], "worst"),
        (["stray"], "stray"),
    ],
)
def test_a_wrong_option_is_one_line_that_names_it(arguments, words):
    with pytest.raises(UsageError, match=rf"^.*{words}.*$") as failure:
        parse_line(*arguments)
    message = str(failure.value)
    assert "\n" not in message
    assert not set("│╭╰─") & set(message)


def test_help_describes_and_ends_well(capsys):
    with pytest.raises(SystemExit) as ending:
        parse_line("--help")
    assert not ending.value.code
    text = capsys.readouterr().out
    assert "python -m experiments.tiny" in text
    assert "A tiny training." in text
    assert "--learning-rate" in text


@pytest.fixture
def make_run(tmp_path):
    def make(config=PRESETS["seed"], experiment="tiny"):
        return Run.create(experiment, tmp_path, 0, to_options(config), ()).directory

    return make


def test_a_resumed_run_has_its_own_options_again(make_run):
    earlier = Config(epochs=4, flip=True, learning_rate=0.3)
    directory = make_run(earlier)
    config = parse_line("--resume", str(directory))
    assert config == dataclasses.replace(earlier, resume=directory)


def test_more_epochs_and_other_folders_may_be_given_to_a_resumed_run(make_run):
    directory = make_run()
    config = parse_line("--resume", str(directory), "--epochs", "50", "--data-dir", "elsewhere")
    assert config == dataclasses.replace(
        PRESETS["seed"], resume=directory, epochs=50, data_dir=Path("elsewhere")
    )


def test_an_option_may_be_repeated_on_resume_but_not_changed(make_run):
    directory = make_run()
    assert parse_line("--resume", str(directory), "--optimizer", "adam").optimizer == "adam"
    for arguments in (("--optimizer", "adamw"), ("--learning-rate", "0.1"), ("--flip",)):
        with pytest.raises(UsageError, match=f"^{arguments[0]} cannot be changed"):
            parse_line("--resume", str(directory), *arguments)


def test_a_run_of_another_experiment_is_refused_with_the_command_that_resumes_it(make_run):
    directory = make_run(experiment="other")
    with pytest.raises(UsageError, match=r"python -m experiments\.other --resume") as failure:
        parse_line("--resume", str(directory))
    assert str(directory) in str(failure.value)


def test_what_is_no_run_is_not_resumed(tmp_path):
    with pytest.raises(UsageError, match="is not the directory of a run"):
        parse_line("--resume", str(tmp_path))


def test_a_run_of_another_version_is_one_clear_line(make_run):
    directory = make_run()
    config = json.loads((directory / "config.json").read_text())
    del config["options"]["flip"]
    config["options"]["momentum"] = 0.9
    (directory / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=r"another version of jaxdl, which knew momentum"):
        parse_line("--resume", str(directory))


paths = strategies.text("abc./ -", min_size=1).map(Path)
configurations = strategies.builds(
    Config,
    resume=strategies.none() | paths,
    epochs=strategies.integers(1),
    learning_rate=strategies.floats(allow_nan=False),
    flip=strategies.booleans(),
    data_dir=paths,
)


@settings(max_examples=50, deadline=None)
@given(configurations)
def test_options_survive_json(config):
    options = json.loads(json.dumps(to_options(config)))
    assert from_options(Config, options) == config


def raise_(error):
    raise error


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (None, 0, ""),
        (UserError("The disk is full."), 1, "error: The disk is full.\n"),
        (UsageError("No such option."), 2, "error: No such option.\n"),
        (KeyboardInterrupt(), 130, "Interrupted.\n"),
    ],
)
def test_a_command_ends_with_a_line_and_a_status(capsys, error, status, line):
    with pytest.raises(SystemExit) as ending:
        run_command(lambda: raise_(error) if error else None)
    assert (ending.value.code, capsys.readouterr().err) == (status, line)


def test_an_interrupted_training_is_no_error(capsys):
    class Interrupted(UserError):
        exit_status = 130

    with pytest.raises(SystemExit) as ending:
        run_command(lambda: raise_(Interrupted("Stopped. Go on with: ...")))
    assert ending.value.code == 130
    assert capsys.readouterr().err == "Stopped. Go on with: ...\n"


def test_a_mistake_of_our_own_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        run_command(lambda: 1 / 0)
