import os
import subprocess
import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import small_training as small

from jaxdl.randomness import Purpose, key_for
from jaxdl.training.state import TrainState, count_parameters


@pytest.fixture
def make_state():
    initial = {"params": {"w": jnp.ones(3)}, "batch_stats": {"mean": jnp.zeros(2)}}

    def make(ema_decay):
        return TrainState.create(
            apply_fn=None,
            params={"w": jnp.ones(3)},
            tx=optax.sgd(0.5),
            batch_stats={"mean": jnp.zeros(2)},
            ema_variables=initial if ema_decay else None,
            ema_decay=ema_decay,
        )

    return make


@pytest.mark.parametrize("ema_decay", [0.9, 0.2])
def test_the_average_of_parameters_and_statistics_follows_its_recurrence_and_is_short_at_first(
    make_state, ema_decay
):
    state = make_state(ema_decay)
    params = average = np.ones(3)
    averaged_mean = np.zeros(2)
    for step in range(24):
        gradient = np.sin(step + np.arange(3))
        mean = np.cos(step + np.arange(2))
        state = state.apply_gradients(
            grads={"w": jnp.asarray(gradient, jnp.float32)},
            batch_stats={"mean": jnp.asarray(mean, jnp.float32)},
        )
        params = params - 0.5 * gradient
        decay = min(ema_decay, (1 + step) / (10 + step))
        average = decay * average + (1 - decay) * params
        averaged_mean = decay * averaged_mean + (1 - decay) * mean
    assert state.step == 24
    np.testing.assert_allclose(state.params["w"], params, atol=1e-4)
    np.testing.assert_allclose(state.variables["params"]["w"], average, atol=1e-4)
    np.testing.assert_allclose(state.variables["batch_stats"]["mean"], averaged_mean, atol=1e-4)


def test_without_a_moving_average_the_parameters_are_reported(make_state):
    state = make_state(0.0).apply_gradients(grads={"w": jnp.ones(3)})
    assert state.ema_variables is None
    np.testing.assert_array_equal(state.variables["params"]["w"], [0.5, 0.5, 0.5])


def test_the_initial_state_is_a_function_of_its_seed():
    small.assert_bitwise_identical(small.new_state(seed=1), small.new_state(seed=1))
    kernels = [small.new_state(seed).params["dense_0"]["kernel"] for seed in (1, 2)]
    assert (kernels[0] != kernels[1]).all()


def test_the_initial_parameters_are_those_of_a_fully_optimized_program():
    optimized = {"xla_backend_optimization_level": 3}
    init = jax.jit(partial(small.MODEL.init, train=False), compiler_options=optimized)
    variables = init(key_for(Purpose.INIT, 1), jnp.zeros(small.EXAMPLE.shape))
    small.assert_bitwise_identical(small.new_state(seed=1).params, variables["params"])


def test_the_shapes_of_the_initial_state_are_found_without_computing_it():
    shapes, state = jax.eval_shape(small.new_state), small.new_state()
    for shape, leaf in zip(jax.tree.leaves(shapes), jax.tree.leaves(state), strict=True):
        assert isinstance(shape, jax.ShapeDtypeStruct)
        assert (shape.shape, shape.dtype) == (leaf.shape, leaf.dtype)


def test_the_initial_state_has_step_zero_and_is_its_own_average():
    state = small.new_state()
    assert state.step == 0
    assert isinstance(state.step, jax.Array)  # a Python number would compile the step twice
    small.assert_bitwise_identical(state.variables, state.last_variables)
    assert set(state.batch_stats) == {"norm_0"}


def test_count_parameters_counts_values():
    params = {"a": jnp.zeros((2, 3)), "b": {"c": jnp.zeros(4), "d": jnp.zeros(())}}
    assert count_parameters(params) == 11


ON_TWO_DEVICES = """
import flax.linen as nn, jax, jax.numpy as jnp, optax
from jaxdl.training.state import create_train_state
model, points = nn.Dense(3), jnp.ones((1, 2))
variables = jax.device_put(model.init(jax.random.key(0), points), jax.devices()[0])
inputs = [jax.ShapeDtypeStruct(points.shape, points.dtype)]
state = create_train_state(model, optax.sgd(0.1), inputs, 0, variables=variables)
print(len(state.params["kernel"].devices()))
"""


@pytest.mark.slow
def test_variables_on_one_device_start_a_training_on_all():
    devices = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", ON_TWO_DEVICES]
    assert subprocess.check_output(command, env=os.environ | devices, text=True) == "2\n"
