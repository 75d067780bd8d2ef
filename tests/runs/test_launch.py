import dataclasses
import json

import jax
import numpy as np
import pytest

from jaxdl.errors import UsageError, UserError
from jaxdl.runs import Run
from jaxdl.runs.command_line import to_options
from jaxdl.training.config import TrainingConfig
from jaxdl.training.launch import average, cache_compiled_programs, launch


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(TrainingConfig):
    epochs: int = 2
    batch_size: int = 8
    learning_rate: float = 0.1
    dropout_rate: float = 0.0


def summarise(config):
    """What a run of this configuration might have given."""
    options = {"epochs": config.epochs, "seed": config.seed, "runs_dir": str(config.runs_dir)}
    return {
        "experiment": "tiny",
        "seed": config.seed,
        "epochs": config.epochs,
        "best_epoch": 1 + config.seed % 2,
        "test_accuracy": 0.9 + 0.01 * config.seed,
        "test_loss": 0.3 - 0.1 * config.seed**2,
        "seconds_total": 10.0,
        "seconds_compile": 1.0,
        "examples_per_second": 1000.0 * (1 + config.seed),
        "date": f"day {config.seed}",
        "options": options,
    }


def test_an_average_is_the_mean_and_the_sample_deviation():
    summaries = [summarise(Config(seed=seed)) for seed in (0, 1, 3)]
    overall = average(summaries)
    assert overall["seeds"] == [0, 1, 3]
    assert overall["date"] == "day 3"
    for name in ("test_accuracy", "test_loss", "seconds_total", "examples_per_second"):
        values = np.array([summary[name] for summary in summaries])
        assert overall[name]["values"] == values.tolist()
        assert overall[name]["mean"] == pytest.approx(values.sum() / 3)
        variance = ((values - values.mean()) ** 2).sum() / 2
        assert overall[name]["std"] == pytest.approx(variance**0.5)


def test_an_average_says_only_what_all_of_its_runs_share():
    overall = average([summarise(Config(seed=seed)) for seed in (0, 1)])
    assert overall["experiment"] == "tiny"
    assert overall["epochs"] == 2
    assert not {"seed", "best_epoch"} & set(overall)
    assert overall["options"] == {"epochs": 2}  # neither the seed nor a folder


@pytest.fixture
def run_command(tmp_path, monkeypatch):
    """Launches a training that only notes its configurations, which are returned."""
    monkeypatch.setattr("jaxdl.training.launch.cache_compiled_programs", lambda: None)

    def run(*arguments, runs_dir=tmp_path / "runs"):
        configs = []

        def train(config):
            configs.append(config)
            run = Run.create("tiny", config.runs_dir, config.seed, {}, ())
            return run, summarise(config)

        command = ["tiny", "--runs-dir", str(runs_dir), *arguments]
        monkeypatch.setattr("sys.argv", command)
        launch("tiny", {"default": Config()}, train, "A tiny training.")
        return configs

    return run


def test_several_seeds_are_several_runs_and_one_average(run_command, tmp_path, capsys):
    configs = run_command("--seed", "4", "--seeds", "3")
    assert [config.seed for config in configs] == [4, 5, 6]
    assert {config.seeds for config in configs} == {1}  # each can be resumed by itself
    (path,) = (tmp_path / "runs" / "tiny").glob("*.json")
    assert path.name.endswith("-3-seeds.json")
    assert json.loads(path.read_text()) == average([summarise(config) for config in configs])
    assert "Over 3 seeds" in capsys.readouterr().out


def test_one_seed_is_one_run_without_an_average(run_command, tmp_path, capsys):
    assert len(run_command()) == 1
    assert not list((tmp_path / "runs" / "tiny").glob("*.json"))
    assert "90.00 %" in capsys.readouterr().out


def test_a_run_cannot_be_resumed_with_several_seeds(run_command, tmp_path):
    run = Run.create("tiny", tmp_path, 0, to_options(Config()), ())
    with pytest.raises(UsageError, match="--seeds"):
        run_command("--resume", str(run.directory), "--seeds", "2")


def test_nothing_is_trained_where_nothing_can_be_written(run_command, tmp_path):
    (tmp_path / "file").write_text("in the way")
    for runs_dir in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UserError, match=r"Cannot write to .*; give another --runs-dir"):
            run_command(runs_dir=runs_dir)


def test_the_folder_of_compiled_programs_is_the_users_choice(tmp_path):
    before = jax.config.jax_compilation_cache_dir
    try:
        jax.config.update("jax_compilation_cache_dir", str(tmp_path))
        cache_compiled_programs()
        assert jax.config.jax_compilation_cache_dir == str(tmp_path)
    finally:
        jax.config.update("jax_compilation_cache_dir", before)
