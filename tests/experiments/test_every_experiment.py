"""What holds for the options of every experiment, and for those of the other commands."""

import ast
import dataclasses
import importlib
import inspect
import json
import re
import textwrap

import pytest

from experiments.registry import FITTED, FROM_PUBLISHED_WEIGHTS, FROM_SCRATCH, find_experiment
from jaxdl.runs.command_line import parse
from jaxdl.runs.options import from_options, groups, to_options, with_changes

EXPERIMENTS = (*FROM_SCRATCH, *FROM_PUBLISHED_WEIGHTS, *FITTED)
PRESETS = [(name, preset) for name in EXPERIMENTS for preset in find_experiment(name).presets]
OTHER_COMMANDS = ("predict", "export", "report", "check", "compile")
NOT_OF_THE_COMMAND_LINE = {"group"}


def help_texts(options_class):
    """Returns for each option the string below it in the source, "" if there is none."""
    texts = {}
    for base in reversed(options_class.__mro__[:-1]):
        (definition,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        for statement, following in zip(definition.body, [*definition.body[1:], None], strict=True):
            if isinstance(statement, ast.AnnAssign):
                is_text = isinstance(following, ast.Expr)
                texts[statement.target.id] = following.value.value if is_text else ""
    return texts


def options_classes(command):
    if command in OTHER_COMMANDS:
        module = "compile.options" if command == "compile" else command
        return [importlib.import_module(f"experiments.{module}").Options]
    return [type(group) for group in groups(find_experiment(command).config())]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_no_two_groups_share_an_option(name):
    config = find_experiment(name).config()
    names = [field.name for group in groups(config) for field in dataclasses.fields(group)]
    assert len(set(names)) == len(names)
    assert set(to_options(config)) == set(names)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_groups_have_the_names_that_commands_expect(name):
    fields = [field.name for field in dataclasses.fields(find_experiment(name).config)]
    assert {"data", "model", "optimization", "run", "machine"} <= set(fields)


@pytest.mark.parametrize(("name", "preset"), PRESETS)
def test_a_preset_is_parsed_and_survives_json(name, preset):
    experiment = find_experiment(name)
    changes = experiment.presets[preset]
    config = parse(name, experiment.config, experiment.presets, "", ["--preset", preset])
    assert config == with_changes(experiment.config(), {"preset": preset, **changes})
    options = json.loads(json.dumps(to_options(config)))
    assert {option: options[option] for option in changes} == changes
    assert from_options(experiment.config, options) == config


@pytest.mark.parametrize("command", [*EXPERIMENTS, *OTHER_COMMANDS])
def test_the_help_text_of_each_option_is_a_sentence(command):
    for options_class in options_classes(command):
        texts = help_texts(options_class)
        assert set(texts) == {field.name for field in dataclasses.fields(options_class)}
        for option, text in texts.items():
            assert re.fullmatch(r"[A-Z].*\.", text, re.DOTALL), f"{option}: {text}"


@pytest.mark.parametrize("name", [*EXPERIMENTS, *OTHER_COMMANDS, "benchmark"])
def test_help_is_on_standard_output_and_exits_with_status_0(name, command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")  # no help text is broken into lines
    status, output, errors = command(name, "--help")
    assert (status, errors) == (0, "")
    assert output.startswith(f"usage: python -m experiments.{name} ")
    if name != "benchmark":
        words = " ".join(output.split())
        for options_class in options_classes(name):
            for option, text in help_texts(options_class).items():
                is_shown = " ".join(text.split()) in words
                assert is_shown or option in NOT_OF_THE_COMMAND_LINE, option


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_help_describes_the_experiment_and_its_presets(name, command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    _, output, _ = command(name, "--help")
    experiment = importlib.import_module(f"experiments.{name}")
    assert experiment.__doc__.splitlines()[0] in output
    for preset in experiment.EXPERIMENT.presets:
        assert f"--preset {preset} sets --" in output
