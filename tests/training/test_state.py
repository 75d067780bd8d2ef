import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import small_training as small

from jaxdl.training.state import TrainState, count_parameters


@pytest.fixture
def make_state():
    def make(ema_decay):
        return TrainState.create(
            apply_fn=None,
            params={"w": jnp.ones(3)},
            tx=optax.sgd(0.5),
            batch_stats={},
            ema_params={"w": jnp.ones(3)} if ema_decay else None,
            ema_decay=ema_decay,
        )

    return make


@pytest.mark.parametrize("ema_decay", [0.9, 0.2])
def test_the_moving_average_follows_its_recurrence_and_is_short_at_first(make_state, ema_decay):
    state = make_state(ema_decay)
    params = average = np.ones(3)
    for step in range(24):
        gradient = np.sin(step + np.arange(3))
        state = state.apply_gradients(grads={"w": jnp.asarray(gradient, jnp.float32)})
        params = params - 0.5 * gradient
        decay = min(ema_decay, (1 + step) / (10 + step))
        average = decay * average + (1 - decay) * params
    assert state.step == 24
    np.testing.assert_allclose(state.params["w"], params, atol=1e-4)
    np.testing.assert_allclose(state.ema_params["w"], average, atol=1e-4)
    np.testing.assert_array_equal(state.variables["params"]["w"], state.ema_params["w"])


def test_without_a_moving_average_the_parameters_are_reported(make_state):
    state = make_state(0.0).apply_gradients(grads={"w": jnp.ones(3)})
    assert state.ema_params is None
    np.testing.assert_array_equal(state.variables["params"]["w"], [0.5, 0.5, 0.5])


def test_the_initial_state_is_a_function_of_its_seed():
    small.assert_bitwise_identical(small.new_state(seed=1), small.new_state(seed=1))
    kernels = [small.new_state(seed).params["dense_0"]["kernel"] for seed in (1, 2)]
    assert (kernels[0] != kernels[1]).all()


def test_the_initial_state_has_step_zero_and_the_parameters_as_their_average():
    state = small.new_state()
    assert state.step == 0
    assert isinstance(state.step, jax.Array)  # a Python number would compile the step twice
    small.assert_bitwise_identical(state.ema_params, state.params)
    assert set(state.batch_stats) == {"norm_0"}


def test_count_parameters_counts_values():
    params = {"a": jnp.zeros((2, 3)), "b": {"c": jnp.zeros(4), "d": jnp.zeros(())}}
    assert count_parameters(params) == 11
