import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.training.pipeline import InputPipeline, features_as_inputs

BATCH = {name: number for number, name in enumerate(("zebra", "label", "ant", "index", "epoch"))}


def test_features_are_passed_in_the_order_of_the_split():
    pipeline = features_as_inputs({"zebra": 0, "label": 1, "ant": 2})
    assert pipeline.preprocess(BATCH) == (0, 2)
    assert pipeline.for_training(BATCH, jax.random.key(0)) == (0, 2)


def test_inputs_that_are_not_a_tuple_are_an_error():
    for inputs in (jnp.zeros(3), {"ant": 2}):
        pipeline = InputPipeline(preprocess=lambda batch, inputs=inputs: inputs)
        with pytest.raises(TypeError, match="must be a tuple of arrays"):
            pipeline.for_training(BATCH, jax.random.key(0))


def test_augmentation_replaces_preprocessing_in_training_only():
    pipeline = InputPipeline(
        preprocess=lambda batch: (batch["ant"],), augment=lambda batch, key: (batch["zebra"], key)
    )
    assert pipeline.preprocess(BATCH) == (2,)
    assert pipeline.for_training(BATCH, "key") == (0, "key")


def test_by_default_inputs_and_labels_are_not_mixed():
    inputs, labels = (jnp.arange(3.0),), jnp.eye(3)
    mixed, mix_labels = features_as_inputs(BATCH).mix(inputs, jax.random.key(0))
    assert mixed is inputs
    np.testing.assert_array_equal(mix_labels(labels), labels)
