import dataclasses
import math

import jax.numpy as jnp
import optax
import pytest

from jaxdl.errors import UsageError
from jaxdl.training.images import ImageAugmentation
from jaxdl.training.optimization import ClassifierOptimization, Optimization, configure_optimizer

REQUIRED = {"epochs": 1, "batch_size": 1, "learning_rate": 0.1}


def refuses(options, name, value):
    option = "--" + name.replace("_", "-")
    with pytest.raises(UsageError, match=rf"^{option} is {value}, but must be .*\.$") as failure:
        options(value)
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("epochs", (0, -1)),
        ("batch_size", (0, -8)),
        ("patience", (-1,)),
        ("learning_rate", (0.0, -0.1, math.nan)),
        ("weight_decay", (-0.1, math.nan)),
        ("gradient_clip", (-1.0, math.nan)),
        ("warmup_fraction", (-0.1, 1.0, math.nan)),
        ("ema_decay", (-0.1, 1.0)),
        ("label_smoothing", (-0.1, 1.0)),
        ("micro_batches", (0, -1, 2)),  # a batch of 1 cannot be halved
    ],
)
def test_an_impossible_value_of_an_optimization_is_an_error_that_names_its_option(name, values):
    for value in values:
        refuses(lambda v: ClassifierOptimization(**REQUIRED | {name: v}), name, value)
        if name not in ("label_smoothing", "micro_batches"):
            refuses(lambda v: Optimization(**REQUIRED | {name: v}), name, value)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("shift", (-1.0, math.nan)),
        ("rotation", (-1.0, 45.0)),
        ("crop", (-1, 28)),
        ("cutout", (-1,)),
        ("mixup", (-0.1, math.inf)),
        ("cutmix", (-0.1, math.nan)),
        ("color_jitter", (-0.1, 1.1, math.nan)),
        ("zoom", (-0.1, 1.0, 2.0)),  # at 1 an image would have no size
    ],
)
def test_an_impossible_value_of_an_augmentation_is_an_error_that_names_its_option(name, values):
    for value in values:
        refuses(lambda v: ImageAugmentation(**{name: v}), name, value)


def test_the_least_values_that_are_possible_are_accepted():
    zeros = ("patience", "weight_decay", "gradient_clip", "warmup_fraction", "label_smoothing")
    options = ClassifierOptimization(**REQUIRED | dict.fromkeys((*zeros, "ema_decay"), 0))
    assert (options.epochs, options.batch_size, options.micro_batches) == (1, 1, 1)
    zeros = ("shift", "rotation", "zoom", "crop", "cutout", "mixup", "cutmix", "color_jitter")
    assert ImageAugmentation(**dict.fromkeys(zeros, 0)) == ImageAugmentation()


def test_micro_batches_must_divide_the_batch():
    for micro_batches in (1, 2, 3, 4, 6, 12):
        options = REQUIRED | {"batch_size": 12, "micro_batches": micro_batches}
        assert ClassifierOptimization(**options).micro_batches == micro_batches
    with pytest.raises(UsageError, match="must be a divisor of --batch-size, 12"):
        ClassifierOptimization(**REQUIRED | {"batch_size": 12, "micro_batches": 5})


def test_options_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Optimization(**REQUIRED).epochs = 2


def test_the_optimizer_is_configured_by_the_options():
    options = Optimization(
        epochs=4, batch_size=1, learning_rate=0.5, optimizer="adam", warmup_fraction=0.25
    )
    optimizer, schedule = configure_optimizer(options, steps_per_epoch=10, b1=0.5)
    assert schedule(10) == pytest.approx(0.5)
    assert schedule(40) == pytest.approx(0, abs=1e-8)
    params = {"w": jnp.ones(3)}
    _, state = optimizer.update(params, optimizer.init(params), params)
    assert optax.tree_utils.tree_get(state, "mu")["w"][0] == pytest.approx(0.5)
