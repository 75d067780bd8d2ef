import json

import pytest
from commands import runs_of

OPTIONS = ("--batch-size", 20, "--sequence-length", 20)


@pytest.fixture
def folders(review_dir, tmp_path):
    return "--data-dir", review_dir, "--runs-dir", tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("network", ["gru", "transformer"])
def test_a_run_says_its_perplexity_and_writes_texts(command, folders, tmp_path, network):
    options = ("--network", network, "--epochs", 3, *OPTIONS, *folders)
    status, output, errors = command("language_model", *options)
    assert status == 0, errors
    assert "validation perplexity" in output
    (run,) = runs_of(tmp_path / "language_model")
    summary = json.loads((run / "summary.json").read_text())
    assert not [name for name in summary if name.startswith("test_")]
    assert 1 < summary["validation_perplexity"] < 100
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    epochs = [record for record in records if "epoch" in record]
    assert all("validation_perplexity" in record for record in epochs)
    texts = (run / "figures" / "texts.txt").read_text().splitlines()
    assert len(texts) == (4 if network == "transformer" else 5)
    assert (run / "figures" / "learning_curves.png").is_file()

    sentence = "a [MASK] film" if network == "transformer" else "a boring film"
    status, output, errors = command("predict", run, sentence)
    assert status == 0, errors
    assert output.startswith(sentence)
    if network == "transformer":
        status, _, errors = command("predict", run, "a boring film")
        assert status == 2
        assert errors.splitlines()[-1] == (
            "error: A sentence needs [MASK] once, in place of a word: a boring film"
        )
    status, output, _ = command("check", run)
    assert status == 0, output
    assert "2 scores" in output
    assert "can be read" in output
    status, _, errors = command("predict", run, sentence, "--json")
    assert (status, errors) == (2, "error: --json is not for a language model.\n")
    unused = ("--seed", 3) if network == "transformer" else ("--top", 1)
    status, _, errors = command("predict", run, sentence, *unused)
    assert (status, unused[0] in errors) == (2, True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("experiment", "options"),
    [
        ("lstm", ("--bidirectional",)),
        ("transformer", ("--layer-decay", 0.5, "--perturbation", 0.02)),
    ],
)
def test_a_classifier_starts_from_a_language_model_that_is_trained_once(
    command, folders, tmp_path, experiment, options
):
    options = ("--pretrain", 2, "--epochs", 1, "--ngrams", 0, *options, *OPTIONS, *folders)
    status, output, errors = command(experiment, *options)
    assert status == 0, errors
    assert "test accuracy" in output
    assert "Training a language model on the texts of imdb_reviews first:" in errors
    status, _, errors = command(experiment, *options)
    assert status == 0, errors
    assert "Training a language model" not in errors
    (language_model,) = runs_of(tmp_path / "language_model")
    assert json.loads((language_model / "summary.json").read_text())["epochs"] == 2
    first, second = (
        json.loads((run / "summary.json").read_text()) for run in runs_of(tmp_path / experiment)
    )
    assert first["test_loss"] == second["test_loss"]

    (run, _) = runs_of(tmp_path / experiment)
    (language_model / "summary.json").unlink()
    status, _, errors = command(experiment, "--resume", run, "--epochs", 2)
    assert status == 0, errors
    assert "Training a language model" not in errors  # the checkpoint replaces its parameters


@pytest.mark.slow
def test_other_words_are_another_language_model(command, folders, tmp_path):
    options = ("--pretrain", 1, "--epochs", 1, "--ngrams", 0, *OPTIONS, *folders)
    for size in (20, 30):
        assert command("lstm", *options, "--vocabulary-size", size)[0] == 0
    assert len(runs_of(tmp_path / "language_model")) == 2


@pytest.mark.parametrize(
    ("experiment", "options", "message"),
    [
        ("lstm", ("--pretrain", -1), "--pretrain is -1, but must be at least 0."),
        ("lstm", ("--layer-decay", 0.5), "--layer-decay has no effect with --pretrain 0"),
        ("lstm", ("--pretrain", 1, "--bidirectional", "--num-layers", 2), "and --pretrain"),
        ("language_model", ("--num-heads", 2), "--num-heads has no effect with --network lstm"),
        ("language_model", ("--network", "transformer", "--num-heads", 3), "of --embed-dim, 128"),
        ("language_model", ("--sequence-length", 1), "at least 2"),
        ("language_model", ("--bidirectional", "--num-layers", 2), "1 with --bidirectional"),
    ],
)
def test_wrong_options(command, experiment, options, message):
    status, _, errors = command(experiment, *options)
    assert status == 2
    assert message in errors.splitlines()[-1]
