from functools import partial

import jax
import numpy as np
import optax
import pytest
from hypothesis import given, settings, strategies

from jaxdl.models.bert import Bert
from jaxdl.training.classification import train_step
from jaxdl.training.pipeline import InputPipeline
from jaxdl.training.prediction import make_predict
from jaxdl.training.state import create_train_state
from jaxdl.training.text_batches import (
    cut_text_pipeline,
    cut_to_longest,
    group_by_length,
    predict_by_length,
    preprocess_tokens,
)


@given(strategies.integers(1, 9), strategies.integers(1, 2000), strategies.integers(0, 9))
@settings(deadline=None)
def test_examples_of_about_the_same_length_share_a_batch(batch_size, examples, seed):
    random = np.random.default_rng(seed)
    order, lengths = random.permutation(examples), random.integers(1, 512, examples)
    grouped = group_by_length(order, lengths, batch_size, random)
    num_batches = examples // batch_size
    assert sorted(grouped) == sorted(order[: num_batches * batch_size])
    spread = np.ptp(lengths[grouped].reshape(-1, batch_size), axis=1).sum()
    before = np.ptp(lengths[order][: len(grouped)].reshape(-1, batch_size), axis=1).sum()
    assert spread <= before


@pytest.mark.parametrize("examples", [0, 1, 7, 20])
def test_predictions_without_common_padding_are_the_same(examples):
    random = np.random.default_rng(0)
    length = random.integers(1, 13, examples).astype(np.int32)
    tokens = np.where(np.arange(12) < length[:, None], random.integers(1, 9, (examples, 12)), 0)
    split = {"tokens": tokens, "length": length}
    widths = set()

    def apply(scale, batch):
        widths.add(batch["tokens"].shape[1])
        return scale * batch["tokens"].sum(1) / batch["length"]

    predict = predict_by_length(make_predict(apply, 4), (3, 8, 12))
    np.testing.assert_allclose(predict(2.0, split), 2 * tokens.sum(1) / length, rtol=1e-6)
    assert widths == ({3, 8, 12} if examples == 20 else widths)


@pytest.fixture(scope="module")
def steps():
    """A state of a small Bert, and its train step with and without common padding."""
    sizes = {"vocabulary_size": 9, "max_length": 12, "embed_dim": 8, "num_heads": 2, "mlp_dim": 8}
    model = Bert(num_layers=1, pooling="mean", **sizes)
    inputs = [jax.ShapeDtypeStruct((1, 12), np.int32), jax.ShapeDtypeStruct((1,), np.int32)]
    state = create_train_state(model, optax.sgd(0.1), inputs, seed=0)
    step = partial(train_step, pipeline=InputPipeline(preprocess_tokens))
    return state, jax.jit(step), jax.jit(cut_to_longest(step, (4, 12)))


@pytest.mark.parametrize("longest", [1, 4, 5, 12])
def test_a_step_without_common_padding_is_the_same_step(steps, longest):
    state, step, cut_step = steps
    random = np.random.default_rng(longest)
    length = np.array([longest, 1, (longest + 1) // 2], np.int32)
    tokens = np.where(np.arange(12) < length[:, None], random.integers(1, 9, (3, 12)), 0)
    batch = {
        "tokens": tokens.astype(np.int32),
        "length": length,
        "label": np.array([0, 1, 1], np.int32),
    }
    expected, metrics = step(state, batch, jax.random.key(0))
    cut, cut_metrics = cut_step(state, batch, jax.random.key(0))
    np.testing.assert_allclose(cut_metrics["loss"], metrics["loss"], rtol=1e-5)
    for ours, theirs in zip(*map(jax.tree.leaves, (cut.params, expected.params)), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize(
    ("longest", "lengths"),
    [
        (40, (40,)),
        (64, (64,)),
        (65, (64, 65)),
        (200, (64, 128, 192, 200)),
        (700, (64, 128, 192, 256, 320, 448, 576, 700)),
    ],
)
def test_texts_are_cut_to_multiples_of_64_or_to_the_longest(longest, lengths):
    pipeline = cut_text_pipeline(longest, predict_batch_size=7)
    assert pipeline.lengths == lengths
    assert pipeline.predict_batch_size == 7


def test_the_inputs_of_a_text_model_are_tokens_lengths_and_ratios_where_there_are_some():
    batch = {"label": 0, "length": 1, "tokens": 2}
    pipeline = cut_text_pipeline(100, predict_batch_size=5)
    assert pipeline.preprocess(batch) == (2, 1)
    assert pipeline.for_training(batch | {"ratios": 3}, jax.random.key(0)) == (2, 1, 3)
