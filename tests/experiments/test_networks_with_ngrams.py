import json

import numpy as np
import pytest
from commands import runs_of

OPTIONS = ("--batch-size", 16, "--sequence-length", 12, "--learning-rate", 0.01)
OPTIONS += ("--ngrams", 2, "--ngram-buckets", 2**10, "--schedule", "constant")


def summary_of(run):
    return json.loads((run / "summary.json").read_text())


@pytest.mark.slow
@pytest.mark.parametrize("experiment", ["lstm", "transformer"])
def test_a_run_predicts_is_exported_and_resumed(command, review_dir, tmp_path, experiment):
    folders = ("--data-dir", review_dir, "--runs-dir", tmp_path)
    for epochs in (1, 2):
        status, _, errors = command(experiment, *OPTIONS, "--epochs", epochs, *folders)
        assert status == 0, errors
    shorter, longer = runs_of(tmp_path / experiment)
    assert summary_of(longer)["test_accuracy"] > 0.9  # two words tell the label
    labels = []
    for text in ("a wonderful film", "a boring film"):
        status, output, errors = command("predict", longer, text, "--json")
        assert status == 0, errors
        labels += [prediction["label"] for prediction in json.loads(output)]
    assert labels == ["positive", "negative"]
    status, _, errors = command("export", longer, "--output", tmp_path / "exported")
    assert status == 0, errors

    status, _, errors = command(experiment, "--resume", shorter, "--epochs", 2)
    assert status == 0, errors
    assert summary_of(shorter)["test_loss"] == summary_of(longer)["test_loss"]


@pytest.mark.slow
def test_texts_of_three_classes(command, tmp_path):
    names = ("cat", "dog", "owl")
    lines = [f"{'pets'[: i % 4]} the {name} sleeps {i},{name}" for i in range(40) for name in names]
    (tmp_path / "animals.csv").write_text("\n".join(["text,label", *lines]))
    where = ("--dataset", tmp_path / "animals.csv", "--runs-dir", tmp_path / "runs")
    status, _, errors = command("lstm", *OPTIONS, "--epochs", 3, *where)
    assert status == 0, errors
    (run,) = runs_of(tmp_path / "runs" / "lstm")
    assert summary_of(run)["test_accuracy"] == 1


@pytest.mark.slow
def test_a_language_model_and_ngrams_together(command, review_dir, tmp_path):
    folders = ("--data-dir", review_dir, "--runs-dir", tmp_path)
    status, _, errors = command("lstm", *OPTIONS, "--epochs", 1, "--pretrain", 1, *folders)
    assert status == 0, errors
    assert np.isfinite(summary_of(runs_of(tmp_path / "lstm")[0])["test_loss"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--ngrams", -1), "--ngrams is -1, but must be at least 0."),
        (
            ("--ngrams", 2, "--ngram-buckets", 0),
            "--ngram-buckets is 0, but must be 1 to 2**31 - 1.",
        ),
        (("--ngrams", 0, "--ngram-buckets", 8), "--ngram-buckets has no effect with --ngrams 0"),
    ],
)
def test_wrong_options(command, options, message):
    status, _, errors = command("lstm", *options)
    assert status == 2
    assert message in errors.splitlines()[-1]
