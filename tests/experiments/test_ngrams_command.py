import json

import pytest
from commands import only_run

OPTIONS = ("--sequence-length", 20, "--num-buckets", 2**14)


def train(command, runs_dir, *options):
    """Fits the classifier, and returns the directory of the run and its summary."""
    status, output, errors = command("ngrams", *OPTIONS, "--runs-dir", runs_dir, *options)
    assert status == 0, errors
    assert "test accuracy" in output
    assert "best epoch" not in output
    return only_run(runs_dir / "ngrams")


@pytest.fixture
def run(command, review_dir, tmp_path):
    return train(command, tmp_path / "runs", "--data-dir", review_dir)[0]


def test_a_run_predicts_is_exported_and_leaves_figures(command, run, tmp_path):
    summary = json.loads((run / "summary.json").read_text())
    assert summary["test_accuracy"] > 0.9  # two words tell the label
    figures = {path.name for path in (run / "figures").iterdir()}
    assert figures == {"confusion.png", "reviews.png", "ngrams.png"}
    labels = []
    for text in ("a wonderful film", "a boring film"):
        status, output, errors = command("predict", run, text, "--json")
        assert status == 0, errors
        labels += [prediction["label"] for prediction in json.loads(output)]
    assert labels == ["positive", "negative"]
    status, _, errors = command("export", run, "--output", tmp_path / "exported")
    assert status == 0, errors
    status, output, _ = command("check", run)
    assert status == 0, output


@pytest.mark.slow
def test_own_texts_of_three_classes(command, tmp_path):
    names = ("cat", "dog", "owl")
    lines = [f"{'pets'[: i % 4]} the {name} sleeps {i},{name}" for i in range(40) for name in names]
    (tmp_path / "animals.csv").write_text("\n".join(["text,label", *lines]))
    run, summary = train(command, tmp_path / "runs", "--dataset", tmp_path / "animals.csv")
    assert summary["test_accuracy"] == 1
    status, output, _ = command("predict", run, "the owl sleeps", "--json")
    assert status == 0
    assert json.loads(output)[0]["label"] == "owl"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--steps", 15), "--steps is 15, but must be a multiple of 10."),
        (("--largest-n", 0), "--largest-n is 0, but must be at least 1."),
        (("--seeds", 2), "--seeds is 2, but must be 1, because nothing in the fit is random."),
        (("--mesh", "data=1"), "left out: one device fits."),
    ],
)
def test_wrong_options(command, options, message):
    status, _, errors = command("ngrams", *options)
    assert (status, errors.splitlines()[-1][-len(message) :]) == (2, message)
