import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_training as small
from hypothesis import given, settings, strategies

from jaxdl.training.mesh import make_mesh
from jaxdl.training.steps import (
    empty_history,
    epoch_order,
    group_by_length,
    make_predict,
    make_train_steps,
    predict_by_length,
)

EXAMPLES, BATCH = 23, 4
STEPS = EXAMPLES // BATCH
IDENTITIES = {"identity": np.arange(EXAMPLES, dtype=np.int32)}


def note_what_is_seen(state, batch, key):
    """A train step that counts the examples it meets and notes the first of each batch."""
    seen = state.at[batch["identity"]].add(1)
    first = batch["identity"][0].astype(jnp.float32)
    return seen, {"first": first, "draw": jax.random.uniform(key)}


@pytest.fixture(scope="module")
def seen_in():
    """Runs steps of a seed: counts of each example, and the metrics of the steps."""
    compiled = {}

    def run(start, stop, seed=0, looped=True):
        train_steps = compiled.setdefault(
            (seed, looped), make_train_steps(note_what_is_seen, BATCH, seed, make_mesh(), looped)
        )
        history = {name: jnp.zeros(STEPS) for name in ("first", "draw")}
        carry = (jnp.zeros(EXAMPLES, jnp.int32), history)
        order = epoch_order(seed, np.int32(start // STEPS), EXAMPLES)
        counts, history = train_steps(carry, IDENTITIES, order, np.int32(start), np.int32(stop))
        return np.asarray(counts), {name: np.asarray(values) for name, values in history.items()}

    return run


def test_an_epoch_sees_every_example_at_most_once_in_whole_batches(seen_in):
    for epoch in range(3):
        counts, _ = seen_in(epoch * STEPS, (epoch + 1) * STEPS)
        assert counts.max() == 1
        assert counts.sum() == STEPS * BATCH


def test_what_one_epoch_leaves_out_comes_in_another(seen_in):
    total = sum(seen_in(epoch * STEPS, (epoch + 1) * STEPS)[0] for epoch in range(12))
    assert total.min() > 0


def test_order_and_keys_differ_between_epochs_and_between_seeds(seen_in):
    runs = [seen_in(0, STEPS), seen_in(STEPS, 2 * STEPS), seen_in(0, STEPS, seed=1)]
    for name in ("first", "draw"):
        assert len({tuple(history[name]) for _, history in runs}) == 3
    draws = np.concatenate([history["draw"] for _, history in runs])
    assert len(set(draws)) == len(draws)


def test_a_batch_says_which_examples_of_which_epoch_it_has():
    def check(state, batch, key):
        right = (batch["index"] == batch["identity"]).all()
        return state, {"right": right, "epoch": batch["epoch"].mean()}

    train_steps = make_train_steps(check, BATCH, 0, make_mesh())
    history = {name: jnp.zeros(STEPS) for name in ("right", "epoch")}
    order = epoch_order(0, np.int32(2), EXAMPLES)
    start, stop = np.int32(2 * STEPS), np.int32(3 * STEPS)
    _, history = train_steps((jnp.zeros(()), history), IDENTITIES, order, start, stop)
    assert history["right"].all()
    assert (history["epoch"] == 2).all()


def test_the_history_has_each_step_at_its_place_in_the_epoch(seen_in):
    _, whole = seen_in(STEPS, 2 * STEPS)
    for position in range(STEPS):
        _, alone = seen_in(STEPS + position, STEPS + position + 1)
        assert alone["draw"][position] == whole["draw"][position]
        assert not np.delete(alone["draw"], position).any()


def test_without_a_loop_a_call_is_the_step_at_its_start(seen_in):
    for step in (0, 3, STEPS + 2):
        looped, alone = seen_in(step, step + 1), seen_in(step, 2 * STEPS, looped=False)
        np.testing.assert_array_equal(alone[0], looped[0])
        for name, values in looped[1].items():
            np.testing.assert_array_equal(alone[1][name], values)


@pytest.fixture(scope="module")
def train():
    """Trains the small model for an epoch and a half in calls that end at the steps given."""
    data = jax.device_put(small.new_data())
    history = empty_history(small.step, small.new_state(), data, small.BATCH_SIZE)
    train_steps = make_train_steps(small.step, small.BATCH_SIZE, 3, make_mesh())

    def run(*ends):
        carry = (small.new_state(), jax.tree.map(jnp.copy, history))
        start = 0
        for stop in sorted({*ends, small.STEPS_PER_EPOCH, 8}):
            order = epoch_order(3, np.int32(start // small.STEPS_PER_EPOCH), len(data["label"]))
            carry = train_steps(carry, data, order, np.int32(start), np.int32(stop))
            start = stop
        return carry

    return run


@settings(max_examples=8, deadline=None)
@given(strategies.sets(strategies.integers(1, 7)))
def test_calls_of_any_lengths_give_the_same_bits(train, ends):
    small.assert_same_bits(train(*ends), train())


def test_the_history_has_room_for_every_metric_of_an_epoch():
    history = empty_history(small.step, small.new_state(), small.new_data(), small.BATCH_SIZE)
    assert set(history) == {"loss", "accuracy"}
    for values in history.values():
        assert values.shape == (small.STEPS_PER_EPOCH,)
        assert values.dtype == jnp.float32


@pytest.mark.parametrize("examples", [0, 1, 3, 4, 5, 8, 9])
def test_prediction_of_any_number_of_examples_is_the_direct_application(examples):
    inputs = np.random.default_rng(0).normal(size=(examples, 3)).astype(np.float32)
    predict = make_predict(
        lambda scale, batch: scale * batch["x"][:, :2] + batch["x"].sum(-1, keepdims=True), 4
    )
    expected = 2 * inputs[:, :2] + inputs.sum(-1, keepdims=True)
    outputs = predict(np.float32(2), {"x": inputs})
    assert outputs.shape == (examples, 2)
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-6)


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
