"""A training that takes a moment, with dropout, BatchNorm and a moving average."""

from functools import partial

import flax.linen as nn
import jax
import numpy as np
import optax

from jaxdl.training.classification import evaluate, train_step
from jaxdl.training.classifier import make_predict_logits
from jaxdl.training.images import preprocess_images
from jaxdl.training.pipeline import InputPipeline
from jaxdl.training.plan import Plan
from jaxdl.training.state import create_train_state

BATCH_SIZE = 4
STEPS_PER_EPOCH = 5


class Model(nn.Module):
    @nn.compact
    def __call__(self, images, *, train):
        x = nn.Dense(3, name="dense_0")(images.reshape(images.shape[0], -1))
        x = nn.BatchNorm(use_running_average=not train, momentum=0.9, name="norm_0")(x)
        x = nn.Dropout(0.3, deterministic=not train)(nn.relu(x))
        return nn.Dense(3, name="head")(x)


MODEL = Model()
EXAMPLE = jax.ShapeDtypeStruct((1, 2, 2, 1), np.float32)
OPTIMIZER = optax.adam(0.01)
SCHEDULE = optax.constant_schedule(0.01)
PIPELINE = InputPipeline(preprocess=preprocess_images)

step = partial(train_step, pipeline=PIPELINE)
predict = make_predict_logits(MODEL, PIPELINE)


def new_state(seed=0, optimizer=OPTIMIZER, ema_decay=0.9):
    return create_train_state(MODEL, optimizer, [EXAMPLE], seed, ema_decay)


def new_data(examples=BATCH_SIZE * STEPS_PER_EPOCH + 2):
    random = np.random.default_rng(0)
    return {
        "image": random.integers(0, 256, (examples, 2, 2, 1), np.uint8),
        "label": random.integers(0, 3, examples, np.int32),
    }


def validate(variables):
    data = new_data(10)
    return evaluate(predict(variables, {"image": data["image"]}), data["label"])


def new_plan(**changes):
    options = {
        "batch_size": BATCH_SIZE,
        "epochs": 4,
        "seed": 0,
        "learning_rate": SCHEDULE,
        "evaluate": validate,
    }
    return Plan(**(options | changes))


def assert_bitwise_identical(tree, other):
    assert jax.tree.structure(tree) == jax.tree.structure(other)
    for leaf, twin in zip(jax.tree.leaves(tree), jax.tree.leaves(other), strict=True):
        assert leaf.dtype == twin.dtype
        assert np.asarray(leaf).tobytes() == np.asarray(twin).tobytes()
