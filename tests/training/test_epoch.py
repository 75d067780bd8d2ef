import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_training as small
from hypothesis import given, settings, strategies

from jaxdl.nn import Conv
from jaxdl.training import epoch
from jaxdl.training.epoch import CompiledEpoch, batch_shapes
from jaxdl.training.mesh import make_mesh

EXAMPLES, BATCH = 23, 4
STEPS = EXAMPLES // BATCH
SPLIT = {
    "identity": np.arange(EXAMPLES, dtype=np.int32),
    "image": np.arange(EXAMPLES * 12, dtype=np.float32).reshape(EXAMPLES, 2, 3, 2),
}
FORMS = pytest.mark.parametrize("in_loop", [True, False], ids=["in a loop", "step by step"])


def record_batch(state, batch, key):
    """A train step that counts the examples it gets and records the first of each batch."""
    seen = state.at[batch["identity"]].add(1)
    first = batch["identity"][0].astype(jnp.float32)
    return seen, {"first": first, "draw": jax.random.uniform(key)}


def new_epoch(step, state, split, in_loop=True, seed=0, **options):
    """An epoch in one of its two forms, whatever is faster for its step."""
    with pytest.MonkeyPatch.context() as patches:
        trace = lambda step, *arguments: (jax.eval_shape(step, *arguments), in_loop)  # noqa: E731
        patches.setattr(epoch, "trace_step", trace)
        compiled = CompiledEpoch(step, state, split, BATCH, seed, make_mesh(), **options)
        return compiled, compiled.lower().compile()


@pytest.fixture(scope="module")
def seen_in():
    """Runs steps of a seed: counts of each example, and the metrics of the steps."""
    compiled = {}

    def run(start, stop, seed=0, in_loop=True):
        state = jnp.zeros(EXAMPLES, jnp.int32)
        if (seed, in_loop) not in compiled:
            compiled[seed, in_loop] = new_epoch(record_batch, state, SPLIT, in_loop, seed)
        one, program = compiled[seed, in_loop]
        counts, history = one.run(program, state, one.empty_history(), start, stop)
        return np.asarray(counts), {name: np.asarray(values) for name, values in history.items()}

    return run


def test_an_epoch_has_every_example_at_most_once_in_whole_batches(seen_in):
    for number in range(3):
        counts, _ = seen_in(number * STEPS, (number + 1) * STEPS)
        assert counts.max() == 1
        assert counts.sum() == STEPS * BATCH


def test_examples_that_one_epoch_skips_are_in_others(seen_in):
    total = sum(seen_in(number * STEPS, (number + 1) * STEPS)[0] for number in range(12))
    assert total.min() > 0


def test_order_and_keys_differ_between_epochs_and_between_seeds(seen_in):
    runs = [seen_in(0, STEPS), seen_in(STEPS, 2 * STEPS), seen_in(0, STEPS, seed=1)]
    for name in ("first", "draw"):
        assert len({tuple(history[name]) for _, history in runs}) == 3
    draws = np.concatenate([history["draw"] for _, history in runs])
    assert len(set(draws)) == len(draws)


@FORMS
def test_a_batch_has_the_examples_and_the_epoch_that_it_names(in_loop):
    def check(state, batch, key):
        right = [(batch[name] == array[batch["index"]]).all() for name, array in split.items()]
        shapes = {name: (array.shape, array.dtype) for name, array in batch.items()}
        expected = batch_shapes(SPLIT, BATCH)
        assert shapes == {name: (array.shape, array.dtype) for name, array in expected.items()}
        return state, {"right": jnp.all(jnp.array(right)), "epoch": batch["epoch"].mean()}

    split = jax.tree.map(jnp.asarray, SPLIT)
    one, program = new_epoch(check, jnp.zeros(()), SPLIT, in_loop)
    _, history = one.run(program, jnp.zeros(()), one.empty_history(), 2 * STEPS, 3 * STEPS)
    assert np.all(history["right"])
    assert np.all(history["epoch"] == 2)


@FORMS
def test_the_history_has_each_step_at_its_place_in_the_epoch(seen_in, in_loop):
    _, whole = seen_in(STEPS, 2 * STEPS, in_loop=in_loop)
    for position in range(STEPS):
        _, alone = seen_in(STEPS + position, STEPS + position + 1, in_loop=in_loop)
        assert alone["draw"][position] == whole["draw"][position]
        assert not np.delete(alone["draw"], position).any()


@pytest.mark.parametrize(("start", "stop"), [(0, 1), (3, 4), (1, STEPS), (STEPS, STEPS + 3)])
def test_step_by_step_the_results_are_those_of_the_loop(seen_in, start, stop):
    counts, history = seen_in(start, stop)
    other_counts, other_history = seen_in(start, stop, in_loop=False)
    np.testing.assert_array_equal(other_counts, counts)
    for name, values in history.items():
        np.testing.assert_array_equal(other_history[name], values)


@pytest.mark.parametrize(
    ("in_loop", "calls"), [(True, [(1, 4)]), (False, [(1, 2), (2, 3), (3, 4)])]
)
def test_a_program_without_a_loop_is_called_for_each_step(in_loop, calls):
    state = jnp.zeros(EXAMPLES, jnp.int32)
    one, program = new_epoch(record_batch, state, SPLIT, in_loop)
    made = []

    def recorded(carry, rows, order, start, stop):
        made.append((int(start), int(stop)))
        return program(carry, rows, order, start, stop)

    one.run(recorded, state, one.empty_history(), 1, 4)
    assert made == calls


@pytest.fixture(scope="module", params=[True, False], ids=["in a loop", "step by step"])
def train(request):
    """Trains the small model for an epoch and a half in calls that end at the steps given."""
    one, program = new_epoch(small.step, small.new_state(), small.new_data(), request.param, seed=3)
    assert one.steps_per_epoch == small.STEPS_PER_EPOCH

    def run(*ends):
        carry = (small.new_state(), one.empty_history())
        start = 0
        for stop in sorted({*ends, small.STEPS_PER_EPOCH, 8}):
            carry = one.run(program, *carry, start, stop)
            start = stop
        return carry

    return run


@settings(max_examples=8, deadline=None)
@given(strategies.sets(strategies.integers(1, 7)))
def test_calls_of_any_lengths_give_bitwise_identical_results(train, ends):
    small.assert_bitwise_identical(train(*ends), train())


def test_the_history_has_room_for_every_metric_of_an_epoch():
    mesh, state, data = make_mesh(), small.new_state(), small.new_data()
    history = CompiledEpoch(small.step, state, data, small.BATCH_SIZE, 0, mesh).empty_history()
    assert set(history) == {"loss", "accuracy"}
    for values in history.values():
        assert values.shape == (small.STEPS_PER_EPOCH,)
        assert values.dtype == jnp.float32


def test_with_lengths_the_examples_of_a_batch_have_similar_ones():
    lengths = np.random.default_rng(0).permutation(EXAMPLES)

    def spread(state, batch, key):
        length = jnp.asarray(lengths)[batch["identity"]]
        seen = state.at[batch["identity"]].add(1)
        return seen, {"spread": (length.max() - length.min()).astype(jnp.float32)}

    spreads = {}
    for name, options in (("any", {}), ("grouped", {"lengths": lengths})):
        state = jnp.zeros(EXAMPLES, jnp.int32)
        one, program = new_epoch(spread, state, SPLIT, **options)
        seen, history = one.run(program, state, one.empty_history(), STEPS, 2 * STEPS)
        assert seen.sum() == STEPS * BATCH
        assert seen.max() == 1
        spreads[name] = np.asarray(history["spread"])
    # 3 of the 23 lengths are left out, so sorted batches of 4 have a spread of 3 to 6.
    assert spreads["grouped"].max() <= 6
    assert spreads["grouped"].sum() < spreads["any"].sum() / 2


def test_shapes_of_state_and_split_are_enough_to_trace_the_program():
    state, data, mesh = small.new_state(), small.new_data(), make_mesh()
    shapes = jax.eval_shape(lambda: (state, data))
    texts = [
        CompiledEpoch(small.step, *arguments, small.BATCH_SIZE, 0, mesh).lower().as_text()
        for arguments in ((state, data), shapes)
    ]
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    ("convolution", "in_loop"), [(nn.Conv, False), (Conv, True)], ids=["of Flax", "ours"]
)
def test_a_convolution_that_is_not_ours_is_kept_out_of_a_loop(convolution, in_loop):
    layer = convolution(4, (3, 3), use_bias=False)

    def step(params, batch, key):
        gradient = jax.grad(lambda params: layer.apply(params, batch["image"]).sum())(params)
        return jax.tree.map(jnp.subtract, params, gradient), {"one": jnp.ones(())}

    split = {"image": np.ones((EXAMPLES, 8, 8, 3), np.float32)}
    params = layer.init(jax.random.key(0), split["image"][:1])
    one, calls = CompiledEpoch(step, params, split, BATCH, 0, make_mesh()), []
    one.lower()
    one.run(lambda *arguments: calls.append(arguments), params, {}, 0, 3)
    assert len(calls) == (1 if in_loop else 3)


def test_the_step_and_its_shapes_decide_whether_a_loop_pays(monkeypatch):
    asked = []

    def trace_step(step, *arguments):
        asked.append((step, jax.tree.map(lambda leaf: leaf.shape, arguments)))
        return jax.eval_shape(step, *arguments), True

    monkeypatch.setattr(epoch, "trace_step", trace_step)
    state = jnp.zeros(EXAMPLES, jnp.int32)
    one = CompiledEpoch(record_batch, state, SPLIT, BATCH, 0, make_mesh())
    ((step, shapes),) = asked
    assert step is record_batch
    assert shapes == jax.tree.map(lambda leaf: leaf.shape, one.step_arguments)
