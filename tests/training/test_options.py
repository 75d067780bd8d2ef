import dataclasses
import math

import jax.numpy as jnp
import pytest

from jaxdl.errors import UsageError
from jaxdl.training.config import TrainingConfig
from jaxdl.training.image_classification import ImageConfig

REQUIRED = {"epochs": 1, "batch_size": 1, "learning_rate": 0.1, "dropout_rate": 0.0}


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("epochs", (0, -1)),
        ("batch_size", (0, -8)),
        ("seeds", (0,)),
        ("seed", (-1,)),
        ("patience", (-1,)),
        ("learning_rate", (0.0, -0.1, math.nan)),
        ("weight_decay", (-0.1, math.nan)),
        ("gradient_clip", (-1.0, math.nan)),
        ("warmup_fraction", (-0.1, 1.0, math.nan)),
        ("label_smoothing", (-0.1, 1.0)),
        ("dropout_rate", (-0.1, 1.0)),
        ("ema_decay", (-0.1, 1.0)),
        ("validation_fraction", (-0.1, 1.0)),
        ("shift", (-1.0, math.nan)),
        ("rotation", (-1.0, 45.0)),
        ("micro_batches", (0, -1, 2)),  # a batch of 1 has no halves
        ("mixup", (-0.1, math.inf)),
        ("cutmix", (-0.1, math.nan)),
        ("zoom", (-0.1, 1.0, 2.0)),  # an image of no size, or turned inside out
    ],
)
def test_a_value_that_no_training_can_have_is_refused_by_the_name_of_its_option(name, values):
    for value in values:
        option = "--" + name.replace("_", "-")
        with pytest.raises(UsageError, match=rf"^{option} is {value}, but must be .*\.$"):
            ImageConfig(**REQUIRED | {name: value})


def test_every_bound_that_is_allowed_is_accepted():
    zeros = ("seed", "patience", "weight_decay", "gradient_clip", "warmup_fraction")
    zeros += ("label_smoothing", "ema_decay", "validation_fraction", "shift", "rotation", "zoom")
    config = ImageConfig(**REQUIRED | dict.fromkeys(zeros, 0))
    assert (config.epochs, config.seeds) == (1, 1)


@pytest.mark.parametrize(
    ("precision", "dtype"), [("float32", jnp.float32), ("bfloat16", jnp.bfloat16)]
)
def test_the_precision_is_the_type_of_the_computation(precision, dtype):
    assert TrainingConfig(**REQUIRED, precision=precision).dtype == dtype


def test_a_configuration_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        TrainingConfig(**REQUIRED).epochs = 2
