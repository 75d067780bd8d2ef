import json

import pytest
from small_experiment import Config, train

from jaxdl.runs import Run
from jaxdl.runs.experiment import Experiment
from jaxdl.runs.launch import launch
from jaxdl.runs.options import to_options


@pytest.fixture
def run_command(tmp_path, monkeypatch):
    """Launches a training, and returns the exit status and the configurations that it got."""
    monkeypatch.setattr("jaxdl.runs.launch.cache_compiled_programs", lambda: None)

    def run(*arguments, runs_dir=tmp_path / "runs"):
        configs = []

        class Recording(Experiment):
            def train(self, config):
                configs.append(config)
                return train(config)

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
    (path,) = (tmp_path / "runs" / "tiny").glob("*.json")
    first, *_ = sorted((tmp_path / "runs" / "tiny").glob("*/"))
    assert path.name == f"{first.name}-3-seeds.json"
    result = json.loads(path.read_text())
    assert result["seeds"] == [4, 5, 6]
    assert result["test_accuracy"]["mean"] == pytest.approx(0.55)
    assert "Over 3 seeds" in capsys.readouterr().out


@pytest.mark.parametrize(
    "options",
    [
        ("--seed", str(2**63)),
        ("--seed", str(2**32)),
        ("--seed", "-1"),
        ("--seed", str(2**32 - 4), "--seeds", "5"),
        ("--seeds", str(2**32 + 1)),
    ],
)
def test_seeds_that_would_start_like_others_are_refused(run_command, options, capsys):
    assert run_command(*options) == (2, [])
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: --seed") and "but must be" in line


def test_the_largest_seeds_are_trained(run_command):
    status, configs = run_command("--seed", str(2**32 - 3), "--seeds", "3")
    assert (status, configs[-1].run.seed) == (0, 2**32 - 1)


@pytest.mark.parametrize("name", ["a[b]", "**", "a?", "a\\b", "a\udcff"])
def test_a_directory_whose_checkpoints_could_not_be_read_is_refused(
    run_command, name, tmp_path, capsys
):
    assert run_command(runs_dir=tmp_path / name / "runs") == (1, [])
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: Checkpoints cannot be kept in {tmp_path}/")
    assert not list(tmp_path.iterdir())


def test_one_seed_is_one_run_without_an_average(run_command, tmp_path, capsys):
    status, configs = run_command()
    assert (status, len(configs)) == (0, 1)
    assert not list((tmp_path / "runs" / "tiny").glob("*.json"))
    out, err = capsys.readouterr()
    assert "50.00 %" in out
    assert err == ""


def test_a_run_cannot_be_resumed_with_several_seeds(run_command, tmp_path, capsys):
    run = Run.create("tiny", tmp_path, 0, to_options(Config()), (), {})
    assert run_command("--resume", str(run.directory), "--seeds", "2") == (2, [])
    assert "--seeds" in capsys.readouterr().err


def test_a_model_that_was_not_saved_is_an_error_below_its_results(run_command, monkeypatch, capsys):
    monkeypatch.setattr(Run, "checkpoint_steps", lambda run: [4])
    assert run_command()[0] == 1
    out, err = capsys.readouterr()
    assert "50.00 %" in out
    assert err.startswith("error: The trained model was not saved in ")


def test_nothing_is_trained_where_nothing_can_be_written(run_command, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    for runs_dir in (tmp_path / "file", tmp_path / "file" / "below"):
        assert run_command(runs_dir=runs_dir) == (1, [])
        (line,) = capsys.readouterr().err.splitlines()
        assert line == f"error: Cannot write to {runs_dir}; give another --runs-dir."
