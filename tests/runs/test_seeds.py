import json
import shutil

import numpy as np
import pytest
from small_experiment import Config, summarise, train

from jaxdl.runs import Run
from jaxdl.runs.command_line import parse
from jaxdl.runs.experiment import Experiment
from jaxdl.runs.options import RunOptions
from jaxdl.runs.seeds import average, find_group


class Tiny(Experiment):
    """Records the seeds that it trains, and is interrupted at one of them."""

    def __init__(self, interrupted_at=None):
        super().__init__("tiny", Config, {})
        object.__setattr__(self, "interrupted_at", interrupted_at)
        object.__setattr__(self, "trained", [])

    def train(self, config):
        self.trained.append((config.run.seed, config.run.resume is not None))
        run, summary = train(config)
        if config.run.seed == self.interrupted_at:
            run.summary.unlink()
            raise KeyboardInterrupt
        return run, summary

    def init(self, config, steps_per_epoch, mesh):
        raise NotImplementedError


def train_seeds(experiment, config):
    """Trains a group as `jaxdl.runs.launch.launch` does."""
    group, results = find_group("tiny", config), []
    for seed in group.seeds:
        results.append(group.result_of(seed) or experiment.train(group.config_of(seed)))
        group = group.named_by(results[-1][0])
    return results


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
def interrupted(tmp_path):
    """Trains seeds 4 to 8, of which the third is interrupted; returns the runs by their seed."""
    experiment = Tiny(interrupted_at=6)
    config = Config(run=RunOptions(seed=4, seeds=5, runs_dir=tmp_path / "runs"))
    with pytest.raises(KeyboardInterrupt):
        train_seeds(experiment, config)
    assert experiment.trained == [(4, False), (5, False), (6, False)]
    train(Config(run=RunOptions(seed=7, runs_dir=tmp_path / "runs")))  # of no group
    runs = [Run.open(path) for path in sorted((tmp_path / "runs" / "tiny").iterdir())]
    return {run.options["seed"]: run for run in runs}


def resume(run, *arguments):
    experiment = Tiny()
    line = ["--resume", str(run.directory), *arguments]
    config = parse("tiny", Config, {}, "A tiny training.", line)
    results = train_seeds(experiment, config)
    return experiment.trained, [summary["seed"] for _, summary in results], results


@pytest.mark.parametrize("seed", [4, 5, 6])
def test_any_run_of_a_group_resumes_the_whole(interrupted, seed, capsys):
    trained, seeds, results = resume(interrupted[seed])
    assert trained == [(6, True), (7, False), (8, False)]
    assert seeds == [4, 5, 6, 7, 8]
    assert capsys.readouterr().err == "Resuming 5 seeds: 2 finished, 1 begun.\n"
    assert {run.directory.parent for run, _ in results} == {interrupted[4].directory.parent}
    trained, again, _ = resume(results[-1][0])
    assert (trained, again) == ([], seeds)


def test_a_group_is_found_through_a_link(interrupted, tmp_path):
    link = tmp_path / "latest"
    link.symlink_to(interrupted[5].directory)
    assert resume(Run.open(link))[1] == [4, 5, 6, 7, 8]


def test_the_missing_runs_are_made_beside_the_others(interrupted, tmp_path):
    _, seeds, results = resume(interrupted[6], "--runs-dir", str(tmp_path / "elsewhere"))
    assert seeds == [4, 5, 6, 7, 8]
    assert {run.directory.parent for run, _ in results} == {interrupted[4].directory.parent}


def test_more_epochs_are_for_the_whole_group(interrupted):
    trained, _, results = resume(interrupted[6], "--epochs", "9")
    assert trained == [(4, True), (5, True), (6, True), (7, False), (8, False)]
    assert {summary["options"]["epochs"] for _, summary in results} == {9}


def test_a_damaged_run_of_a_group_is_trained_again(interrupted):
    (interrupted[5].directory / "config.json").write_bytes(b"\0" * 100)
    interrupted[4].summary.write_text("{}")
    trained, seeds, _ = resume(interrupted[6])
    assert trained == [(4, True), (5, False), (6, True), (7, False), (8, False)]
    assert seeds == [4, 5, 6, 7, 8]


def test_a_run_without_its_group_is_resumed_alone(interrupted, tmp_path, capsys):
    copy = tmp_path / "copy"
    shutil.copytree(interrupted[6].directory, copy)
    trained, seeds, _ = resume(Run.open(copy))
    assert (trained, seeds) == ([(6, True)], [6])
    assert "resumed alone" in capsys.readouterr().err


def test_the_group_is_not_an_option_of_the_command_line(interrupted):
    config = json.loads((interrupted[6].directory / "config.json").read_text())
    assert config["options"]["group"] == interrupted[4].directory.name
    with pytest.raises(Exception, match="--group"):
        parse("tiny", Config, {}, "A tiny training.", ["--group", "other"])
