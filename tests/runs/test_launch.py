import dataclasses
import json

import numpy as np
import pytest

from jaxdl.runs import Run
from jaxdl.runs.experiment import Experiment
from jaxdl.runs.launch import average, launch
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


def summarise(seed):
    """Returns what a run of this seed might have given."""
    return {
        "experiment": "tiny",
        "seed": seed,
        "epochs": 2,
        "best_epoch": 1 + seed % 2,
        "test_accuracy": 0.9 + 0.01 * seed,
        "test_loss": 0.3 - 0.1 * seed**2,
        "seconds_total": 10.0,
        "seconds_compile": 1.0,
        "examples_per_second": 1000.0 * (1 + seed),
        "date": f"day {seed}",
        "options": {"epochs": 2, "seed": seed, "runs_dir": "runs", "mesh": ""},
    }


def test_an_average_is_the_mean_and_the_sample_deviation():
    summaries = [summarise(seed) for seed in (0, 1, 3)]
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
    overall = average([summarise(seed) for seed in (0, 1)])
    assert overall["experiment"] == "tiny"
    assert overall["epochs"] == 2
    assert not {"seed", "best_epoch"} & set(overall)
    assert overall["options"] == {"epochs": 2}  # neither the seed nor a directory nor devices


@pytest.fixture
def run_command(tmp_path, monkeypatch):
    """Launches a training, and returns the exit status and the configurations that it got."""
    monkeypatch.setattr("jaxdl.runs.launch.cache_compiled_programs", lambda: None)

    def run(*arguments, runs_dir=tmp_path / "runs"):
        configs = []

        class Recording(Experiment):
            def train(self, config):
                configs.append(config)
                run = Run.create(self.name, config.run.runs_dir, config.run.seed, {}, ())
                return run, summarise(config.run.seed)

            def init(self, config, steps_per_epoch, mesh):
                raise NotImplementedError

        monkeypatch.setattr("sys.argv", ["tiny", "--runs-dir", str(runs_dir), *arguments])
        with pytest.raises(SystemExit) as exit_:
            launch(Recording("tiny", Config, {}), "A tiny training.")
        return exit_.value.code, configs

    return run


def test_several_seeds_are_several_runs_and_one_average(run_command, tmp_path, capsys):
    status, configs = run_command("--seed", "4", "--seeds", "3")
    assert status == 0
    assert [config.run.seed for config in configs] == [4, 5, 6]
    assert {config.run.seeds for config in configs} == {1}  # each can be resumed by itself
    (path,) = (tmp_path / "runs" / "tiny").glob("*.json")
    assert path.name.endswith("-3-seeds.json")
    assert json.loads(path.read_text()) == average([summarise(seed) for seed in (4, 5, 6)])
    assert "Over 3 seeds" in capsys.readouterr().out


def test_one_seed_is_one_run_without_an_average(run_command, tmp_path, capsys):
    status, configs = run_command()
    assert (status, len(configs)) == (0, 1)
    assert not list((tmp_path / "runs" / "tiny").glob("*.json"))
    out, err = capsys.readouterr()
    assert "90.00 %" in out
    assert err == ""


def test_a_run_cannot_be_resumed_with_several_seeds(run_command, tmp_path, capsys):
    run = Run.create("tiny", tmp_path, 0, to_options(Config()), ())
    assert run_command("--resume", str(run.directory), "--seeds", "2") == (2, [])
    assert "--seeds" in capsys.readouterr().err


def test_nothing_is_trained_where_nothing_can_be_written(run_command, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    for runs_dir in (tmp_path / "file", tmp_path / "file" / "below"):
        assert run_command(runs_dir=runs_dir) == (1, [])
        (line,) = capsys.readouterr().err.splitlines()
        assert line == f"error: Cannot write to {runs_dir}; give another --runs-dir."
