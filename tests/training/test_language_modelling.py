import math
from functools import partial

import jax
import numpy as np
import pytest

from jaxdl.models.language_models import MaskedLanguageModel, RecurrentLanguageModel
from jaxdl.training import language_modelling
from jaxdl.training.language_modelling import train_language_model
from jaxdl.training.language_objectives import masked_tokens, next_token
from jaxdl.training.mesh import make_mesh
from jaxdl.training.optimization import Optimization

SIZE, LONGEST = 8, 16
OPTIONS = Optimization(epochs=12, batch_size=20, learning_rate=0.02, gradient_clip=1.0)


def counting_texts(count, seed, padded_to=LONGEST):
    """Texts of up to 12 words that count upwards from a random one, 7 being followed by 2."""
    random = np.random.default_rng(seed)
    length = random.integers(4, 13, count).astype(np.int32)
    places = np.arange(padded_to)
    words = 2 + (random.integers(0, 6, (count, 1)) + places) % 6
    tokens = np.where(places < length[:, None], words, 0).astype(np.int32)
    return {"tokens": tokens, "length": length}


def train(model, objective, options=OPTIONS, checkpoints=None, num_words=0):
    return train_language_model(
        model,
        counting_texts(200, 0),
        options,
        objective,
        validation=counting_texts(50, 1),
        num_words=num_words,
        checkpoints=checkpoints,
    )


RECURRENT = RecurrentLanguageModel(SIZE, 8, "gru", 8, dropout_rate=0.0)


@pytest.fixture(scope="module")
def trained():
    return train(RECURRENT, next_token)


def test_the_next_word_is_learned_and_the_loss_is_that_of_the_model(trained):
    trained, score = trained
    split = counting_texts(30, 2)
    metrics = score(split, "")
    assert metrics["perplexity"] < 1.2
    assert metrics["perplexity"] == pytest.approx(math.exp(metrics["loss"]))
    outputs = RECURRENT.apply(trained.variables, split["tokens"], split["length"], train=False)
    logits = outputs @ trained.variables["params"]["embedding"]["embedding"].T
    log_probabilities = np.asarray(jax.nn.log_softmax(logits))
    losses = [
        -log_probabilities[row, place, split["tokens"][row, place + 1]]
        for row, end in enumerate(split["length"])
        for place in range(end - 1)
    ]
    assert metrics["loss"] == pytest.approx(np.mean(losses), rel=1e-4)


def test_the_metrics_of_each_epoch_have_the_perplexity(trained):
    history = trained[0].epoch_history
    assert len(history) == OPTIONS.epochs
    assert all(
        record["validation_perplexity"] == pytest.approx(math.exp(record["validation_loss"]))
        for record in history
    )


@pytest.mark.slow
def test_both_neighbours_are_learned():
    model = RECURRENT.clone(bidirectional=True)
    _, score = train(model, partial(next_token, bidirectional=True))
    assert score(counting_texts(30, 2), "")["perplexity"] < 1.3


def test_the_next_word_is_learned_among_a_few_words():
    _, score = train(RECURRENT, next_token, num_words=4)
    assert score(counting_texts(30, 2), "")["perplexity"] < 1.3


@pytest.mark.slow
def test_masked_tokens_are_learned():
    model = MaskedLanguageModel(SIZE, LONGEST, embed_dim=16, num_heads=2, dropout_rate=0.0)
    objective = partial(masked_tokens, vocabulary_size=SIZE)
    options = Optimization(epochs=40, batch_size=20, learning_rate=0.01)
    _, score = train(model, objective, options)
    assert score(counting_texts(30, 2), "")["perplexity"] < 2


@pytest.mark.slow
def test_a_score_does_not_depend_on_which_texts_are_scored_together():
    longest = 70  # of which the texts are cut to 64
    model = MaskedLanguageModel(SIZE, longest, embed_dim=16, num_heads=2)
    objective = partial(masked_tokens, vocabulary_size=SIZE)
    split = counting_texts(30, 2, longest)
    variables = model.init(jax.random.key(0), split["tokens"], split["length"], train=False)
    scores = []
    for at_once in (7, 30):
        language_modelling.SCORED_AT_ONCE, before = at_once, language_modelling.SCORED_AT_ONCE
        score = language_modelling.make_score(model, objective, longest, "float32", make_mesh())
        language_modelling.SCORED_AT_ONCE = before
        scores.append(score(variables, split)["loss"])
    assert scores[0] == pytest.approx(scores[1], rel=1e-5)


def test_texts_without_a_token_to_predict_have_no_metrics():
    split = {"tokens": np.full((3, 5), 2, np.int32), "length": np.ones(3, np.int32)}
    variables = RECURRENT.init(jax.random.key(0), split["tokens"], split["length"], train=False)
    score = language_modelling.make_score(RECURRENT, next_token, 5, "float32", make_mesh())
    assert score(variables, split) == {}


@pytest.mark.slow
def test_a_resumed_training_is_an_uninterrupted_one(tmp_path):
    short, long = (
        Optimization(epochs=n, batch_size=20, learning_rate=0.02, schedule="constant")
        for n in (1, 2)
    )
    model = RECURRENT.clone(dropout_rate=0.3)
    train(model, next_token, short, tmp_path / "checkpoints")
    resumed, _ = train(model, next_token, long, tmp_path / "checkpoints")
    uninterrupted, _ = train(model, next_token, long)
    jax.tree.map(np.testing.assert_array_equal, resumed.variables, uninterrupted.variables)
