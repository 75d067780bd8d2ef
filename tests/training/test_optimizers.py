import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings, strategies

from jaxdl.training.optimizers import build_optimizer, learning_rate_schedule

PARAMS = {"kernel": jnp.full((2, 3), 2.0), "bias": jnp.full(3, 2.0)}


def updates(optimizer, gradients, steps=1):
    state = optimizer.init(PARAMS)
    for _ in range(steps):
        change, state = optimizer.update(gradients, state, PARAMS)
    return change


def test_the_cosine_schedule_climbs_to_its_peak_and_decays_to_zero():
    schedule = learning_rate_schedule("cosine", 0.5, total_steps=100, warmup_fraction=0.2)
    rates = np.array([schedule(step) for step in range(101)])
    assert rates[0] == pytest.approx(0.5 / 25)
    assert rates[20] == pytest.approx(0.5)
    assert rates[60] == pytest.approx(0.25)  # halfway down
    assert rates[100] == pytest.approx(0, abs=1e-8)
    assert (np.diff(rates[:21]) > 0).all()
    assert (np.diff(rates[20:]) < 0).all()


def test_the_linear_schedule_climbs_to_its_peak_and_decays_along_a_line():
    schedule = learning_rate_schedule("linear", 0.5, total_steps=100, warmup_fraction=0.2)
    rates = np.array([schedule(step) for step in range(101)])
    np.testing.assert_allclose(rates[:21], np.linspace(0.5 / 25, 0.5, 21), rtol=1e-5)
    np.testing.assert_allclose(rates[20:], np.linspace(0.5, 0, 81), atol=1e-7)


@settings(max_examples=20, deadline=None)
@given(
    strategies.sampled_from(("cosine", "linear")),
    strategies.integers(1, 10),
    strategies.floats(0, 1, exclude_max=True),
)
def test_any_warm_up_gives_learning_rates_between_zero_and_the_peak(name, total_steps, fraction):
    schedule = learning_rate_schedule(name, 0.1, total_steps, fraction)
    rates = np.array([schedule(step) for step in range(total_steps)])
    assert (rates > 0).all()
    assert (rates <= 0.1 * (1 + 1e-6)).all()
    assert schedule(total_steps) == pytest.approx(0, abs=1e-8)


@pytest.mark.parametrize("name", ["cosine", "linear"])
def test_without_warm_up_a_schedule_starts_at_its_peak(name):
    schedule = learning_rate_schedule(name, 0.5, total_steps=10, warmup_fraction=0)
    assert schedule(0) == pytest.approx(0.5)


def test_the_constant_schedule_is_constant():
    schedule = learning_rate_schedule("constant", 0.5, total_steps=10, warmup_fraction=0.2)
    assert [float(schedule(step)) for step in (0, 5, 10)] == [0.5, 0.5, 0.5]


def test_unknown_names_of_schedules_and_optimizers_are_errors():
    with pytest.raises(ValueError, match="'quadratic'"):
        learning_rate_schedule("quadratic", 0.5, total_steps=10, warmup_fraction=0.2)
    with pytest.raises(ValueError, match="'adamax'"):
        build_optimizer("adamax", optax.constant_schedule(0.1))


def test_weight_decay_shrinks_kernels_and_not_biases():
    optimizer = build_optimizer("adamw", optax.constant_schedule(0.1), weight_decay=0.5)
    change = updates(optimizer, {"kernel": jnp.zeros((2, 3)), "bias": jnp.zeros(3)})
    np.testing.assert_allclose(change["kernel"], np.full((2, 3), -0.1 * 0.5 * 2.0), rtol=1e-6)
    np.testing.assert_array_equal(change["bias"], np.zeros(3))


def test_adam_ignores_weight_decay():
    optimizer = build_optimizer("adam", optax.constant_schedule(0.1), weight_decay=0.5)
    change = updates(optimizer, {"kernel": jnp.zeros((2, 3)), "bias": jnp.zeros(3)})
    assert not change["kernel"].any()


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_the_update_is_that_of_the_paper(name):
    gradients = {"kernel": jnp.full((2, 3), 0.3), "bias": jnp.full(3, -0.2)}
    change = updates(build_optimizer(name, optax.constant_schedule(0.1)), gradients, steps=3)
    # A constant gradient g has bias-corrected moments g and g^2, so each step is -rate * sign(g).
    np.testing.assert_allclose(change["kernel"], np.full((2, 3), -0.1), rtol=1e-4)
    np.testing.assert_allclose(change["bias"], np.full(3, 0.1), rtol=1e-4)


def test_sgd_has_nesterov_momentum_and_adds_the_weight_decay_to_the_gradient():
    rate, decay, momentum = 0.1, 0.5, 0.9
    optimizer = build_optimizer("sgd", optax.constant_schedule(rate), weight_decay=decay)
    change = updates(optimizer, {"kernel": jnp.full((2, 3), 0.3), "bias": jnp.full(3, -0.2)}, 2)
    for name, gradient in (("kernel", 0.3 + decay * 2.0), ("bias", -0.2)):
        velocity = momentum * gradient + gradient
        expected = -rate * (gradient + momentum * velocity)
        np.testing.assert_allclose(change[name], np.full_like(change[name], expected), rtol=1e-5)


def test_clipping_bounds_the_global_norm_and_keeps_the_direction():
    # Adam's step does not depend on the scale of a gradient, but its first moment does.
    gradients = {"kernel": jnp.full((2, 3), 3.0), "bias": jnp.full(3, -4.0)}

    def first_moment(clip, scale):
        optimizer = build_optimizer("adam", optax.constant_schedule(0.1), gradient_clip=clip)
        scaled = {name: value * scale for name, value in gradients.items()}
        _, state = optimizer.update(scaled, optimizer.init(PARAMS), PARAMS)
        return optax.tree_utils.tree_get(state, "mu")

    clipped, small = first_moment(0.5, 1.0), first_moment(0.5, 0.01)
    assert optax.tree.norm(clipped) == pytest.approx(0.1 * 0.5, rel=1e-5)
    assert clipped["kernel"][0, 0] / clipped["bias"][0] == pytest.approx(-0.75)
    np.testing.assert_allclose(small["bias"], first_moment(0.0, 0.01)["bias"], rtol=1e-6)
    np.testing.assert_allclose(first_moment(0.0, 1.0)["bias"], np.full(3, -0.4), rtol=1e-5)
