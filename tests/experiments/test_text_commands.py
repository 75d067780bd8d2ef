import dataclasses
import json
import shutil

import jax
import numpy as np
import pytest
from commands import train_in_a_process

from experiments import transformer
from experiments.trained_networks import load_network
from jaxdl.data.tokenizer import load_tokenizer
from jaxdl.errors import UserError
from jaxdl.runs import Run, text_figures
from jaxdl.runs.experiment import Result
from jaxdl.runs.options import with_changes

OPTIONS = ("--batch-size", 16, "--sequence-length", 12, "--learning-rate", 0.01)
OPTIONS += ("--ngrams", 2, "--ngram-buckets", 2**10)


@pytest.fixture(scope="session")
def text_run(review_dir, tmp_path_factory):
    """Trains the LSTM, and returns the directory of the run."""
    runs_dir = tmp_path_factory.mktemp("text-runs")
    folders = ("--data-dir", review_dir, "--runs-dir", runs_dir)
    train_in_a_process("lstm", *OPTIONS, "--epochs", 8, *folders)
    (run,) = (runs_dir / "lstm").iterdir()
    return run


def test_a_run_leaves_its_tokenizer_and_figures(text_run):
    summary = json.loads((text_run / "summary.json").read_text())
    assert summary["test_accuracy"] > 0.9  # two words tell the label
    assert (text_run / "tokenizer.json").is_file()
    assert {path.name for path in (text_run / "figures").iterdir()} == {
        *("learning_curves.png", "confusion.png", "reviews.png", "vanishing_gradient.png")
    }


@pytest.mark.slow
@pytest.mark.parametrize("experiment", ["rnn", "transformer"])
def test_each_text_experiment_trains(command, review_dir, tmp_path, experiment):
    folders = ("--data-dir", review_dir, "--runs-dir", tmp_path)
    status, output, _ = command(experiment, *OPTIONS, "--epochs", 2, *folders)
    assert status == 0
    assert "test accuracy" in output
    (run,) = (tmp_path / experiment).iterdir()
    figure = "attention.png" if experiment == "transformer" else "vanishing_gradient.png"
    assert (run / "figures" / figure).is_file()


class ReadsOnly:
    """Stands in for a Transformer, and keeps what it reads."""

    def apply(self, variables, tokens, length, train, mutable):
        self.tokens, self.length = tokens, length
        weights = np.ones((1, 2, tokens.shape[1], tokens.shape[1]))
        return None, {"intermediates": {"block_0": {"attention": {"attention": [weights]}}}}


def test_attention_is_drawn_over_the_words_that_the_network_reads(text_run, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(text_figures, "attention_map", lambda words, *_: drawn.append(words))
    run, model = Run.open(text_run), ReadsOnly()
    config = with_changes(transformer.Config(), {"sequence_length": 5, "num_layers": 1})
    transformer.draw_attention(Result(run, config, None, model, {}, None))
    tokenizer = load_tokenizer(run.tokenizer)
    np.testing.assert_array_equal(model.tokens, [[*map(tokenizer.token_to_id, drawn[0])]])
    assert (model.length, len(drawn[0])) == (5, 5)


def test_the_tokenizer_must_be_that_of_the_training(command, text_run, tmp_path):
    run = shutil.copytree(text_run, tmp_path / "run")
    content = (run / "tokenizer.json").read_text()
    swapped = content.replace('"wonderful"', '"?"').replace('"boring"', '"wonderful"')
    (run / "tokenizer.json").write_text(swapped.replace('"?"', '"boring"'))
    status, _, errors = command("predict", run, "a wonderful film")
    assert (status, errors.count("\n")) == (1, 1)
    assert "is not the tokenizer of the training: restore the file" in errors
    status, output, _ = command("check", run)
    assert status == 1
    assert "tokenizer.json  WRONG" in output


def test_predictions_that_are_not_finite_are_refused(text_run):
    network = load_network(str(text_run), text_run, None)
    broken = jax.tree.map(lambda array: array * np.nan, network.variables)
    with pytest.raises(UserError, match="not finite: its weights are damaged"):
        dataclasses.replace(network, variables=broken).logits(network.read(["a film"]))


def test_sentences_get_labels(command, text_run):
    sentences = ("a wonderful and brilliant film", "the story was dull and boring")
    status, output, _ = command("predict", text_run, *sentences, "--json")
    assert status == 0
    labels = [prediction["label"] for prediction in json.loads(output)]
    assert labels == ["positive", "negative"]


@pytest.mark.parametrize("sentence", ["🎬 超好看", "word " * 20_000, "?!", "<br />"])
def test_any_text_is_answered(command, text_run, sentence):
    status, output, _ = command("predict", text_run, sentence, "--json")
    assert status == 0
    assert np.isfinite(json.loads(output)[0]["probability"])


@pytest.mark.parametrize(
    ("sentence", "status", "words"),
    [
        (" ", 2, "An input is empty"),
        ("digit.png", 1, "reads sentences"),
        ("na\udcefve", 1, "A sentence is not in UTF-8, convert it: na ve"),
    ],
)
def test_an_input_that_is_no_sentence_is_refused_in_one_line(
    command, text_run, sentence, status, words
):
    actual, _, errors = command("predict", text_run, sentence)
    (line,) = errors.splitlines()
    assert actual == status
    assert words in line
